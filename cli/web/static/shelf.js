// What was painted before, each with its settings and its command; and large pictures in the queue.
import * as api from "./api.js";
import { announce, duration, find, h, icon, renew } from "./dom.js";
import { fileName } from "./keep.js";
import { caption } from "./sliders.js";

const SLIDERS = { strength: "Strength", stroke: "Stroke size", color: "Colour kept", detail: "Detail" };

export function showShelf(state, looks) {
  find("shelf").hidden = !state.history.length && !state.jobs.length;
  renew(find("strip"), state.history, (entry) => `${entry.run}-${entry.made}-${entry.star}`, (entry) => {
    const title = entry.why === "large" ? `Large, ${Math.max(...entry.size)} px` : caption(entry.subject.recipe, looks);
    return h("li", {}, h("button", { type: "button", onclick: () => open(entry, title) },
      h("img", { src: `${api.address(entry.files.thumb)}?${entry.made}`, alt: "" }),
      h("span", {}, entry.star && h("span", { role: "img", "aria-label": "Starred", className: "star" }, "★ "), title)));
  });
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

function open(entry, title) {
  const dialog = find("entry-dialog");
  const { photo, recipe, styles } = entry.subject;
  const file = fileName(photo, entry.run);
  const facts = [
    ["Size", `${entry.size[0]} × ${entry.size[1]}`], ["Steps", entry.steps ? `${entry.step} of ${entry.steps}` : "none, brought up to size"], ["Time", duration(entry.seconds)],
    ...Object.entries(SLIDERS).map(([name, title]) => [title, name === "stroke" ? `${recipe.stroke.toFixed(2)} ×` : `${Math.round(recipe[name] * 100)} %`]),
    ["Paintings", styles.map((style) => style.name).join(", ")],
  ];
  const copy = async () => {
    await navigator.clipboard.writeText(entry.command).catch(() => {});
    announce("Copied");
  };
  const close = () => dialog.close();
  dialog.replaceChildren(h("div", { className: "entry" },
    h("h2", { id: "entry-title" }, title),
    h("img", { src: `${api.address(entry.files.picture)}?${entry.made}`, alt: "The painted picture" }),
    h("dl", { className: "facts" }, ...facts.map(([title, text]) => h("div", {}, h("dt", {}, title), h("dd", {}, text)))),
    h("div", { className: "command" }, h("code", { id: "command", tabIndex: 0, "aria-label": "The command that makes it" }, entry.command),
      h("button", { type: "button", className: "tool", "aria-label": "Copy the command", onclick: copy }, icon("copy"))),
    h("div", { className: "dialog-row" },
      h("button", { type: "button", className: "quiet", id: "star", "aria-pressed": String(entry.star), onclick: () => { close(); api.act("star", { run: entry.run }); } }, entry.star ? "★ Starred" : "☆ Star"),
      Number(document.body.dataset.run) !== entry.run && h("button", { type: "button", className: "quiet", id: "delete", onclick: () => { close(); api.act("delete", { run: entry.run }); } }, "Delete"),
      h("button", { type: "button", className: "quiet", onclick: close }, "Close"),
      h("a", { className: "button tool", href: api.saved(entry.files.picture, file), download: file }, "Download"),
      h("button", { type: "button", id: "restore", onclick: () => { close(); api.act("restore", { run: entry.run }); } }, "Go back to this"))));
  dialog.showModal();
}
