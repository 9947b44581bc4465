// @ts-check
/**
 * Updates the page of an order while it is open: after an event about the order it fetches the
 * stages from the server again, so that words and markup stay in the template.
 */
import { LiveStream } from "../realtime/live_stream.js";
import { freshPage, Refresher } from "../realtime/page/refresher.js";
import { RelativeTimes } from "../realtime/page/relative_times.js";
import { writeMoney } from "../realtime/page/money.js";

const WAY = "[data-order-page]";

const way = /** @type {HTMLElement} */ (document.querySelector(WAY));
const gone = /** @type {HTMLTemplateElement} */ (document.querySelector("[data-order-gone]"));
const times = new RelativeTimes(document.documentElement.lang);

writeMoney(document);

const fresh = new Refresher(refresh);

const stream = LiveStream.from(way, { types: ["orders", "order-deleted"] });
stream.on("event", ({ type, data }) => {
  const isOfOrder = type === "orders" || type === "order-deleted";
  if (isOfOrder && String(data.order) === way.dataset.order) fresh.ask();
});
stream.on("reset", () => fresh.ask());
stream.start();

/**
 * Shows the order as the server renders it now, or that it is gone. If the user has been signed out
 * it
 * does nothing: the bell shows that.
 */
async function refresh() {
  const { page, status } = await freshPage(location.href);
  const now = status === 404 ? document.importNode(gone.content, true) : page.querySelector(WAY);
  if (!now) return;
  times.write(now);
  way.replaceChildren(...now.childNodes);
}
