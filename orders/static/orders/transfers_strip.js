// @ts-check
/**
 * The strip below the head of every page: a slim bar for each transfer that is under way. When
 * one is over it says so for a moment, and goes; the bell tells whoever has started it.
 *
 * @typedef {import("./transfer.js").TransferEvent} TransferEvent
 */
import { LiveStream } from "../realtime/live_stream.js";
import { find, setting } from "../realtime/page/elements.js";
import { freshPage, Refresher } from "../realtime/page/refresher.js";
import { itemOf, showTransfer } from "./transfer.js";

const STRIP = "[data-transfers-strip]";
const UNDER_WAY = ["waiting", "running"];
/** How long it is said of one that it is over. */
const OVER_MS = 5_000;
/** So long after its last word even one whose worker has died was told of as failed, see tasks.py. */
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
  // What was over before this page was opened is no news.
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

/** After a reset: as a page of now has it. */
async function showAnew() {
  const { page } = await freshPage(location.href);
  for (const item of strip.querySelectorAll("[data-transfer]")) remove(item);
  const rendered = page.querySelector(STRIP);
  if (rendered instanceof HTMLElement) showAll(rendered);
}
