// The page: it enters a session, hears what the server says about it, and shows that.
import * as api from "./api.js";
import { makeBrush, showBrush, toggle } from "./brush.js";
import { announce, find } from "./dom.js";
import { keepFrame, makeKeep, showKeep } from "./keep.js";
import { makeLarge, showPlan } from "./large.js";
import { makeProgress, showCurve, showProgress, showWork } from "./progress.js";
import { showShelf } from "./shelf.js";
import { keepCards, makeLooks, makeSliders, release, setOpacity, showCards, showRecipe } from "./sliders.js";
import { makeSources, showSources } from "./sources.js";
import { compare, makeStage, showPreview, showState } from "./stage.js";
import { ZOOM_KEYS, makeZoom } from "./zoom.js";

let looks = [];
let state = null;
let news = null;

function show(next) {
  state = next;
  const entry = state.history.find((held) => held.run === state.work.run);
  const ready = state.subject.photo && state.subject.styles.length;
  document.body.dataset.state = ready ? "studio" : "welcome";
  find("undo").disabled = !state.undo;
  find("redo").disabled = !state.redo;
  const { machine } = state;
  find("machine").textContent = machine ? `${machine.backend} · ${machine.device} · ${machine.network}` : "Warming up …";
  showSources(state);
  showRecipe(state.subject.recipe, looks);
  showCards(state.subject);
  showState(state, entry);
  showBrush(state);
  showWork(state);
  showShelf(state, looks);
  showKeep(state, entry);
}

function listen() {
  news?.close();
  news = api.stream();
  news.onerror = () => {
    find("machine").textContent = "Not connected";
    if (news.readyState === EventSource.CLOSED) setTimeout(async () => { if (await api.stillKnown()) listen(); }, 3000); // else the browser tries by itself
  };
  const on = (kind, then) => news.addEventListener(kind, (event) => then(JSON.parse(event.data)));
  on("state", show);
  on("curve", showCurve);
  on("plan", showPlan);
  on("looks", (painted) => { keepCards(painted); if (state) showCards(state.subject); });
  on("preview", (preview) => {
    if (preview.run !== state?.work.run) return;
    showPreview(preview);
    showProgress(preview);
    keepFrame(preview);
  });
}

async function fresh() {
  compare(false);
  toggle(false);
  setOpacity(1);
  ZOOM_KEYS[0]();
  await api.enter(true);
  listen();
  announce("A new picture");
}

/** Keys without a modifier, where nothing is typed: they are listed in the dialog of "?". */
function shortcut(event) {
  const command = event.ctrlKey || event.metaKey;
  if (document.querySelector("dialog[open]")) return;
  if (command ? event.key.toLowerCase() === "z" : event.key.toLowerCase() === "u") find(event.shiftKey ? "redo" : "undo").click();
  else if (command || event.altKey) return;
  else if (event.key === "c") find("compare").click();
  else if (event.key === "b") find("brush").click();
  else if (event.key === "?") find("keys").click();
  else if (ZOOM_KEYS[event.key]) ZOOM_KEYS[event.key]();
  else return;
  event.preventDefault();
}

const facts = await api.about();
makeStage();
makeSliders();
looks = makeLooks(facts.looks);
makeSources(facts);
makeProgress();
makeLarge();
makeKeep();
makeZoom();
makeBrush();
for (const way of ["undo", "redo"]) find(way).addEventListener("click", () => { release(); api.act(way); });
find("keys").addEventListener("click", () => find("keys-dialog").showModal());
find("fresh").addEventListener("click", fresh);
addEventListener("keydown", shortcut);
addEventListener("hashchange", async () => { await api.enter(); listen(); });
await api.enter();
listen();
