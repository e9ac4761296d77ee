// A graph that `nst export-onnx` wrote, as a program uses it: targets from pictures, then one step after the other.
// Tensors and their names: docs/export.md. `ort` is the module onnxruntime-web; nothing here needs a page.

const NEXT = "next/";
const OWN = "own/";
const STATE = ["picture", "first_moment", "second_moment", "age"];

export class Step {
  /**
   * @param {object} ort onnxruntime-web
   * @param {object} session of the graph
   */
  constructor(ort, session) {
    this.ort = ort;
    this.session = session;
    this.shapes = new Map(session.inputMetadata.map((input) => [input.name, input.shape]));
    const [, , height, width] = this.shapes.get("picture");
    Object.assign(this, { width, height });
    this.losses = session.outputNames.filter((name) => session.inputNames.includes(`${name}/weight`));
  }

  /**
   * @param {object} ort onnxruntime-web
   * @param {string|Uint8Array} graph address or bytes of the .onnx file
   * @param {{path: string, data: string|Uint8Array}[]} weights the file of the weights, under the name it has in the graph
   * @param {string[]} providers "webgpu", "wasm"
   */
  static async load(ort, graph, weights, providers) {
    const session = await ort.InferenceSession.create(graph, {
      executionProviders: providers,
      externalData: weights,
      logSeverityLevel: 3, // errors
    });
    return new Step(ort, session);
  }

  /**
   * The inputs that make pictures like this one: of "content" if it is the photograph, of "style" if it is the painting.
   * @param {Float32Array} picture (3, height, width), sRGB from 0 to 1
   * @param {"content"|"style"} kind
   */
  async targets(picture, kind) {
    const wanted = this.session.outputNames.filter(
      (name) => name.startsWith(OWN) && name.startsWith(`${OWN}style/`) === (kind === "style"),
    );
    const feeds = { ...this.#zeros(), picture: this.#tensor("picture", picture) };
    const results = await this.session.run(feeds, wanted);
    return Object.fromEntries(wanted.map((name) => [name.slice(OWN.length), results[name]]));
  }

  /** The state before the first step from a picture. */
  start(picture) {
    const zeros = this.#zeros();
    const state = Object.fromEntries(STATE.map((name) => [name, zeros[name]]));
    return { ...state, picture: this.#tensor("picture", picture) };
  }

  /**
   * The state after one step, and the losses before it.
   * @param {object} targets of content and style
   * @param {object} state of `start` or of the step before
   * @param {number} rate how far a pixel moves, as a part of its range
   */
  async advance(targets, state, rate) {
    const next = STATE.map((name) => NEXT + name);
    const feeds = { ...targets, ...state, rate: this.#tensor("rate", Float32Array.of(rate)) };
    const results = await this.session.run(feeds, ["total", ...this.losses, ...next]);
    return {
      total: results.total.data[0],
      losses: Object.fromEntries(this.losses.map((name) => [name, results[name].data[0]])),
      state: Object.fromEntries(STATE.map((name) => [name, results[NEXT + name]])),
    };
  }

  /** Give the memory back. */
  release() {
    return this.session.release();
  }

  #tensor(name, data) {
    return new this.ort.Tensor("float32", data, this.shapes.get(name));
  }

  #zeros() {
    const entries = [...this.shapes].map(([name, shape]) => {
      const size = shape.reduce((product, side) => product * side, 1);
      return [name, this.#tensor(name, new Float32Array(size))];
    });
    return Object.fromEntries(entries);
  }
}

/**
 * Style targets with the weights of another strength: 0 leaves the photograph, 0.5 is what the graph has, 1 is style alone.
 * @param {object} targets of the style
 * @param {number} strength above 0 and below 1
 */
export function strengthened(ort, targets, strength) {
  const factor = (strength / (1 - strength)) ** 2; // as --style-strength of the command line
  const weight = targets["style/weight"];
  return { ...targets, "style/weight": new ort.Tensor("float32", weight.data.map((w) => w * factor), weight.dims) };
}
