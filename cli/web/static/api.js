// What the server is asked for. The token is in the address of the page, so relative addresses have it.
import { complain } from "./dom.js";

const STRANGER = "The studio was started anew: open the address that 'nst web' has printed.";

let session = "";

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    complain("The studio does not answer. Is 'nst web' still running?");
    return null;
  }
  if (answer.ok) return answer;
  const document = answer.status === 403 ? { error: STRANGER } : await answer.json().catch(() => ({}));
  if (answer.status !== 404) complain(document.error ?? `The studio refused this (${answer.status}).`);
  return null;
}

const of = (path) => `sessions/${session}${path}`;
const json = (method, document) => ({ method, body: JSON.stringify(document), headers: { "content-type": "application/json" } });

export const address = (file) => of(`/files/${file}`);
export const saved = (file, name) => `${address(file)}?save=${encodeURIComponent(name)}`;

export async function about() {
  return (await ask("about"))?.json();
}

/** The sessions of this browser, the last one first. */
const ownSessions = () => (localStorage.getItem("nst-sessions") ?? "").split(",").filter(Boolean);

/** Go back to a picture that was made in one of them, with its settings, photograph and paintings; false for any other file. */
export async function bringBack(file) {
  if (file.type !== "image/png" || !(await file.slice(0, 2 ** 16).text()).includes("nst")) return false;
  const found = await (await ask(`find?sessions=${ownSessions().join(",")}`, { method: "POST", body: file }))?.json();
  if (!found?.session) return false;
  await ask(`sessions/${found.session}/do/restore`, json("POST", { run: found.run }));
  location.hash = found.session;
  return true;
}

/** The session in the address or the last one of this browser, or a new one. */
export async function enter(fresh = false) {
  const wanted = fresh ? "" : location.hash.slice(1) || localStorage.getItem("nst-session") || "";
  session = /^[0-9a-f]{16}$/.test(wanted) ? wanted : "";
  if (!session || !(await ask(of("")))) {
    const made = await (await ask("sessions", { method: "POST" }))?.json();
    session = made?.session ?? "";
  }
  localStorage.setItem("nst-session", session);
  localStorage.setItem("nst-sessions", [session, ...ownSessions().filter((name) => name !== session)].slice(0, 100).join(","));
  history.replaceState(null, "", `#${session}`);
  return session;
}

export const stream = () => new EventSource(of("/events"));

/** Whether there is a point in listening again: each start of the server has a token of its own. */
export async function stillKnown() {
  const refused = (await fetch(of("")).catch(() => null))?.status === 403;
  if (refused) complain(STRANGER);
  return !refused;
}

const give = (kind, query, body) =>
  kind === "photo" ? ask(`${of("/photo")}?${query}`, { method: "PUT", body }) : ask(`${of("/styles")}?${query}`, { method: "POST", body });

export const upload = (kind, file, name = "picture") => give(kind, `name=${encodeURIComponent(name)}`, file);
export const sample = (kind, name) => give(kind, `sample=${name}`);

export const removeStyle = (number) => ask(of(`/styles/${number}`), { method: "DELETE" });
export const change = (sliders, gesture) => ask(of("/recipe"), json("PATCH", { ...sliders, gesture }));
export const act = (action, document = {}) => ask(of(`/do/${action}`), json("POST", document));
export const enlarge = (size, quick) => ask(of("/large"), json("POST", { size, quick }));
export const cancel = (job) => ask(of(`/large/${job}`), { method: "DELETE" });

export function putMask(name, blob, gesture) {
  const path = `${of(`/masks/${name}`)}?gesture=${gesture}`;
  return ask(path, blob ? { method: "PUT", body: blob } : { method: "DELETE" });
}
