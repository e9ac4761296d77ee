// How far the picture is: bar, words, the buttons that depend on it; numbers and the curve of the loss for who opens them.
import * as api from "./api.js";
import { about, announce, duration, find } from "./dom.js";

let state;
let run = 0;
let points = [];
let last = null;

export function makeProgress() {
  find("stop").addEventListener("click", () => api.act(find("stop").dataset.action));
}

export function showCurve(curve) {
  run = curve.run;
  points = curve.points;
  draw();
}

export function showProgress(preview) {
  if (preview.run !== run) {
    run = preview.run;
    points = [];
  }
  last = preview;
  if (!points.length || points.at(-1)[0] < preview.step) points.push([preview.step, preview.loss]);
  draw();
  words();
}

export function showWork(next) {
  if (state && next.work.run !== state.work.run) last = null;
  state = next;
  words();
}

const TITLES = { empty: "", waiting: "Waiting for its turn", stopped: "Stopped", done: "Finished", failed: "It did not work" };

const TIMED = 5; // steps after which the time that is left can be told

/** What is done now, for people. */
function phase(live) {
  if (!live) return find("frame").classList.contains("plain") ? "Looking at the painting" : "Repainting from here";
  if (live.scale < live.scales) return live.scale === 1 ? "Sketching" : "Painting";
  return live.scales > 1 ? "Finishing the fine strokes" : "Painting";
}

function words() {
  if (!state) return;
  const { work } = state;
  const entry = state.history.find((held) => held.run === work.run);
  const running = work.state === "painting";
  const live = running && last?.run === work.run ? last : null;
  const title = running ? phase(live) : TITLES[work.state];
  let more = "";
  let numbers = "";
  let done = 0;
  if (work.state === "failed") more = work.error;
  else if (work.state === "waiting") more = "Other pictures have the memory; it begins by itself.";
  else if (live) {
    if (live.left && live.step >= TIMED) more = about(live.left);
    numbers = `${live.size[0]} × ${live.size[1]} · step ${live.step} of ${live.steps} · loss ${live.loss.toPrecision(3)}${live.left ? ` · ${duration(live.left)} left` : ""}`;
    done = live.steps ? live.step / live.steps : 0;
  } else if (entry) {
    more = `${entry.size[0]} × ${entry.size[1]} pixels`;
    numbers = `${entry.step} of ${entry.steps} steps · ${duration(entry.seconds)}`;
    done = entry.why === "stopped" ? entry.step / entry.steps : 1;
  }
  announce(title);
  find("status").textContent = title;
  find("status-more").textContent = more;
  find("numbers").hidden = !numbers;
  find("numbers-text").textContent = numbers;
  find("progress").classList.toggle("busy", running && !live);
  find("progress-fill").style.setProperty("--done", done);
  find("progress").setAttribute("aria-valuenow", Math.round(done * 100));
  document.title = live ? `${Math.round(done * 100)} % · nst studio` : "nst studio";
  document.body.dataset.work = work.state;
  document.body.dataset.run = work.run;
  buttons(work, entry);
}

function buttons(work, entry) {
  const stop = find("stop");
  const running = work.state === "painting" || work.state === "waiting";
  stop.dataset.action = running ? "stop" : work.state === "failed" ? "restart" : "continue";
  stop.querySelector("span").textContent = running ? "Stop" : work.state === "failed" ? "Try again" : "Continue";
  stop.querySelector("use").setAttribute("href", `static/icons.svg#${running ? "pause" : "play"}`);
  find("large").disabled = !entry;
}

function draw() {
  const line = find("curve").querySelector("polyline");
  const logs = points.filter(([, loss]) => loss > 0).map(([step, loss]) => [step, Math.log(loss)]);
  if (logs.length < 2) {
    line.setAttribute("points", "");
    return;
  }
  const [least, most] = [Math.min(...logs.map((p) => p[1])), Math.max(...logs.map((p) => p[1]))];
  const [first, end] = [logs[0][0], Math.max(logs.at(-1)[0], logs[0][0] + 1)];
  const place = ([step, loss]) => `${((step - first) / (end - first)) * 120},${1 + (1 - (loss - least) / (most - least || 1)) * 32}`;
  line.setAttribute("points", logs.map(place).join(" "));
  find("curve").setAttribute("aria-label", `Loss, from ${points[0][1].toPrecision(3)} to ${points.at(-1)[1].toPrecision(3)}`);
}
