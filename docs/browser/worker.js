// The work, away from the page: gets pictures and wishes, sends a picture after every step.

import { bytes, planes } from "./picture.js";
import { Step, strengthened } from "./step.js";

const here = (path) => new URL(path, import.meta.url).href;

let job = null; // of the run that is under way
let strength = 0.5;
let kept = null; // the step that was loaded last: {graph, device, step}
let weights = null; // {path, data}

self.onmessage = ({ data: message }) => {
  if (message.strength !== undefined) strength = message.strength;
  if (message.type === "stop") job = null;
  if (message.type === "start") {
    job = message;
    run(message).catch((error) => {
      if (job === message) self.postMessage({ type: "failed", text: String(error?.message ?? error) });
    });
  }
};

async function run(wanted) {
  const { model, photograph, painting, steps, rate } = wanted;
  const step = await load(wanted);
  if (job !== wanted) return;
  say("Looking at the two pictures …");
  const content = planes(photograph, step.width, step.height);
  const content_targets = await step.targets(content, "content");
  const style = await step.targets(planes(painting, step.width, step.height), "style");
  let state = step.start(content);
  for (let number = 1; number <= steps; number++) {
    await later(); // a message may have come
    if (job !== wanted) return;
    const began = performance.now();
    const targets = { ...content_targets, ...strengthened(step.ort, style, strength) };
    const { total, losses, state: next } = await step.advance(targets, state, rate);
    if (!Number.isFinite(total)) throw new Error("the losses are no finite numbers: try other pictures");
    state = next;
    const seconds = (performance.now() - began) / 1000;
    const { width, height } = model;
    const picture = bytes(state.picture.data);
    const report = { type: "step", number, steps, total, losses, seconds, device: kept.device, width, height, picture };
    if (job === wanted) self.postMessage(report, [picture.buffer]);
  }
  self.postMessage({ type: "done" });
  job = null;
}

async function load({ model, device, threads }) {
  const wish = `${model.graph} ${device} ${threads}`;
  if (kept?.wish === wish) return kept.step;
  await kept?.step.release();
  kept = null;
  weights ??= { path: model.weights, data: await download(here(`models/${model.weights}`)) };
  const gpu = device !== "cpu" && (await navigator.gpu?.requestAdapter());
  if (device === "gpu" && !gpu) throw new Error("this browser has no WebGPU here: choose the processor");
  if (gpu) {
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

const say = (text) => self.postMessage({ type: "status", text });
const later = () => new Promise((resolve) => setTimeout(resolve));
