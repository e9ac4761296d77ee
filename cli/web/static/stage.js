// The picture: live or finished, and the photograph beside it.
import * as api from "./api.js";
import { find } from "./dom.js";

let shown = "";

export function makeStage() {
  const frame = find("frame");
  const split = find("split");
  split.addEventListener("input", () => frame.style.setProperty("--split", `${split.value}%`));
  find("compare").addEventListener("click", () => compare(find("compare").getAttribute("aria-pressed") !== "true"));
}

export function compare(on) {
  find("compare").setAttribute("aria-pressed", String(on));
  find("frame").classList.toggle("comparing", on);
  if (on) find("split").focus({ preventScroll: true });
}

/** A finished picture, or nothing but the photograph until there is something to see. */
export function showState(state, entry) {
  const { photo } = state.subject;
  const frame = find("frame");
  if (!photo) return;
  frame.style.setProperty("--ratio", photo.width / photo.height);
  const before = api.address(photo.view);
  if (find("before").getAttribute("src") !== before) {
    find("before").src = before;
    frame.classList.add("plain");
  }
  if (entry) show(`${api.address(entry.files.picture)}?${entry.made}`);
}

export function showPreview(preview) {
  show(preview.picture);
}

/** Replace the picture when the next one is decoded, so that it never flickers. */
async function show(source) {
  if (source === shown) return;
  shown = source;
  const next = new Image();
  next.src = source;
  try {
    await next.decode();
  } catch {
    return;
  }
  if (source !== shown) return;
  const result = find("result");
  result.src = source;
  result.dataset.ready = "true";
  find("frame").classList.remove("plain");
}
