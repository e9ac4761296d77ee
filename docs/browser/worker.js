// The work, away from the page: gets pictures and wishes, sends a picture after every step.

import { bytes, planes } from "./picture.js";
import { goOn, shares } from "./scales.js";
import { Step, strengthened } from "./step.js";

const here = (path) => new URL(path, import.meta.url).href;

let job = null; // of the run that is under way
let before = Promise.resolve(); // the run before, which ends soon after it is stopped
let strength = 0.5;
let kept = null; // the step that was loaded last: {wish, device, step}
let weights = null; // {path, data}

self.onmessage = ({ data: message }) => {
  if (message.strength !== undefined) strength = message.strength;
  if (message.type === "stop") job = null;
  if (message.type === "start") {
    job = message;
    before = before.then(() => run(message)).catch((error) => {
      if (job === message) tell({ type: "failed", text: String(error?.message ?? error) });
    });
  }
};

async function run(wanted) {
  if (job !== wanted) return;
  const counts = shares(wanted.steps, wanted.models.length);
  let done = 0;
  let painted = null; // the result of the size before
  let small = null; // the photograph at that size
  for (const [i, model] of wanted.models.entries()) {
    const { width, height } = model;
    const photograph = planes(wanted.photograph, width, height);
    const start = painted ? goOn(painted, small, { data: photograph, width, height }) : photograph;
    const later = counts.slice(i + 1).map((count, j) => (count * area(wanted.models[i + 1 + j])) / area(model));
    const data = await paint(wanted, model, { photograph, start, done, count: counts[i], later: sum(later) });
    if (job !== wanted) return;
    [painted, small] = [{ data, width, height }, photograph];
    done += counts[i];
  }
  tell({ type: "done" });
  job = null;
}

/**
 * All steps at one size; the last picture.
 * @param {object} wanted the message
 * @param {object} model graph and size
 * @param {object} here photograph and start at this size, steps done before, steps to do, and those at later sizes in steps
 *   of this one
 */
async function paint(wanted, model, { photograph, start, done, count, later }) {
  const step = await load(wanted, model);
  if (job !== wanted) return null;
  say("Looking at the two pictures …");
  const content = await step.targets(photograph, "content");
  const style = await step.targets(planes(wanted.painting, step.width, step.height), "style");
  // a step of Adam moves all pixels at first: what is painted already is to be kept
  const rate = (wanted.rate * wanted.models[0].width) / step.width;
  let state = step.start(start);
  for (let number = done + 1; number <= done + count; number++) {
    await messages();
    if (job !== wanted) return null;
    const began = performance.now();
    const targets = { ...content, ...strengthened(step.ort, style, strength) };
    const { total, losses, state: next } = await step.advance(targets, state, rate);
    if (!Number.isFinite(total)) throw new Error("the losses are no finite numbers: try other pictures");
    state = next;
    const seconds = (performance.now() - began) / 1000;
    const left = seconds * (done + count - number + later);
    const { width, height } = step;
    report({ wanted, number, total, losses, seconds, left, width, height }, state.picture.data);
  }
  return state.picture.data;
}

function report({ wanted, ...facts }, floats) {
  if (job !== wanted) return;
  const picture = bytes(floats);
  tell({ type: "step", steps: wanted.steps, device: kept.device, ...facts, picture }, [picture.buffer]);
}

async function load({ device, threads }, model) {
  const wish = `${model.graph} ${device} ${threads}`;
  if (kept?.wish === wish) return kept.step;
  await kept?.step.release();
  kept = null;
  weights ??= { path: model.weights, data: await download(here(`models/${model.weights}`)) };
  const gpu = device !== "cpu" && (await navigator.gpu?.requestAdapter());
  if (device === "gpu" && !gpu) throw new Error("this browser has no WebGPU here: choose the processor");
  const pretended = gpu && (gpu.info?.isFallbackAdapter ?? gpu.isFallbackAdapter); // the processor in disguise, and slower
  if (gpu && !(pretended && device === "auto")) {
    try {
      kept = { wish, device: "WebGPU", step: await open("webgpu", model, threads) };
      return kept.step;
    } catch (error) {
      if (device === "gpu") throw error;
    }
  }
  kept = { wish, device: threads > 1 ? `processor, ${threads} threads` : "processor", step: await open("wasm", model, threads) };
  return kept.step;
}

async function open(provider, model, threads) {
  say("Unfolding the network …");
  const ort = await import(here(`vendor/ort.${provider}.min.mjs`));
  ort.env.wasm.wasmPaths = here("vendor/");
  ort.env.wasm.numThreads = threads;
  ort.env.logLevel = "error";
  return Step.load(ort, here(`models/${model.graph}`), [weights], [provider]);
}

async function download(address) {
  const response = await fetch(address);
  if (!response.ok) throw new Error(`${address} is not there: run "make browser" first`);
  const whole = Number(response.headers.get("content-length"));
  const parts = [];
  let size = 0;
  for await (const part of chunks(response.body)) {
    parts.push(part);
    size += part.length;
    say(`Fetching the network, ${(size / 1e6).toFixed(1)} MB${whole ? ` of ${(whole / 1e6).toFixed(1)}` : ""} …`);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}

async function* chunks(stream) {
  const reader = stream.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    yield value;
  }
}

const tell = (message, owned = []) => self.postMessage({ run: job?.run, ...message }, owned);
const say = (text) => tell({ type: "status", text });
const messages = () => new Promise((resolve) => setTimeout(resolve)); // that may have come
const area = ({ width, height }) => width * height;
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0);
