// @ts-check
/**
 * Bars of imports and exports, live: each event says how one of them stands, and the newest counts.
 * All words are in the page; here is shown which of them hold, and numbers are filled in.
 *
 * @typedef {{
 *   transfer: number, kind: string, name: string, state: string, done: number, total: number,
 *   errors: number, rate: number, seconds_left: number | null, changes: number,
 * }} TransferEvent
 */
import { LiveStream } from "../realtime/live_stream.js";

const root = /** @type {HTMLElement} */ (document.querySelector("[data-transfers]"));
const list = /** @type {HTMLElement} */ (root.querySelector("[data-transfer-list]"));
const blank = /** @type {HTMLTemplateElement} */ (root.querySelector("[data-transfer-blank]"));
const language = document.documentElement.lang;
const count = new Intl.NumberFormat(language);
const seconds = new Intl.NumberFormat(language, { style: "unit", unit: "second", maximumFractionDigits: 0 });
const minutes = new Intl.NumberFormat(language, { style: "unit", unit: "minute", maximumFractionDigits: 0 });

const stream = LiveStream.from(root, { types: ["transfer"] });
stream.on("event", ({ type, data }) => {
  if (type === "transfer") show(data);
});
stream.on("reset", () => location.reload());
stream.start();

/** @param {TransferEvent} event */
function show(event) {
  const item = itemOf(event.transfer);
  // The page was rendered after its cursor was read, so it may be ahead of the stream.
  if (event.changes < Number(item.dataset.changes)) return;
  item.dataset.changes = String(event.changes);
  item.dataset.state = event.state;
  item.dataset.kind = event.kind;
  const bar = /** @type {HTMLProgressElement} */ (item.querySelector("progress"));
  bar.max = Math.max(event.total, 1);
  bar.value = event.done;
  fill(item, "name", event.name);
  fill(item, "done", count.format(event.done));
  fill(item, "total", count.format(event.total));
  fill(item, "rate", count.format(Math.round(event.rate)));
  fill(item, "errors", count.format(event.errors));
  const left = event.seconds_left;
  if (left !== null) fill(item, "left", left < 90 ? seconds.format(left) : minutes.format(left / 60));
  part(item, "pace").hidden = event.rate === 0;
  part(item, "remaining").hidden = left === null;
  part(item, "problems").hidden = event.errors === 0;
}

/** @param {number} transfer */
function itemOf(transfer) {
  const found = list.querySelector(`[data-transfer="${transfer}"]`);
  if (found instanceof HTMLElement) return found;
  const item = document.importNode(blank.content, true).querySelector("li");
  if (!item) throw new Error("templates/orders/transfers/transfer.html has no <li>.");
  item.dataset.transfer = String(transfer);
  for (const each of item.querySelectorAll("[data-transfer-address]")) {
    const name = each instanceof HTMLFormElement ? "action" : "href";
    each.setAttribute(name, (each.getAttribute(name) ?? "").replace("/0/", `/${transfer}/`));
  }
  list.prepend(item);
  return item;
}

/**
 * @param {HTMLElement} item
 * @param {string} name
 * @param {string} text
 */
function fill(item, name, text) {
  part(item, name).textContent = text;
}

/**
 * @param {HTMLElement} item
 * @param {string} name
 * @returns {HTMLElement}
 */
function part(item, name) {
  const found = item.querySelector(`[data-transfer-${name}]`);
  if (!found) throw new Error(`templates/orders/transfers/transfer.html has no ${name}.`);
  return /** @type {HTMLElement} */ (found);
}
