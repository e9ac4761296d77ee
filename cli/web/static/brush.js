// The brush on the painted picture: a layer for what stays the photograph, which shines through, and one for each painting.
import * as api from "./api.js";
import { fill, find, h } from "./dom.js";
import { gestureOf, send, busy } from "./sliders.js";

const LONGEST = 768; // pixels of a mask
const TINTS = { protect: "#7aa2ff", style1: "#ffb347", style2: "#4fc3f7", style3: "#81e08a", style4: "#f48fb1" };

let state = null;
let current = "protect";
let erasing = false;
let size = 0.12; // of the shorter side
let pen = null; // where the last dab was, while a stroke is being made
let cursor = { x: 0.5, y: 0.5 }; // of the mouse or the keyboard, in [0, 1]
let hovering = false;
const layers = new Map(); // name -> { canvas, file }; "faces" are the heads that were found

export function makeBrush() {
  const canvas = find("canvas");
  find("brush").addEventListener("click", () => toggle(find("brush").getAttribute("aria-pressed") !== "true"));
  canvas.addEventListener("pointerdown", (event) => {
    if (!event.isPrimary) return;
    canvas.setPointerCapture(event.pointerId);
    pen = place(event);
    dab(pen, pen, event.shiftKey);
  });
  canvas.addEventListener("pointermove", (event) => {
    hovering = event.pointerType !== "touch";
    cursor = place(event);
    if (!pen) return draw();
    for (const each of event.getCoalescedEvents?.() ?? [event]) {
      const next = place(each);
      dab(pen, next, event.shiftKey);
      pen = next;
    }
  });
  canvas.addEventListener("pointerleave", () => { hovering = false; draw(); });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { if (pen) { pen = null; finish(); } });
  canvas.addEventListener("keydown", keys);
  canvas.addEventListener("focus", draw);
  canvas.addEventListener("blur", draw);
  addEventListener("keydown", (event) => {
    const grow = { "[": 1 / 1.2, "]": 1.2 }[event.key];
    const input = find("brush-size");
    if (!grow || !input || find("brush-tools").hidden) return;
    input.value = size * grow;
    input.dispatchEvent(new Event("input"));
  });
  find("keep-faces").addEventListener("change", keepFaces);
}

export function toggle(on) {
  find("brush").setAttribute("aria-pressed", String(on));
  find("frame").classList.toggle("brushing", on);
  find("brush-tools").hidden = !on;
  if (on) draw();
}

export function showBrush(next) {
  const before = state?.subject;
  state = next;
  const { photo, styles, masks, recipe } = state.subject;
  if (!photo) return;
  const scale = LONGEST / Math.max(photo.width, photo.height);
  const canvas = find("canvas");
  const [width, height] = [Math.max(1, Math.round(photo.width * scale)), Math.max(1, Math.round(photo.height * scale))];
  if (canvas.width !== width || canvas.height !== height || before?.photo?.view !== photo.view) {
    [canvas.width, canvas.height] = [width, height];
    layers.clear();
  }
  if (!["protect", ...styles.map((_, index) => `style${index + 1}`)].includes(current)) current = "protect";
  for (const name of Object.keys(TINTS)) load(name, masks[name] ?? null);
  find("faces").hidden = !photo.faces;
  load("faces", photo.faces || null);
  if (JSON.stringify(before?.styles) !== JSON.stringify(styles)) tools();
  const soft = find("soft");
  if (soft && !busy("feather")) { soft.value = recipe.feather; fill(soft); }
}

function tools() {
  const { styles } = state.subject;
  const names = ["protect", ...(styles.length > 1 ? styles.map((_, index) => `style${index + 1}`) : [])];
  const layer = (name) => {
    const title = name === "protect" ? "Keep the photograph" : styles[Number(name.slice(5)) - 1].name;
    const swatch = h("span", { className: "swatch", "aria-hidden": "true" });
    swatch.style.setProperty("--tint", TINTS[name]);
    return h("button", { type: "button", className: "tool", id: `layer-${name}`, "aria-pressed": String(name === current),
      onclick: () => { current = name; tools(); draw(); } }, swatch, h("span", {}, title));
  };
  const slider = (id, title, min, max, step, value, oninput) => {
    const input = h("input", { type: "range", id, min, max, step, value, oninput: (event) => { fill(event.target); oninput(Number(event.target.value)); } });
    fill(input);
    return h("label", { className: "mini", htmlFor: id }, title, input);
  };
  find("brush-tools").replaceChildren(
    h("div", { className: "layers", role: "group", "aria-label": "What the brush does" }, ...names.map(layer),
      h("button", { type: "button", className: "tool", id: "erase", "aria-pressed": String(erasing), onclick: () => { erasing = !erasing; tools(); } }, "Erase"),
      h("button", { type: "button", className: "quiet", id: "clear", onclick: clear }, "Clear")),
    slider("brush-size", "Brush size", 0.02, 0.4, 0.005, size, (value) => { size = value; draw(); }),
    slider("soft", "Soft edge", 0, 40, 1, state.subject.recipe.feather, (value) => send("feather", { feather: value })));
}

function layer(name) {
  if (!layers.has(name)) {
    const { width, height } = find("canvas");
    const canvas = h("canvas", { width, height });
    canvas.getContext("2d", { willReadFrequently: true });
    layers.set(name, { canvas, file: null });
  }
  return layers.get(name);
}

