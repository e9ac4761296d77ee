// A closer look: wheel and pinch zoom, dragging moves, a double click gives 100 %, F the whole screen; a press shows the photograph.
import { find } from "./dom.js";

const MOST = 16;
const HOLD = 220; // ms after which a press is meant
const STILL = 5; // pixels that a finger may move meanwhile

const view = { zoom: 1, x: 0, y: 0 }; // x, y: of the picture's corner, in widths and heights of the frame
const fingers = new Map(); // pointer -> where it is
let holding = null;

/** Screen pixels for a pixel of the picture. */
const scale = () => (find("frame").clientWidth * view.zoom * devicePixelRatio) / (find("result").naturalWidth || find("before").naturalWidth || 1);

function show() {
  const frame = find("frame");
  const clip = (value) => Math.min(0, Math.max(1 - view.zoom, value));
  [view.x, view.y] = [clip(view.x), clip(view.y)];
  frame.style.setProperty("--zoom", view.zoom);
  frame.style.setProperty("--x", `${100 * view.x}%`);
  frame.style.setProperty("--y", `${100 * view.y}%`);
  frame.classList.toggle("near", view.zoom > 1);
  find("actual").textContent = view.zoom > 1 ? "Fit" : "100 %";
}

/** Zoom so that what is at a place of the frame, in its widths and heights, stays there. */
function zoom(wanted, x = 0.5, y = 0.5) {
  const next = Math.min(MOST, Math.max(1, wanted));
  view.x = x - ((x - view.x) * next) / view.zoom;
  view.y = y - ((y - view.y) * next) / view.zoom;
  view.zoom = next;
  show();
}

/** A pixel of the picture for one of the screen, or twice that where it is that already; and back. */
function actual(x, y) {
  if (view.zoom > 1) return zoom(1);
  const wanted = view.zoom / scale();
  zoom(wanted > 1.05 ? wanted : 2, x, y);
}

export function peek(on) {
  clearTimeout(holding);
  find("frame").classList.toggle("peeking", on);
}

const place = (event) => {
  const box = find("frame").getBoundingClientRect();
  return { x: (event.clientX - box.left) / box.width, y: (event.clientY - box.top) / box.height };
};

function down(event) {
  if (event.target.closest(".lens")) return;
  const mode = find("frame").classList;
  fingers.set(event.pointerId, place(event));
  clearTimeout(holding);
  if (fingers.size > 1 || mode.contains("comparing") || mode.contains("brushing")) return;
  find("frame").setPointerCapture(event.pointerId);
  const began = { x: event.clientX, y: event.clientY };
  find("frame").dataset.pressed = `${began.x},${began.y}`;
  holding = setTimeout(() => peek(true), HOLD);
}

function move(event) {
  const before = fingers.get(event.pointerId);
  if (!before) return;
  const now = place(event);
  const other = [...fingers].find(([pointer]) => pointer !== event.pointerId)?.[1];
  const mode = find("frame").classList;
  if (other) {
    view.x += (now.x - before.x) / 2; // what is between the fingers stays there
    view.y += (now.y - before.y) / 2;
    const apart = (a, b) => Math.hypot(a.x - b.x, a.y - b.y);
    zoom((view.zoom * apart(now, other)) / (apart(before, other) || 1), (now.x + other.x) / 2, (now.y + other.y) / 2);
  } else if (!mode.contains("comparing") && !mode.contains("brushing") && !mode.contains("peeking")) {
    const [x, y] = (find("frame").dataset.pressed ?? "").split(",");
    if (Math.hypot(event.clientX - x, event.clientY - y) > STILL) clearTimeout(holding);
    view.x += now.x - before.x;
    view.y += now.y - before.y;
    show();
  }
  fingers.set(event.pointerId, now);
}

function up(event) {
  fingers.delete(event.pointerId);
  peek(false);
}

function whole() {
  if (document.fullscreenElement) document.exitFullscreen();
  else find("stage").requestFullscreen?.().catch(() => {});
}

export const ZOOM_KEYS = { "+": () => zoom(view.zoom * 1.4), "=": () => zoom(view.zoom * 1.4), "-": () => zoom(view.zoom / 1.4), 0: () => zoom(1), 1: () => actual(), f: whole };

export function makeZoom() {
  const frame = find("frame");
  frame.addEventListener("wheel", (event) => {
    event.preventDefault();
    const { x, y } = place(event);
    zoom(view.zoom * 2 ** (-event.deltaY / (event.ctrlKey ? 80 : 320)), x, y);
  }, { passive: false });
  frame.addEventListener("pointerdown", down);
  frame.addEventListener("pointermove", move);
  for (const name of ["pointerup", "pointercancel"]) frame.addEventListener(name, up);
  frame.addEventListener("dblclick", (event) => { if (!event.target.closest(".lens")) actual(place(event).x, place(event).y); });
  find("actual").addEventListener("click", () => actual());
  find("whole").addEventListener("click", whole);
  addEventListener("keydown", (event) => { if ((event.key === "\\" || event.key === "p") && !event.ctrlKey && !event.metaKey) peek(true); });
  addEventListener("keyup", (event) => { if (event.key === "\\" || event.key === "p") peek(false); });
}
