// Photograph and paintings: chosen, dropped, pasted, or taken from those that are there to try.
import * as api from "./api.js";
import { announce, fill, find, h, icon, renew } from "./dom.js";
import { busy, send } from "./sliders.js";
import { dropOwn, showOwn } from "./stage.js";

const LONGEST = { photo: 4096, style: 2048 }; // pixels of the longest side: no picture of the studio asks for more
const FIRST = "cat"; // the photograph of the door, for those who begin with a painting

let about;
let state;
let sending = null; // the file that is on its way, or was sent last in this session

/** Let the user choose files from the disk. */
function choose(kind) {
  const input = h("input", { type: "file", accept: "image/*,.heic,.heif,.jxl,.tif,.tiff,.avif", multiple: kind === "style" });
  input.addEventListener("change", () => take(kind, [...input.files]));
  input.click();
}

async function take(kind, files) {
  for (const file of files) {
    announce(`Reading ${file.name ?? "the picture"}`);
    if (kind === "photo" && (await api.bringBack(file))) return;
    const places = [find(`door-${kind}`), find("sources")];
    for (const place of places) place.setAttribute("aria-busy", "true");
    if (kind === "photo") await showOwn(file);
    sending = reduced(file, LONGEST[kind]).then((small) => api.upload(kind, small, file.name));
    if (!(await sending) && kind === "photo") dropOwn(state);
    for (const place of places) place.removeAttribute("aria-busy");
    kind = "style"; // of several, the first may be the photograph
  }
}

/** The file as it is; where it is larger than any use of it, a smaller copy. */
async function reduced(file, longest) {
  const known = ["image/jpeg", "image/png", "image/webp"].includes(file.type);
  const bitmap = known && (await createImageBitmap(file).catch(() => null));
  const scale = bitmap ? longest / Math.max(bitmap.width, bitmap.height) : 1;
  if (scale >= 1) return file;
  const sheet = new OffscreenCanvas(Math.round(bitmap.width * scale), Math.round(bitmap.height * scale));
  const ink = sheet.getContext("2d");
  ink.imageSmoothingQuality = "high";
  ink.drawImage(bitmap, 0, 0, sheet.width, sheet.height);
  return sheet.convertToBlob({ type: file.type, quality: 0.95 });
}

/** Where a picture goes that nobody said it of: first the photograph, then paintings. */
const likely = () => (state?.subject.photo ? "style" : "photo");

/** One click on a painting starts: with the photograph that is there, or with that of the door. */
async function begin(name) {
  if (!(await sending) && !state?.subject.photo) await api.sample("photo", FIRST);
  await api.sample("style", name);
}

function tile(sample) {
  return h("button", { type: "button", className: "tile", id: `try-${sample.name}`, title: `${sample.title}: ${sample.credit}`,
    onclick: () => begin(sample.name) }, h("img", { src: `samples/${sample.name}`, alt: "" }), h("span", {}, sample.title));
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
  find("door-photo").addEventListener("click", () => choose("photo"));
  find("wall").append(...about.samples.filter((sample) => !sample.photo).map(tile),
    h("button", { type: "button", className: "tile", id: "door-style", onclick: () => choose("style") },
      h("span", { className: "blank" }, icon("plus")), h("span", {}, "Your own")));
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

/** Of two paintings one bar has both shares; a double click makes them equal. */
function ratio() {
  const output = h("output", { for: "ratio" });
  const show = ({ target }) => {
    const second = Math.round(100 * target.value);
    output.textContent = `${100 - second} : ${second}`;
    target.setAttribute("aria-valuetext", output.textContent);
    fill(target);
  };
  const moved = (event) => { show(event); send("blend", { blend: [1 - event.target.value, Number(event.target.value)] }); };
  const input = h("input", { type: "range", id: "ratio", min: 0, max: 1, step: 0.01, oninput: moved, onshown: show,
    ondblclick: (event) => { event.target.value = 0.5; moved(event); } });
  return h("label", { className: "ratio", htmlFor: "ratio" }, "First : second painting", output, input);
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
  const many = styles.length > 2;
  if (styles.length === 2) items.splice(3, 0, { kind: "ratio", number: 0 });
  renew(find("sources"), items, (item) => `${item.kind}-${item.number}-${item.source?.view}-${many}`, (item) =>
    item.kind === "ratio" ? ratio() : item.kind === "add"
      ? h("button", { type: "button", className: "add", id: "add-style", onclick: () => offer("style") }, icon("plus"), h("span", {}, "Add a painting"))
      : row(item.source, item.kind, item.number, many));
  if (!busy("blend")) {
    const blend = recipe.blend.length === styles.length ? recipe.blend : styles.map(() => 0.5);
    find("sources").querySelectorAll(".share").forEach((input, index) => {
      input.value = blend[index];
      fill(input);
    });
    if (styles.length === 2) {
      find("ratio").value = blend[1] / (blend[0] + blend[1] || 1);
      find("ratio").dispatchEvent(new Event("shown"));
    }
  }
  welcome(photo, styles[0]);
}

/** What the door still asks for. */
function welcome(photo, style) {
  const [title, lead] = photo ? ["Now a painting.", "Click one, or drop one of your own. It begins at once."]
    : style ? ["Now a photograph.", "Drop it anywhere, paste it, or choose it here."]
    : ["Your photograph, in a painter’s hand.", "Drop a photograph anywhere, or click a painting and see the cat turn into it. Everything happens on this computer."];
  find("welcome-title").textContent = title;
  find("lead").textContent = lead;
  find("door-photo").classList.toggle("tool", Boolean(photo));
  find("door-photo").querySelector("span").textContent = photo ? "Another photograph" : "Choose a photograph";
  find("door-style").classList.toggle("filled", Boolean(style));
  find("hero").dataset.photo = photo?.view ?? "";
  const [shown] = find("door-style").children;
  if (style) shown.replaceWith(h("img", { src: api.address(style.view), alt: "" }));
  else if (shown.tagName === "IMG") shown.replaceWith(h("span", { className: "blank" }, icon("plus")));
}
