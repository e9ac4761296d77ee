// The picture: live or finished, and the photograph under it; the same frame is the door of the page.
import * as api from "./api.js";
import { find } from "./dom.js";

const FADE = 450; // ms in which a picture flows over the one before

let shown = ""; // address of the picture
let view = null; // name of the photograph's file on the server
let own = null; // address of the photograph as the browser itself has it, until another comes
let awaited = false; // it was given here, and the server has not said so yet

export function makeStage() {
  for (const frame of [find("frame"), find("hero")]) {
    frame.querySelector(".split").addEventListener("input", (event) => {
      frame.classList.remove("swinging");
      frame.style.setProperty("--split", `${event.target.value}%`);
    });
  }
  find("compare").addEventListener("click", () => compare(find("compare").getAttribute("aria-pressed") !== "true"));
}

export function compare(on) {
  find("compare").setAttribute("aria-pressed", String(on));
  find("frame").classList.toggle("comparing", on);
  if (on) find("split").focus({ preventScroll: true });
}

/** A photograph that was given here is seen at once, long before the server has it; false where the browser cannot read it. */
export async function showOwn(file) {
  const source = URL.createObjectURL(file);
  const image = new Image();
  image.src = source;
  try {
    await image.decode();
  } catch {
    URL.revokeObjectURL(source);
    return;
  }
  awaited = true;
  place(source, image.naturalWidth / image.naturalHeight);
  if (own) URL.revokeObjectURL(own);
  own = source;
}

/** The server did not take it. */
export function dropOwn(state) {
  if (!awaited) return;
  awaited = false;
  view = null;
  if (state?.subject.photo) showState(state, state.history.find((entry) => entry.run === state.work.run));
  else reset();
}

/** The door with its own picture, as at the beginning. */
function reset() {
  place("samples/cat", 1.5);
  plain(false);
  view = null;
}

function plain(on) {
  find("frame").classList.toggle("plain", on);
  find("hero").classList.toggle("plain", on);
  find("hero").classList.toggle("comparing", !on);
}

function place(source, ratio) {
  for (const [frame, before] of [["frame", "before"], ["hero", "hero-before"]]) {
    find(frame).style.setProperty("--ratio", ratio);
    find(before).src = source;
  }
  plain(true);
  shown = "";
}

/** A finished picture, or nothing but the photograph until there is something to see. */
export function showState(state, entry) {
  const { photo } = state.subject;
  if (!photo && view && !awaited) reset();
  if (!photo) return;
  if (photo.view !== view) {
    view = photo.view;
    if (!awaited) place(api.address(view), photo.width / photo.height);
    awaited = false;
  }
  if (entry) show(`${api.address(entry.files.picture)}?${entry.made}`);
}

export function showPreview(preview) {
  show(preview.picture);
}

/** Lay the picture over the one before when it is decoded, so that it never flickers. */
async function show(source) {
  if (source === shown || awaited) return;
  shown = source;
  const next = new Image();
  next.src = source;
  try {
    await next.decode();
  } catch {
    return;
  }
  if (source !== shown) return;
  const before = find("result");
  Object.assign(next, { id: "result", className: "result", alt: "The painted picture", draggable: false });
  next.dataset.ready = "true";
  before.removeAttribute("id");
  before.alt = "";
  before.after(next);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  next.animate({ opacity: [0, 1] }, still ? 0 : FADE).finished.then(() => before.remove(), () => before.remove());
  find("frame").classList.remove("plain");
}
