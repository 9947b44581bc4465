// @ts-check
/** The page of imports and exports. Each event has the state of one of them, and the newest counts. */
import { LiveStream } from "../realtime/live_stream.js";
import { find } from "../realtime/page/elements.js";
import { itemOf, showTransfer } from "./transfer.js";

/** The same as `WAITS_LONG` in models.py. */
const WAITS_LONG_MS = 30_000;

const root = find(document, "[data-transfers]");
/** @type {WeakSet<HTMLElement>} those of which it will be said that no worker has taken them */
const watched = new WeakSet();

const stream = LiveStream.from(root, { types: ["transfer"] });
stream.on("event", ({ type, data }) => {
  if (type !== "transfer") return;
  const item = itemOf(root, data.transfer);
  showTransfer(item, data);
  watch(item);
});
stream.on("reset", () => location.reload());
stream.start();
for (const item of root.querySelectorAll("[data-transfer]")) watch(/** @type {HTMLElement} */ (item));

/**
 * After a while, shows that no worker has taken the transfer. Its later states hide that.
 *
 * @param {HTMLElement} item
 */
function watch(item) {
  if (watched.has(item)) return;
  watched.add(item);
  setTimeout(() => (find(item, "[data-transfer-untaken]").hidden = false), WAITS_LONG_MS);
}
