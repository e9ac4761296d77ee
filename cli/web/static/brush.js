// The brush on the photograph: a layer for what is protected and one for each painting, sent when a stroke ends.
import * as api from "./api.js";
import { announce, fill, find, h } from "./dom.js";
import { gestureOf, send, busy } from "./sliders.js";

const LONGEST = 512; // pixels of a mask
const TINTS = { protect: "#ffffff", style1: "#ffb347", style2: "#4fc3f7", style3: "#81e08a", style4: "#f48fb1" };

let state = null;
let current = "protect";
let erasing = false;
let size = 0.12; // of the shorter side
let pen = null; // where the last dab was, while a stroke is being made
let cursor = { x: 0.5, y: 0.5 }; // of the keyboard, in [0, 1]
const layers = new Map(); // name -> { canvas, file }

export function makeBrush() {
  const canvas = find("canvas");
  find("brush").addEventListener("click", () => toggle(find("brush").getAttribute("aria-pressed") !== "true"));
  canvas.addEventListener("pointerdown", (event) => {
    canvas.setPointerCapture(event.pointerId);
    pen = place(event);
    dab(pen, pen);
  });
  canvas.addEventListener("pointermove", (event) => {
    if (!pen) return;
    for (const each of event.getCoalescedEvents?.() ?? [event]) {
      const next = place(each);
      dab(pen, next);
      pen = next;
    }
  });
  for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => { if (pen) { pen = null; finish(); } });
  canvas.addEventListener("keydown", keys);
  canvas.addEventListener("focus", draw);
  canvas.addEventListener("blur", draw);
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
  if (JSON.stringify(before?.styles) !== JSON.stringify(styles)) tools();
  const soft = find("soft");
  if (soft && !busy("feather")) { soft.value = recipe.feather; fill(soft); }
}

function tools() {
  const { styles } = state.subject;
  const names = ["protect", ...(styles.length > 1 ? styles.map((_, index) => `style${index + 1}`) : [])];
  const layer = (name) => {
    const title = name === "protect" ? "Protect" : styles[Number(name.slice(5)) - 1].name;
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
      h("button", { type: "button", className: "quiet", id: "clear", onclick: clear }, "Clear"),
      h("button", { type: "button", className: "quiet", id: "faces", onclick: findFaces }, "Find faces")),
    slider("brush-size", "Brush size", 0.02, 0.4, 0.01, size, (value) => { size = value; draw(); }),
    slider("soft", "Soft edge", 0, 40, 1, state.subject.recipe.feather, (value) => send("feather", { feather: value })));
}

function layer(name) {
  if (!layers.has(name)) {
    const { width, height } = find("canvas");
    layers.set(name, { canvas: h("canvas", { width, height }), file: null });
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
}

const place = (event) => {
  const box = find("canvas").getBoundingClientRect();
  return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
};

const thickness = () => size * Math.min(find("canvas").width, find("canvas").height);

function dab(from, to) {
  const { canvas } = layer(current);
  const context = canvas.getContext("2d");
  context.globalCompositeOperation = erasing ? "destination-out" : "source-over";
  context.strokeStyle = "#fff";
  context.lineCap = context.lineJoin = "round";
  context.lineWidth = thickness();
  context.beginPath();
  context.moveTo(from.x * canvas.width, from.y * canvas.height);
  context.lineTo(to.x * canvas.width + 0.01, to.y * canvas.height);
  context.stroke();
  draw();
}

/** All layers over the photograph, each in its tint. */
function draw() {
  const canvas = find("canvas");
  const context = canvas.getContext("2d");
  context.clearRect(0, 0, canvas.width, canvas.height);
  const sheet = new OffscreenCanvas(canvas.width, canvas.height);
  const ink = sheet.getContext("2d");
  for (const [name, held] of layers) {
    ink.globalCompositeOperation = "copy";
    ink.drawImage(held.canvas, 0, 0);
    ink.globalCompositeOperation = "source-in";
    ink.fillStyle = TINTS[name];
    ink.fillRect(0, 0, canvas.width, canvas.height);
    context.globalAlpha = name === current ? 0.62 : 0.34;
    context.drawImage(sheet, 0, 0);
  }
  context.globalAlpha = 1;
  if (document.activeElement === canvas && canvas.matches(":focus-visible")) {
    context.beginPath();
    context.arc(cursor.x * canvas.width, cursor.y * canvas.height, thickness() / 2, 0, 7);
    context.lineWidth = 3;
    context.strokeStyle = "#000";
    context.stroke();
    context.lineWidth = 1.5;
    context.strokeStyle = "#fff";
    context.stroke();
  }
}

function keys(event) {
  const moves = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  if (event.key === " ") {
    dab(cursor, cursor);
    finish();
  } else if (moves[event.key]) {
    const pace = event.shiftKey ? 0.1 : 0.03;
    const clip = (value) => Math.min(1, Math.max(0, value));
    cursor = { x: clip(cursor.x + moves[event.key][0] * pace), y: clip(cursor.y + moves[event.key][1] * pace) };
    draw();
  } else return;
  event.preventDefault();
}

async function finish() {
  const held = layer(current);
  const sheet = new OffscreenCanvas(held.canvas.width, held.canvas.height);
  const ink = sheet.getContext("2d");
  ink.fillStyle = "#000";
  ink.fillRect(0, 0, sheet.width, sheet.height);
  ink.drawImage(held.canvas, 0, 0);
  const blob = await sheet.convertToBlob({ type: "image/png" });
  await api.putMask(current, blob, `brush-${crypto.randomUUID().slice(0, 8)}`);
}

function clear() {
  const { canvas } = layer(current);
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
  draw();
  api.putMask(current, null, gestureOf("clear"));
}

async function findFaces(event) {
  event.target.disabled = true;
  announce("Looking for faces");
  await api.findFaces();
  event.target.disabled = false;
}
