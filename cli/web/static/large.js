// "Make it large": sizes, and what the plan says about time and memory.
import * as api from "./api.js";
import { duration, find, gigabytes, h } from "./dom.js";

const SIZES = [1024, 1536, 2048, 3072, 4096];
let wanted = 0;

export function makeLarge() {
  find("large").addEventListener("click", open);
}

function open() {
  const dialog = find("large-dialog");
  const close = () => dialog.close();
  const go = h("button", { type: "button", id: "large-go", disabled: true, onclick: () => { close(); api.enlarge(wanted); } }, "Add to the queue");
  const names = { 1024: "A page of a book", 1536: "A screen", 2048: "A large print", 3072: "A framed print", 4096: "A poster" };
  dialog.replaceChildren(
    h("h2", { id: "large-title" }, "Make it large"),
    h("fieldset", { className: "sizes" }, h("legend", { className: "unseen" }, "Longest side"), ...SIZES.map((size) => h("label", { className: "size" },
      h("input", { type: "radio", name: "size", value: size, onchange: () => ask(size) }), h("span", {}, names[size]), h("span", {}, `${size} px`)))),
    h("p", { className: "plan", id: "plan", role: "status" }, "Choose a size. It is painted beside everything else, and goes on after a restart."),
    h("div", { className: "dialog-row" }, h("button", { type: "button", className: "quiet", onclick: close }, "Cancel"), go));
  dialog.showModal();
}

export function ask(size) {
  wanted = size;
  find("plan").textContent = "A few small steps are timed …";
  find("large-go").disabled = true;
  api.act("plan", { size });
}

export function showPlan(plan) {
  if (plan.size !== wanted || !find("large-dialog").open) return;
  const free = plan.free ? ` of ${gigabytes(plan.free)} that can be had` : "";
  find("plan").textContent = plan.error ? plan.error
    : `${plan.width} × ${plan.height} pixels, about ${duration(plan.seconds)}, ${gigabytes(plan.peak)} of memory${free}.${plan.fits ? "" : " It does not fit: choose a smaller size."}`;
  find("large-go").disabled = Boolean(plan.error) || !plan.fits;
}
