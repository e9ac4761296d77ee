// Photograph and paintings: chosen, dropped, pasted, or taken from those that are there to try.
import * as api from "./api.js";
import { announce, fill, find, h, icon, renew } from "./dom.js";
import { busy, send } from "./sliders.js";

let about;
let state;

/** Let the user choose files from the disk. */
function choose(kind) {
  const input = h("input", { type: "file", accept: "image/*,.heic,.heif,.jxl,.tif,.tiff,.avif", multiple: kind === "style" });
  input.addEventListener("change", () => take(kind, [...input.files]));
  input.click();
}

async function take(kind, files) {
  for (const file of files) {
    announce(`Reading ${file.name ?? "the picture"}`);
    const places = [find(`door-${kind}`), find("sources")];
    for (const place of places) place.setAttribute("aria-busy", "true");
    await api.upload(kind, file);
    for (const place of places) place.removeAttribute("aria-busy");
    kind = "style"; // of several, the first may be the photograph
  }
}

/** Where a picture goes that nobody said it of: first the photograph, then paintings. */
const likely = () => (state?.subject.photo ? "style" : "photo");

function door(kind, title, text) {
  const target = h("button", { type: "button", className: "door-target", id: `door-${kind}`, onclick: () => choose(kind) },
    h("span", { className: "door-text" }, icon("photo"), h("strong", {}, title), h("span", {}, text)));
  const tries = about.samples.filter((sample) => sample.photo === (kind === "photo"));
  return h("div", { className: "door" }, target, h("div", { className: "tries" }, h("span", {}, "Or try"),
    ...tries.map((sample) => trial(kind, sample))));
}

function trial(kind, sample) {
  return h("button", {
    type: "button", className: "try", id: `try-${sample.name}`, title: `${sample.title}: ${sample.credit}`,
    "aria-label": `Try ${sample.title}`, onclick: () => api.sample(kind, sample.name),
  }, h("img", { src: `samples/${sample.name}`, alt: "" }));
}

/** Those that are there to try, as a dialog. */
function offer(kind) {
  const dialog = find("samples-dialog");
  const shown = about.samples.filter((sample) => sample.photo === (kind === "photo"));
  const close = () => dialog.close();
  dialog.replaceChildren(
    h("h2", { id: "samples-title" }, kind === "photo" ? "Another photograph" : "Add a painting"),
    h("div", { className: "gallery" }, ...shown.map((sample) => h("button", {
      type: "button", onclick: () => { close(); api.sample(kind, sample.name); },
    }, h("img", { src: `samples/${sample.name}`, alt: "" }), h("span", {}, sample.title), h("small", {}, sample.credit)))),
    h("div", { className: "dialog-row" }, h("button", { type: "button", className: "quiet", onclick: close }, "Cancel"),
      h("button", { type: "button", onclick: () => { close(); choose(kind); } }, "From this computer")));
  dialog.showModal();
}

export function makeSources(facts) {
  about = facts;
  find("doors").append(
    door("photo", "A photograph", "Drop it here, paste it, or click to choose"),
    door("style", "A painting", "Its colours and strokes will be taken over"));
  addEventListener("paste", (event) => {
    const files = [...event.clipboardData.files].filter((file) => file.type.startsWith("image/"));
    if (files.length) take(likely(), files);
  });
  makeDrop();
}

function makeDrop() {
  const overlay = find("drop");
  const zone = (event) => event.target.closest?.(".drop-zone");
  addEventListener("dragenter", (event) => { if (event.dataTransfer.types.includes("Files")) overlay.hidden = false; });
  addEventListener("dragover", (event) => {
    event.preventDefault();
    for (const each of overlay.children) each.classList.toggle("over", each === zone(event));
  });
  overlay.addEventListener("dragleave", (event) => { if (!event.relatedTarget) overlay.hidden = true; });
  addEventListener("drop", (event) => {
    event.preventDefault();
    overlay.hidden = true;
    if (event.dataTransfer.files.length) take(zone(event)?.dataset.kind ?? likely(), [...event.dataTransfer.files]);
  });
}

function row(source, kind, number, many) {
  const remove = kind === "photo"
    ? h("button", { type: "button", className: "quiet", onclick: () => offer("photo") }, "Change")
    : h("button", { type: "button", className: "quiet", "aria-label": `Remove ${source.name}`, onclick: () => api.removeStyle(number) }, icon("cross"));
  const share = many && kind === "style" && h("input", {
    type: "range", min: 0, max: 1, step: 0.01, className: "share", "aria-label": `Share of ${source.name}`,
    oninput: (event) => { fill(event.target); send("blend", { blend: shares() }); },
  });
  return h("div", { className: "source" }, h("img", { src: api.address(source.view), alt: "" }),
    h("span", { className: "source-name", title: source.name }, source.name),
    share || h("span", { className: "source-note" }, source.credit || (kind === "photo" ? "Photograph" : "Painting")), remove);
}

const shares = () => [...find("sources").querySelectorAll(".share")].map((input) => Number(input.value));

export function showSources(next) {
  state = next;
  const { photo, styles, recipe } = state.subject;
  const items = [
    ...(photo ? [{ source: photo, kind: "photo", number: 0 }] : []),
    ...styles.map((source, index) => ({ source, kind: "style", number: index + 1 })),
    ...(styles.length < about.styles ? [{ kind: "add", number: 0 }] : []),
  ];
  const many = styles.length > 1;
  renew(find("sources"), items, (item) => `${item.kind}-${item.number}-${item.source?.view}-${many}`, (item) =>
    item.kind === "add"
      ? h("button", { type: "button", className: "add", id: "add-style", onclick: () => offer("style") }, icon("plus"), h("span", {}, "Add a painting"))
      : row(item.source, item.kind, item.number, many));
  if (!busy("blend")) {
    find("sources").querySelectorAll(".share").forEach((input, index) => {
      input.value = recipe.blend.length === styles.length ? recipe.blend[index] : 0.5;
      fill(input);
    });
  }
  for (const [kind, source] of [["photo", photo], ["style", styles[0]]]) {
    const target = find(`door-${kind}`);
    const shown = target.querySelector("img");
    target.classList.toggle("filled", Boolean(source));
    if (!source) shown?.remove();
    else if (!shown) target.append(h("img", { src: api.address(source.view), alt: source.name }));
  }
}
