// The page: takes wishes, hands them to the worker, shows what comes back.

import { nearestShape } from "./picture.js";

const get = (id) => document.getElementById(id);
const wishes = new URLSearchParams(location.search); // ?threads=1 computes with one thread
const pictures = { photograph: null, painting: null }; // ImageBitmaps
let worker = null;
let models = [];
let losses = [];
let run = 0; // its number; what comes late from one that was stopped is not heard

start().catch((error) => fail(error.message));

async function start() {
  if (await isolated()) return; // the page is about to load once more
  const found = await fetch("models/models.json");
  if (!found.ok) throw new Error('there are no graphs yet: run "make browser" first');
  models = await found.json();
  showSides();
  for (const name of Object.keys(pictures)) {
    pictures[name] = await decoded(await (await fetch(get(`${name}-shown`).src)).blob());
    listen(name);
  }
  worker = new Worker("worker.js", { type: "module" });
  const answers = { status: told, step: shown, done: finished, failed: ({ text }) => fail(text) };
  worker.onmessage = ({ data }) => data.run === run && answers[data.type](data);
  worker.onerror = (event) => fail(event.message ?? "the worker could not be started");
  get("strength").oninput = () => {
    get("strength-shown").value = strength().toFixed(2);
    worker.postMessage({ type: "strength", strength: strength() }); // takes effect at the next step
  };
  get("steps").oninput = () => (get("steps-shown").value = get("steps").value);
  get("controls").onsubmit = paint;
  get("stop").onclick = stop;
  get("save").onclick = save;
  showPhotograph();
  document.body.dataset.ready = "yes";
}

/** Threads need two headers. Where the server does not send them, a service worker adds them and the page loads once more. */
async function isolated() {
  if (crossOriginIsolated || wishes.get("threads") === "1" || !("serviceWorker" in navigator)) return false;
  if (sessionStorage.getItem("isolated")) return false; // it was tried
  sessionStorage.setItem("isolated", "tried");
  try {
    await navigator.serviceWorker.register("isolation.js");
    await navigator.serviceWorker.ready;
  } catch {
    return false; // one thread will do
  }
  location.reload();
  return true;
}

const longest = ({ width, height }) => Math.max(width, height);
const sides = () => [...new Set(models.map(longest))].sort((a, b) => a - b);

function showSides() {
  for (const side of sides()) {
    const label = document.createElement("label");
    const radio = Object.assign(document.createElement("input"), { type: "radio", name: "side", value: side });
    radio.checked = side === (sides().includes(192) ? 192 : sides()[0]);
    label.append(radio, ` ${side} px`);
    get("sides").append(label);
  }
}

function listen(name) {
  const input = get(name);
  input.onchange = () => take(name, input.files[0]);
  const place = input.parentElement;
  place.ondragover = (event) => {
    event.preventDefault();
    place.classList.add("over");
  };
  place.ondragleave = () => place.classList.remove("over");
  place.ondrop = (event) => {
    event.preventDefault();
    place.classList.remove("over");
    take(name, event.dataTransfer.files[0]);
  };
}

async function take(name, file) {
  if (!file) return;
  try {
    pictures[name] = await decoded(file);
  } catch {
    fail(`${file.name} is no picture that this browser can read`);
    return;
  }
  const shown = get(`${name}-shown`);
  URL.revokeObjectURL(shown.src);
  shown.src = URL.createObjectURL(file);
  shown.alt = `The ${name}: ${file.name}`;
  if (name === "photograph" && !get("start").disabled) showPhotograph();
  told({ text: "Ready." });
}

/** The photograph as it will be cut, before it is painted. */
function showPhotograph() {
  const { photograph } = pictures;
  const size = chosen().at(-1);
  const scale = Math.max(size.width / photograph.width, size.height / photograph.height);
  const [width, height] = [size.width / scale, size.height / scale];
  const [left, top] = [(photograph.width - width) / 2, (photograph.height - height) / 2];
  const canvas = Object.assign(get("picture"), { width: Math.round(width), height: Math.round(height) });
  canvas.getContext("2d").drawImage(photograph, left, top, width, height, 0, 0, canvas.width, canvas.height);
}

/** The graphs up to the size that is chosen, coarse to fine, of the shape that is nearest to the photograph's. */
function chosen() {
  const largest = Number(document.querySelector("input[name=side]:checked").value);
  const { width, height } = pictures.photograph;
  return sides()
    .filter((side) => side <= largest)
    .map((side) => models.filter((model) => longest(model) === side))
    .map((sizes) => nearestShape(sizes, width, height));
}

const decoded = (blob) => createImageBitmap(blob, { colorSpaceConversion: "default" });
const strength = () => Number(get("strength").value);

function paint(event) {
  event.preventDefault();
  const { photograph, painting } = pictures;
  losses = [];
  running(true);
  get("picture").scrollIntoView({ block: "nearest" });
  worker.postMessage({
    type: "start",
    run: ++run,
    models: chosen(),
    photograph,
    painting,
    strength: strength(),
    steps: Number(get("steps").value),
    rate: 0.02,
    device: get("device").value,
    threads: threads(),
  });
}

function threads() {
  const most = crossOriginIsolated ? Math.min(navigator.hardwareConcurrency, 8) : 1;
  return Math.min(most, Number(wishes.get("threads") ?? most));
}

function shown({ number, steps, total, seconds, left, device, width, height, picture }) {
  const canvas = get("picture");
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  canvas.getContext("2d").putImageData(new ImageData(picture, width, height), 0, 0);
  losses.push(total);
  get("progress").value = number / steps;
  get("step").textContent = `${number} of ${steps}`;
  get("loss").textContent = total.toPrecision(4);
  get("pace").textContent = seconds.toFixed(2);
  get("left").textContent = left < 100 ? `${Math.ceil(left)} s` : `${Math.ceil(left / 60)} min`;
  get("save").disabled = false;
  told({ text: `Painting ${width} x ${height} with the ${device} …` });
  drawCurve();
}

function drawCurve() {
  const logs = losses.map(Math.log);
  const [low, high] = [Math.min(...logs), Math.max(...logs)];
  const points = logs.map((value, i) => {
    const x = (100 * i) / Math.max(1, logs.length - 1);
    return `${x.toFixed(2)},${(29 - (28 * (value - low)) / (high - low || 1)).toFixed(2)}`;
  });
  get("curve").firstElementChild.setAttribute("points", points.join(" "));
}

function finished() {
  running(false);
  told({ text: "Done. More steps, another strength or another picture?" });
}

function stop() {
  run++;
  worker.postMessage({ type: "stop" });
  running(false);
  told({ text: "Stopped." });
}

function save() {
  get("picture").toBlob((blob) => {
    const address = URL.createObjectURL(blob);
    Object.assign(document.createElement("a"), { href: address, download: "painted.png" }).click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
  });
}

function running(yes) {
  get("start").disabled = yes;
  get("stop").disabled = !yes;
}

function told({ text }) {
  get("status").className = "";
  if (get("status").textContent !== text) get("status").textContent = text; // which is read out
}

function fail(text) {
  running(false);
  told({ text: `That did not work: ${text}` });
  get("status").className = "failed";
}
