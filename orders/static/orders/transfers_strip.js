// @ts-check
/**
 * The strip below the head of every page: a slim bar for each transfer that is under way. At its
 * end a bar says so for a moment and vanishes; the bell notifies the user who started the transfer.
 *
 * @typedef {import("./transfer.js").TransferEvent} TransferEvent
 */
import { LiveStream } from "../realtime/live_stream.js";
import { find, setting } from "../realtime/page/elements.js";
import { freshPage, Refresher } from "../realtime/page/refresher.js";
import { itemOf, showTransfer } from "./transfer.js";

const STRIP = "[data-transfers-strip]";
const UNDER_WAY = ["waiting", "running"];
/** How long a bar shows that its transfer is over. */
const OVER_MS = 5_000;
/** After so long without an event, a transfer has failed: its worker has died, see tasks.py. */
const SILENT_MS = 180_000;

const strip = find(document, STRIP);
/** When each item goes, unless it is told of again. @type {WeakMap<HTMLElement, number>} */
const leaving = new WeakMap();

const stream = LiveStream.from(strip, { types: ["transfer"] });
stream.on("event", ({ type, data }) => {
  if (type === "transfer") show(data);
});
const fresh = new Refresher(showAnew);
stream.on("reset", () => void fresh.ask());
showAll(strip);
stream.start();

/** @param {HTMLElement} rendered the strip as the server has rendered it */
function showAll(rendered) {
  for (const event of JSON.parse(setting(rendered, "now"))) show(event);
}

/** @param {TransferEvent} event */
function show(event) {
  const isUnderWay = UNDER_WAY.includes(event.state);
  // A transfer that was over before this page was opened isn't shown.
  if (!isUnderWay && !strip.querySelector(`[data-transfer="${event.transfer}"]`)) return;
  const item = itemOf(strip, event.transfer);
  if (!showTransfer(item, event)) return;
  clearTimeout(leaving.get(item));
  if (event.state !== "waiting") {
    leaving.set(item, setTimeout(() => remove(item), isUnderWay ? SILENT_MS : OVER_MS));
  }
  strip.hidden = false;
}

/** @param {Element} item */
function remove(item) {
  item.remove();
  strip.hidden = !strip.querySelector("[data-transfer]");
}

/** After a reset: shows the strip as the server renders it now. */
async function showAnew() {
  const { page } = await freshPage(location.href);
  for (const item of strip.querySelectorAll("[data-transfer]")) remove(item);
  const rendered = page.querySelector(STRIP);
  if (rendered instanceof HTMLElement) showAll(rendered);
}
