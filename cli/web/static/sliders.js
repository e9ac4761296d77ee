// The sliders and the looks: what is moved goes to the server a few times a second, one undo for each gesture.
import * as api from "./api.js";
import { fill, find, h } from "./dom.js";

const PAUSE = 120; // ms between two messages while a slider moves
const GESTURE = 1500; // ms after which a further move is another one to undo

const percent = (value) => `${Math.round(value * 100)} %`;
const SLIDERS = [
  { name: "strength", title: "Strength", min: 0, max: 1, ends: ["Photograph", "Painting"], text: percent },
  { name: "stroke", title: "Stroke size", min: -2, max: 1.5, ends: ["Small", "Large"], text: (v) => `${(2 ** v).toFixed(1)} ×`, from: Math.log2, to: (v) => 2 ** v },
  { name: "color", title: "Colour kept", min: 0, max: 1, ends: ["Painting’s", "Photograph’s"], text: percent },
  { name: "detail", title: "Detail", min: 0, max: 1, ends: ["Smooth", "Fine"], text: percent },
];
// how much of the photograph shines through: of the page alone, and so without a step
const OPACITY = { name: "opacity", title: "Opacity", min: 0, max: 1, ends: ["Photograph", "Picture"], text: percent };

let pending = null;
let timer = null;
let gesture = { name: "", id: "", time: 0 };
const moved = new Map(); // slider -> when it was moved here

export function gestureOf(name) {
  const now = performance.now();
  if (gesture.name !== name || now - gesture.time > GESTURE) gesture = { name, id: crypto.randomUUID(), time: now };
  gesture.time = now;
  return gesture.id;
}

/** Send soon; what is changed again before that is sent once. */
export function send(name, values) {
  const id = gestureOf(name);
  moved.set(name, performance.now());
  pending = pending && pending.id === id ? { id, values: { ...pending.values, ...values } } : (flush(), { id, values });
  timer ??= setTimeout(flush, PAUSE);
}

function flush() {
  clearTimeout(timer);
  timer = null;
  if (pending) api.change(pending.values, pending.id);
  pending = null;
}

const HELD = 900; // ms after a move for which a slider stays where it was moved to

/** Whether a slider is being moved here, so that what the server says of it is old. */
export const busy = (name) => performance.now() - (moved.get(name) ?? -1e9) < HELD;

/** Before an undo: sliders go where the server says, at once. */
export function release() {
  moved.clear();
  gesture.name = "";
}

export function makeSliders() {
  find("sliders").append(...[...SLIDERS, OPACITY].map(({ name, title, min, max, ends, text, to }) => {
    const output = h("output", { for: `slider-${name}`, id: `value-${name}` });
    const input = h("input", { type: "range", id: `slider-${name}`, min, max, step: 0.01 });
    const show = () => {
      output.textContent = text(Number(input.value));
      input.setAttribute("aria-valuetext", output.textContent);
      fill(input);
    };
    input.addEventListener("input", () => {
      show();
      if (name === "opacity") find("frame").style.setProperty("--opacity", input.value);
      else send(name, { [name]: (to ?? Number)(Number(input.value)) });
    });
    input.addEventListener("shown", show);
    return h("div", { className: "slider" }, h("label", { htmlFor: input.id }, title), output, input,
      h("div", { className: "ends", "aria-hidden": "true" }, h("span", {}, ends[0]), h("span", {}, ends[1])));
  }));
  setOpacity(1);
}

export const opacity = () => Number(find("slider-opacity").value);

export function setOpacity(value) {
  const input = find("slider-opacity");
  input.value = value;
  input.dispatchEvent(new Event("input"));
}

export function makeLooks(looks) {
  find("looks").append(...looks.map((look) => h("button", {
    type: "button", className: "look", id: `look-${look.name}`, title: look.summary, "aria-pressed": "false",
    onclick: () => { gesture.name = ""; send(`look-${look.name}`, look.sliders); flush(); },
  }, h("img", { src: `static/looks/${look.name}.jpg`, alt: "", width: 96, height: 72 }), h("span", {}, look.title))));
  return looks;
}

let cards = {}; // what the looks make of a pair of pictures, as far as they are painted

export function keepCards(painted) {
  cards = painted;
}

/** The cards show this photograph in this painting, once that is painted; the cat of the package until then. */
export function showCards({ photo, styles }) {
  const mine = photo && cards.pair?.split("+")[0] === [photo, ...styles].map((source) => source.file).join(",");
  for (const look of find("looks").children) {
    const name = look.id.slice("look-".length);
    const image = look.querySelector("img");
    const wanted = (mine && cards[name]) || `static/looks/${name}.jpg`;
    if (image.getAttribute("src") !== wanted) image.src = wanted;
  }
}

let later = null; // shows the latest recipe once no slider is held any more

export function showRecipe(recipe, looks) {
  clearTimeout(later);
  if (SLIDERS.some(({ name }) => busy(name))) later = setTimeout(() => showRecipe(recipe, looks), HELD);
  for (const { name, from } of SLIDERS) {
    if (busy(name)) continue;
    const input = find(`slider-${name}`);
    input.value = (from ?? Number)(recipe[name]);
    input.dispatchEvent(new Event("shown"));
  }
  for (const look of looks) find(`look-${look.name}`).setAttribute("aria-pressed", String(is(look, recipe)));
}

const is = (look, recipe) => Object.entries(look.sliders).every(([name, value]) => Math.abs(recipe[name] - value) < 0.006);

/** A recipe in words: the look that it is, else what was moved. */
export function caption(recipe, looks) {
  const look = looks.find((each) => is(each, recipe));
  if (look) return look.title;
  const [classic] = looks;
  const away = SLIDERS.filter(({ name }) => Math.abs(recipe[name] - classic.sliders[name]) > 0.006);
  return away.slice(0, 2).map(({ name, title, text, from }) => `${title} ${text((from ?? Number)(recipe[name]))}`).join(", ");
}
