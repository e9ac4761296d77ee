// Small helpers: elements, times, news for screen readers.

/** An element with properties, attributes (aria-*, data-*, role) and children. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (/^(aria-|data-)|^(role|for|list)$/.test(name)) element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `static/icons.svg#${name}`);
  svg.append(use);
  return svg;
}

export const find = (id) => document.getElementById(id);

/** "2.5 s", "40 s", "6 min", "6 h 27 min", as `nst.control.duration_text` has it. */
export function duration(seconds) {
  if (seconds < 119.5) return `${seconds.toFixed(seconds < 9.95 ? 1 : 0)} s`;
  const minutes = Math.round(seconds / 60);
  return minutes < 120 ? `${minutes} min` : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** "a few seconds", "about 30 s", "about 2 min": of what is yet to come. */
export const about = (seconds) => (seconds < 8 ? "a few seconds" : `about ${duration(seconds < 60 ? 10 * Math.ceil(seconds / 10) : 60 * Math.round(seconds / 60))}`);

export const gigabytes = (bytes) => `${(bytes / 1e9).toFixed(bytes < 1e10 ? 1 : 0)} GB`;

let hiding;

/** One line about what went wrong. */
export function complain(text) {
  const alert = find("alert");
  alert.textContent = text;
  alert.hidden = false;
  clearTimeout(hiding);
  hiding = setTimeout(() => { alert.hidden = true; }, 8000);
}

/** For those who do not see the page. */
export function announce(text) {
  const news = find("news");
  if (news.textContent !== text) news.textContent = text;
}

/** Fill the part of a slider's track that is left of its thumb. */
export function fill(input) {
  const share = (input.value - input.min) / (input.max - input.min || 1);
  input.style.setProperty("--filled", `${share * 100}%`);
}

/** Keep the nodes of a list that show the same as before, so that focus and scroll stay. */
export function renew(parent, items, key, make) {
  const held = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  const nodes = items.map((item) => {
    const wanted = key(item);
    const node = held.get(wanted) ?? make(item);
    node.dataset.key = wanted;
    return node;
  });
  for (const node of held.values()) if (!nodes.includes(node)) node.remove();
  nodes.forEach((node, index) => { if (parent.children[index] !== node) parent.insertBefore(node, parent.children[index] ?? null); });
}
