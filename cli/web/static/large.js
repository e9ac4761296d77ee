// "Make it large": sizes, quickly or painted, and what the plan says about time and memory.
import * as api from "./api.js";
import { duration, find, gigabytes, h } from "./dom.js";

const SIZES = [1024, 1536, 2048, 3072, 4096];
const FIRST = 2048;
let wanted = 0;

export function makeLarge() {
  find("large").addEventListener("click", open);
}

function open() {
  const dialog = find("large-dialog");
  const close = () => dialog.close();
  const button = (id, quick, title, className) => h("button", { type: "button", id, className, onclick: () => { close(); api.enlarge(wanted, quick); } }, title);
  const names = { 1024: "A page of a book", 1536: "A screen", 2048: "A large print", 3072: "A framed print", 4096: "A poster" };
  dialog.replaceChildren(
    h("h2", { id: "large-title" }, "Make it large"),
    h("fieldset", { className: "sizes" }, h("legend", { className: "unseen" }, "Longest side"), ...SIZES.map((size) => h("label", { className: "size" },
      h("input", { type: "radio", name: "size", value: size, checked: size === FIRST, onchange: () => ask(size) }), h("span", {}, names[size]), h("span", {}, `${size} px`)))),
    h("p", { className: "plan" }, "Quickly: this picture is brought up to size with the detail of the photograph, in seconds."),
    h("p", { className: "plan", id: "plan", role: "status" }),
    h("div", { className: "dialog-row" }, h("button", { type: "button", className: "quiet", onclick: close }, "Cancel"),
      button("large-go", false, "Paint it", "tool"), button("large-quick", true, "Quick poster")));
  dialog.showModal();
  ask(FIRST);
}

export function ask(size) {
  wanted = size;
  find("plan").textContent = "Painted: with strokes of that size; a few small steps are timed …";
  find("large-go").disabled = true;
  api.act("plan", { size });
}

export function showPlan(plan) {
  if (plan.size !== wanted || !find("large-dialog").open) return;
  const free = plan.free ? ` of ${gigabytes(plan.free)} that can be had` : "";
  find("plan").textContent = plan.error ? plan.error
    : `Painted: with strokes of that size, ${plan.width} × ${plan.height} pixels, about ${duration(plan.seconds)}, beside everything else; ${gigabytes(plan.peak)} of memory${free}.${plan.fits ? "" : " It does not fit: choose a smaller size."}`;
  find("large-go").disabled = Boolean(plan.error) || !plan.fits;
}
