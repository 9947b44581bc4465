// @ts-check
/**
 * One transfer in a page: its markup, made from a template, updated by events. All words are in the
 * page; this script shows the right ones and fills in numbers.
 *
 * @typedef {{
 *   transfer: number, kind: string, name: string, state: string, done: number, total: number,
 *   errors: number, rate: number, seconds_left: number | null, changes: number,
 * }} TransferEvent
 */

const language = document.documentElement.lang;
const count = new Intl.NumberFormat(language);
const seconds = new Intl.NumberFormat(language, { style: "unit", unit: "second", maximumFractionDigits: 0 });
const minutes = new Intl.NumberFormat(language, { style: "unit", unit: "minute", maximumFractionDigits: 0 });

/**
 * Shows the state of a transfer. Returns false if the page already shows a newer one.
 *
 * @param {HTMLElement} item
 * @param {TransferEvent} event
 * @returns {boolean}
 */
export function showTransfer(item, event) {
  // The page was rendered after its cursor was read, so it may be ahead of the stream.
  if (event.changes < Number(item.dataset.changes)) return false;
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
  part(item, "count").hidden = event.total === 0; // an export's orders are counted when it begins
  part(item, "pace").hidden = event.rate === 0;
  part(item, "remaining").hidden = left === null;
  part(item, "problems").hidden = event.errors === 0;
  return true;
}

/**
 * The item of a transfer; if there is none, a new one at the top of the list.
 *
 * @param {HTMLElement} root with the list and the template of an item
 * @param {number} transfer
 * @returns {HTMLElement}
 */
export function itemOf(root, transfer) {
  const list = part(root, "list");
  const found = list.querySelector(`[data-transfer="${transfer}"]`);
  if (found instanceof HTMLElement) return found;
  const blank = /** @type {HTMLTemplateElement} */ (part(root, "blank"));
  const item = document.importNode(blank.content, true).querySelector("li");
  if (!item) throw new Error("The template of a transfer has no <li>.");
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
  if (!found) throw new Error(`There is no data-transfer-${name} in the template.`);
  return /** @type {HTMLElement} */ (found);
}
