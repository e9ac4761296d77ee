// What was painted before, each with its settings and its command; and large pictures in the queue.
import * as api from "./api.js";
import { announce, duration, find, h, icon, renew } from "./dom.js";
import { fileName } from "./progress.js";

const SLIDERS = { strength: "Strength", stroke: "Stroke size", color: "Colour kept", detail: "Detail" };

export function showShelf(state) {
  find("shelf").hidden = !state.history.length && !state.jobs.length;
  renew(find("strip"), state.history, (entry) => `${entry.run}-${entry.made}`, (entry) => h("li", {}, h("button", {
    type: "button", onclick: () => open(entry),
    "aria-label": `Picture ${entry.run}, ${entry.size[0]} by ${entry.size[1]} pixels`,
  }, h("img", { src: `${api.address(entry.files.thumb)}?${entry.made}`, alt: "" }), h("span", {}, `${entry.size[0]} × ${entry.size[1]}`))));
  for (const item of find("strip").children) {
    item.firstChild.setAttribute("aria-current", String(item.dataset.key.startsWith(`${state.work.run}-`)));
  }
  find("jobs").replaceChildren(...state.jobs.map(job));
}

function job(held) {
  const texts = {
    queued: held.error ? "It begins once more" : held.place > 1 ? `Number ${held.place} in the queue` : "It begins soon",
    painting: held.steps ? `Step ${held.step} of ${held.steps}${held.left ? ` · ${duration(held.left)} left` : ""}` : "Setting up",
    failed: held.error,
  };
  const bar = h("div", { className: "progress", role: "progressbar", "aria-label": `Large picture, ${held.size} pixels`, "aria-valuenow": Math.round((100 * held.step) / (held.steps || 1)) },
    h("div", { className: "progress-fill" }));
  bar.firstChild.style.setProperty("--done", held.steps ? held.step / held.steps : 0);
  return h("li", { className: "job" },
    h("span", {}, h("strong", {}, `Large, ${held.size} px`), " · ", h("span", { className: held.state === "failed" ? "wrong" : "" }, texts[held.state])),
    h("button", { type: "button", className: "quiet", onclick: () => api.cancel(held.name) }, held.state === "failed" ? "Dismiss" : "Cancel"), bar);
}

function open(entry) {
  const dialog = find("entry-dialog");
  const { recipe, styles } = entry.subject;
  const facts = [
    ["Size", `${entry.size[0]} × ${entry.size[1]}`], ["Steps", `${entry.step} of ${entry.steps}`], ["Time", duration(entry.seconds)],
    ...Object.entries(SLIDERS).map(([name, title]) => [title, name === "stroke" ? `${recipe.stroke.toFixed(2)} ×` : `${Math.round(recipe[name] * 100)} %`]),
    ["Paintings", styles.map((style) => style.name).join(", ")],
  ];
  const copy = async () => {
    await navigator.clipboard.writeText(entry.command).catch(() => {});
    announce("Copied");
  };
  const close = () => dialog.close();
  dialog.replaceChildren(h("div", { className: "entry" },
    h("h2", { id: "entry-title" }, entry.why === "large" ? "Large picture" : "Picture"),
    h("img", { src: `${api.address(entry.files.picture)}?${entry.made}`, alt: "The painted picture" }),
    h("dl", { className: "facts" }, ...facts.map(([title, text]) => h("div", {}, h("dt", {}, title), h("dd", {}, text)))),
    h("div", { className: "command" }, h("code", { id: "command", tabIndex: 0, "aria-label": "The command that makes it" }, entry.command),
      h("button", { type: "button", className: "tool", "aria-label": "Copy the command", onclick: copy }, icon("copy"))),
    h("div", { className: "dialog-row" },
      h("button", { type: "button", className: "quiet", onclick: close }, "Close"),
      h("a", { className: "button tool", href: api.saved(entry.files.picture, fileName(entry)), download: fileName(entry) }, "Download"),
      h("button", { type: "button", id: "restore", onclick: () => { close(); api.act("restore", { run: entry.run }); } }, "Go back to this"))));
  dialog.showModal();
}