/** What the server has, if that is another than what is here. */
async function load(name, file) {
  const held = layer(name);
  if (held.file === file || pen) return;
  held.file = file;
  const context = held.canvas.getContext("2d");
  if (!file) {
    context.clearRect(0, 0, held.canvas.width, held.canvas.height);
    draw();
    if (name === "protect") showFaces();
    return;
  }
  const image = new Image();
  image.src = api.address(file);
  await image.decode().catch(() => {});
  if (held.file !== file) return;
  context.globalCompositeOperation = "copy";
  context.drawImage(image, 0, 0, held.canvas.width, held.canvas.height);
  const pixels = context.getImageData(0, 0, held.canvas.width, held.canvas.height);
  for (let i = 0; i < pixels.data.length; i += 4) pixels.data[i + 3] = pixels.data[i]; // white stays, black goes
  context.putImageData(pixels, 0, 0);
  draw();
  if (name === "faces" || name === "protect") showFaces();
}

const place = (event) => {
  const box = find("canvas").getBoundingClientRect();
  return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
};

const thickness = () => size * Math.min(find("canvas").width, find("canvas").height);

function dab(from, to, away) {
  const { canvas } = layer(current);
  const context = canvas.getContext("2d");
  context.globalCompositeOperation = erasing || away ? "destination-out" : "source-over";
  context.strokeStyle = "#fff";
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = thickness();
  context.beginPath();
  context.moveTo(from.x * canvas.width, from.y * canvas.height);
  context.lineTo(to.x * canvas.width + 0.01, to.y * canvas.height);
  context.stroke();
  draw();
}

/** Two strokes a tile, one light and one dark: seen on any ground. */
function hatch(context, tint) {
  const tile = new OffscreenCanvas(16, 16);
  const ink = tile.getContext("2d");
  ink.lineWidth = 2;
  for (const [offset, color] of [[0, tint], [2, "#0008"]]) {
    ink.strokeStyle = color;
    for (const sum of [0, 16, 32]) {
      ink.beginPath();
      ink.moveTo(sum + offset + 2, -2);
      ink.lineTo(sum + offset - 18, 18);
      ink.stroke();
    }
  }
  return context.createPattern(tile, "repeat");
}

/** What the brush has said, over the painted picture: the photograph where it stays, hatched; the parts of the paintings in their tints. */
function draw() {
  const canvas = find("canvas");
  const [context, { width, height }] = [canvas.getContext("2d"), canvas];
  context.clearRect(0, 0, width, height);
  if (find("brush-tools").hidden) return;
  const sheet = new OffscreenCanvas(width, height);
  const ink = sheet.getContext("2d");
  for (const name of Object.keys(TINTS).filter((each) => layers.has(each))) {
    ink.globalAlpha = 1;
    ink.globalCompositeOperation = "copy";
    ink.drawImage(layers.get(name).canvas, 0, 0);
    ink.globalCompositeOperation = "source-in";
    if (name === "protect") ink.drawImage(find("before"), 0, 0, width, height);
    else {
      ink.globalAlpha = 0.3;
      ink.fillStyle = TINTS[name];
      ink.fillRect(0, 0, width, height);
    }
    ink.globalAlpha = name === current ? 0.6 : 0.3;
    ink.globalCompositeOperation = "source-atop";
    ink.fillStyle = hatch(ink, TINTS[name]);
    ink.fillRect(0, 0, width, height);
    context.drawImage(sheet, 0, 0);
  }
  if (hovering || (document.activeElement === canvas && canvas.matches(":focus-visible"))) {
    for (const [line, color] of [[4, "#000"], [2, "#fff"]]) {
      context.beginPath();
      context.arc(cursor.x * width, cursor.y * height, thickness() / 2, 0, 7);
      context.lineWidth = line;
      context.strokeStyle = color;
      context.stroke();
    }
  }
}

function keys(event) {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (event.key === " ") {
    dab(cursor, cursor, event.shiftKey);
    finish();
  } else if (moves[event.key]) {
    const pace = event.shiftKey ? 0.1 : 0.03;
    const clip = (value) => Math.min(1, Math.max(0, value));
    cursor = { x: clip(cursor.x + moves[event.key][0] * pace), y: clip(cursor.y + moves[event.key][1] * pace) };
    draw();
  } else return;
  event.preventDefault();
}

async function finish(name = current) {
  const held = layer(name);
  const sheet = new OffscreenCanvas(held.canvas.width, held.canvas.height);
  const ink = sheet.getContext("2d");
  ink.fillStyle = "#000";
  ink.fillRect(0, 0, sheet.width, sheet.height);
  ink.drawImage(held.canvas, 0, 0);
  const blob = alphas(name).some((alpha) => alpha > 127) ? await sheet.convertToBlob({ type: "image/png" }) : null; // a rim is nothing
  await api.putMask(name, blob, `brush-${crypto.randomUUID().slice(0, 8)}`);
}

function clear() {
  const { canvas } = layer(current);
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  draw();
  api.putMask(current, null, gestureOf("clear"));
}

const alphas = (name) => {
  const { canvas } = layer(name);
  return canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data.filter((_, index) => index % 4 === 3);
};

/** The switch says whether the heads stay: so it follows the brush as well. */
function showFaces() {
  const heads = alphas("faces");
  const held = alphas("protect");
  let [all, kept] = [0, 0];
  for (let i = 0; i < heads.length; i++) if (heads[i] > 127) { all += 1; kept += held[i] > 127; }
  find("keep-faces").checked = all > 0 && kept > 0.8 * all;
}

function keepFaces(event) {
  const context = layer("protect").canvas.getContext("2d");
  context.globalCompositeOperation = event.target.checked ? "source-over" : "destination-out";
  for (let time = 0; time < 4; time++) context.drawImage(layer("faces").canvas, 0, 0); // a soft rim too
  draw();
  finish("protect");
}
