// @ts-check
/**
 * The demo: compares the stream's events with those in the database, and breaks things.
 */
import { LiveStream } from "../realtime/live_stream.js";
import { clockOffset, Deliveries } from "./deliveries.js";

const ASK_EVERY_MS = 1_000;
/** How often the page is drawn at most: in a rush two hundred events come at once. */
const DRAW_EVERY_MS = 50;
const CUT_MS = 5_000;
/** The leading page takes this long to tell the others that it is offline. */
const SAID_WITHIN_MS = 100;
/** While something is broken, an order is placed this often, to show what happens to it. */
const ORDER_EVERY_MS = 700;
const LEAST_TAKEN = 4;
/** The server may be gone for a while. */
const MOST_TRIES = 60;
/** Lines of the log that are kept. */
const KEPT_LINES = 8;

const root = /** @type {HTMLElement} */ (document.querySelector("[data-demo]"));
const words = /** @type {HTMLTemplateElement} */ (root.querySelector("[data-demo-words]")).content;
const log = find("[data-demo-log]");

const deliveries = new Deliveries();
/** How far the server's clock is ahead, by the quickest answer so far. */
let offset = { ms: 0, roundTrip: Infinity };
/**
 * What was broken and has not healed yet.
 * badAt: when something was last seen to be wrong: no connection, or an event that is missing.
 * @type {{at: number, badAt: number} | undefined}
 */
let fault;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let drawing;

// The pages in its frames share it, and so do their bells.
const stream = LiveStream.from(root, { types: ["orders", "order-deleted"] });
stream.on("event", ({ position, type, data }) => {
  if (type !== "orders") return;
  deliveries.come(position, `${data.order} ${data.status}`, now());
  drawSoon();
});
// The log is another one, so the counts no longer mean anything.
stream.on("reset", () => location.reload());
stream.on("state", ({ state }) => {
  if (state !== "live") deliveries.forgetOnTheWay();
  look();
  showState(state);
  drawSoon();
});
stream.start();
setInterval(ask, ASK_EVERY_MS);
void ask();

for (const form of root.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    void ("demoAct" in form.dataset ? act(form) : breakIt(form));
  });
}
find("[data-demo-cut]").addEventListener("click", cutTheNetwork);
find("[data-demo-open-tabs]").addEventListener("click", openTabs);

/* ---- The shop ---- */

/** @param {HTMLFormElement} form */
async function act(form) {
  const answer = await commit(form);
  if (!answer) write("failed");
  else if (answer.changes.length === 0) write("nothing");
}

/** @param {HTMLFormElement} form */
async function commit(form) {
  const answer = await post(form);
  if (!answer) return null;
  for (const [order, status] of answer.changes) {
    const at = stream.state === "live" ? answer.committed_at - offset.ms : null;
    deliveries.commit(`${order} ${status}`, at);
  }
  await ask();
  return answer;
}

/**
 * @param {HTMLFormElement} form
 * @returns {Promise<any>} null: it failed
 */
async function post(form) {
  try {
    const response = await fetch(form.action, { method: "POST", body: new FormData(form) });
    return response.ok ? await response.json() : null;
  } catch {
    return null;
  }
}

/** How many events the database holds, and what time it is there. */
async function ask() {
  const url = `${root.dataset.publishedUrl}?after=${root.dataset.position}`;
  try {
    const asked = now();
    const response = await fetch(url);
    if (!response.ok) return;
    const { published, now: theirs } = await response.json();
    const roundTrip = now() - asked;
    if (roundTrip < offset.roundTrip) {
      offset = { ms: clockOffset(asked, asked + roundTrip, theirs), roundTrip };
    }
    deliveries.published = published;
  } catch {
    return; // the server or the database is away: keep the last figures
  }
  look();
  await countPages();
  drawSoon();
}

/* ---- Break it ---- */

/** @param {HTMLFormElement} form */
async function breakIt(form) {
  const answer = await post(form);
  if (!answer) return write("failed");
  write(`broken-${form.dataset.demoBreak}`, answer.ended);
  await seeItThrough();
}

/**
 * A page can't take its browser from the network. What this does is close the stream's connection,
 * as when a page is put to sleep, and tell all pages that they are offline.
 */
function cutTheNetwork() {
  write("broken-network");
  tellAllPages("offline");
  setTimeout(() => tellAllPages("pagehide"), SAID_WITHIN_MS);
  setTimeout(() => tellAllPages("pageshow", "online"), CUT_MS);
  void seeItThrough();
}

