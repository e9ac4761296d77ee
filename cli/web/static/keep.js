// What is seen can always be kept: as PNG or JPEG, in the clipboard, as a film of how it was painted.
import * as api from "./api.js";
import { announce, complain, find, h } from "./dom.js";
import { opacity } from "./sliders.js";

const FRAMES = 120; // of a film, at most
const FILM = { frame: 90, end: 1500 }; // ms
const TYPES = ["video/mp4;codecs=avc1.42E01E", "video/webm;codecs=vp9", "video/webm"];

let state = null;
let entry = null;
let run = 0;
let frames = []; // addresses of the previews of a run

export function makeKeep() {
  const menu = find("more");
  const then = (id, action) => find(id).addEventListener("click", () => { menu.open = false; action(); });
  find("download").addEventListener("click", () => download("png"));
  then("save-jpeg", () => download("jpeg"));
  then("copy-picture", copy);
  then("save-film", film);
  find("copy-picture").hidden = !navigator.clipboard?.write;
  addEventListener("pointerdown", (event) => { if (!menu.contains(event.target)) menu.open = false; });
  menu.addEventListener("keydown", (event) => { if (event.key === "Escape") { menu.open = false; menu.firstElementChild.focus(); } });
}

export function showKeep(next, painted) {
  [state, entry] = [next, painted];
  if (next.work.run !== run) [run, frames] = [next.work.run, []];
  find("save-film").hidden = frames.length < 3;
}

export function keepFrame(preview) {
  if (preview.run !== run) return;
  frames.push(preview.picture);
  if (frames.length > FRAMES) frames = frames.filter((_, index) => index % 2 === 1 || index === frames.length - 1);
  find("save-film").hidden = frames.length < 3;
}

export function fileName(photo, number, suffix = "png") {
  const name = (photo?.name ?? "picture").replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}_-]+/gu, "-");
  return `${name || "picture"}-painted-${number}.${suffix}`;
}

function hand(href, name) {
  h("a", { href, download: name }).click();
}

/** The picture over as much of the photograph as shines through. */
function seen() {
  const [photo, painted] = [find("before"), !find("frame").classList.contains("plain")];
  const { naturalWidth: width, naturalHeight: height } = painted ? find("result") : photo;
  const sheet = h("canvas", { width, height });
  const ink = sheet.getContext("2d");
  ink.fillStyle = "#fff";
  ink.fillRect(0, 0, width, height);
  ink.drawImage(photo, 0, 0, width, height);
  ink.globalAlpha = opacity();
  if (painted) ink.drawImage(find("result"), 0, 0, width, height);
  return sheet;
}

const blob = (type) => new Promise((resolve) => { seen().toBlob(resolve, type, 0.93); });

async function download(kind) {
  const name = fileName(state.subject.photo, run, kind === "jpeg" ? "jpg" : kind);
  if (kind === "png" && entry && opacity() === 1) hand(api.saved(entry.files.picture, name), name); // with its settings
  else hand(URL.createObjectURL(await blob(`image/${kind}`)), name);
}

async function copy() {
  try {
    await navigator.clipboard.write([new ClipboardItem({ "image/png": blob("image/png") })]);
    announce("Copied");
  } catch {
    complain("The browser does not let this page copy pictures.");
  }
}

const pause = (time) => new Promise((resolve) => { setTimeout(resolve, time); });

/** From the photograph to the picture, in a few seconds. */
async function film() {
  const type = TYPES.find((name) => globalThis.MediaRecorder?.isTypeSupported(name));
  if (!type) {
    complain("This browser records no films.");
    return;
  }
  announce("Making the film");
  find("more").setAttribute("aria-busy", "true");
  const images = frames.map((src) => Object.assign(new Image(), { src }));
  await Promise.all(images.map((image) => image.decode()));
  const { width, height } = images.at(-1);
  const sheet = h("canvas", { width: width - (width % 2), height: height - (height % 2) });
  const ink = sheet.getContext("2d");
  const recorder = new MediaRecorder(sheet.captureStream(30), { mimeType: type, videoBitsPerSecond: 1.2e7 });
  const parts = [];
  recorder.ondataavailable = (event) => parts.push(event.data);
  const ended = new Promise((resolve) => { recorder.onstop = resolve; });
  recorder.start();
  for (const [index, image] of [find("before"), ...images].entries()) {
    ink.drawImage(image, 0, 0, width, height);
    await pause(index === 0 || index === images.length ? FILM.end : FILM.frame);
    ink.drawImage(image, 0, 0, width, height); // a canvas that does not change is not recorded
  }
  recorder.stop();
  await ended;
  find("more").removeAttribute("aria-busy");
  hand(URL.createObjectURL(new Blob(parts, { type })), fileName(state.subject.photo, run, type.match(/\/(\w+)/)[1]));
}
