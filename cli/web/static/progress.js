// How far the picture is: bar, words, the curve of the loss, and the buttons that depend on it.
import * as api from "./api.js";
import { announce, duration, find } from "./dom.js";

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

const TITLES = { empty: "", waiting: "Waiting for its turn", painting: "Painting", stopped: "Stopped", done: "Finished", failed: "It did not work" };

function words() {
  if (!state) return;
  const { work } = state;
  const entry = state.history.find((held) => held.run === work.run);
  const live = work.state === "painting" && last?.run === work.run ? last : null;
  find("status").textContent = work.state === "painting" && !live ? "Setting up" : TITLES[work.state];
  let more = "";
  let done = 0;
  if (work.state === "failed") more = work.error;
  else if (work.state === "waiting") more = "Other pictures have the memory; it begins by itself.";
  else if (live) {
    const left = live.left ? ` · ${duration(live.left)} left` : "";
    more = `${live.size[0]} × ${live.size[1]} · step ${live.step} of ${live.steps} · loss ${live.loss.toPrecision(3)}${left}`;
    done = live.steps ? live.step / live.steps : 0;
    announce(`Painting, scale ${live.scale} of ${live.scales}`);
  } else if (entry) {
    more = `${entry.size[0]} × ${entry.size[1]} · ${entry.step} steps · ${duration(entry.seconds)}`;
    done = entry.why === "stopped" ? entry.step / entry.steps : 1;
  }
  if (!live && work.state !== "empty") announce(TITLES[work.state]);
  find("status-more").textContent = more;
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
  const download = find("download");
  download.setAttribute("aria-disabled", String(!entry));
  if (entry) {
    download.href = api.saved(entry.files.picture, fileName(entry));
    download.download = fileName(entry);
  } else download.removeAttribute("href");
  download.title = entry ? "" : "Stop the picture, or let it finish";
}

export function fileName(entry) {
  const name = (entry.subject.photo?.name ?? "picture").replace(/\.[^.]*$/, "").replace(/[^\p{L}\p{N}_-]+/gu, "-");
  return `${name || "picture"}-painted-${entry.run}.png`;
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