/** @param {("offline" | "online" | "pagehide" | "pageshow")[]} names */
function tellAllPages(...names) {
  for (const page of [window, ...frames()]) {
    for (const name of names) page.dispatchEvent(new Event(name));
  }
}

function frames() {
  return [...root.querySelectorAll("iframe")].flatMap(({ contentWindow }) => contentWindow ?? []);
}

/** Places orders until everything works again and the last order was accepted. */
async function seeItThrough() {
  const at = performance.now();
  const mine = (fault = { at, badAt: at });
  const order = /** @type {HTMLFormElement} */ (root.querySelector("[data-demo-act]"));
  for (let taken = 0, tries = 0; tries < MOST_TRIES; tries++) {
    await new Promise((resolve) => setTimeout(resolve, ORDER_EVERY_MS));
    if (fault !== mine) return; // another fault was caused meanwhile
    if (await commit(order)) taken += 1;
    else mine.badAt = performance.now();
    look();
    if (taken >= LEAST_TAKEN && isWell()) break;
  }
  if (fault !== mine || !isWell()) return;
  const seconds = ((mine.badAt - at) / 1_000).toFixed(1);
  if (seconds === "0.0") write("healed-at-once");
  else write("healed", seconds);
  fault = undefined;
}

function isWell() {
  return stream.state === "live" && deliveries.lost === 0 && deliveries.doubled === 0;
}

function look() {
  if (fault && !isWell()) fault.badAt = performance.now();
}

function openTabs() {
  const list = find("[data-demo-tab-list]");
  const tabs = /** @type {HTMLTemplateElement} */ (root.querySelector("[data-demo-tab]"));
  list.replaceChildren(document.importNode(tabs.content, true));
  find("[data-demo-tabs]").hidden = false;
  find("[data-demo-tabs]").scrollIntoView({ block: "nearest" });
}

/** Each page requests the locks of its streams; the holder of a lock has the connection. */
async function countPages() {
  if (!("locks" in navigator)) return;
  const { held = [], pending = [] } = await navigator.locks.query();
  const ofStreams = (/** @type {LockInfo} */ { name }) => name?.startsWith("realtime ");
  showFigure("connections", held.filter(ofStreams).length);
  // A page whose orders and bell follow the stream is one client of the locks.
  const pages = new Set([...held, ...pending].filter(ofStreams).map(({ clientId }) => clientId));
  showFigure("pages", pages.size);
}

/* ---- The page ---- */

function drawSoon() {
  drawing ??= setTimeout(draw, DRAW_EVERY_MS);
}

function draw() {
  drawing = undefined;
  showFigure("published", Math.max(deliveries.published, deliveries.received));
  showFigure("received", deliveries.received);
  showFigure("lost", deliveries.lost);
  showFigure("doubled", deliveries.doubled);
  for (const share of [50, 99]) {
    const took = deliveries.percentile(share / 100);
    showFigure(`p${share}`, took === undefined ? "–" : took.toFixed(took < 10 ? 1 : 0));
  }
  for (const bad of root.querySelectorAll("[data-demo-bad]")) {
    const name = /** @type {HTMLElement} */ (bad).dataset.demoBad;
    bad.toggleAttribute("data-is-bad", (name === "lost" ? deliveries.lost : deliveries.doubled) > 0);
  }
}

/**
 * @param {string} name
 * @param {number | string} value
 */
function showFigure(name, value) {
  const text = String(value);
  const figure = find(`[data-demo-figure="${name}"]`);
  if (figure.textContent !== text) figure.textContent = text;
}

/** @param {string} state */
function showState(state) {
  const connection = find("[data-demo-connection]");
  connection.dataset.state = state;
  for (const line of connection.querySelectorAll("[data-when]")) {
    if (line instanceof HTMLElement) line.hidden = line.dataset.when !== state;
  }
}

/**
 * @param {string} word
 * @param {number | string} [number]
 */
function write(word, number = "") {
  const line = words.querySelector(`[data-word="${word}"]`)?.cloneNode(true);
  if (!(line instanceof HTMLElement)) throw new Error(`templates/demo/demo.html has no word ${word}.`);
  const place = line.querySelector("[data-word-number]");
  if (place) place.textContent = String(number);
  log.prepend(line);
  while (log.childElementCount > KEPT_LINES) log.lastElementChild?.remove();
}

/** Milliseconds since 1970, finer than Date has them. */
function now() {
  return performance.timeOrigin + performance.now();
}

/**
 * @param {string} selector
 * @returns {HTMLElement}
 */
function find(selector) {
  const element = root.querySelector(selector);
  if (!element) throw new Error(`templates/demo/demo.html has no ${selector}.`);
  return /** @type {HTMLElement} */ (element);
}
