// @ts-check
/**
 * Keeps the page of an order true while it is open: when the stream tells of that order, the server
 * is asked for the way of it anew, so that all words and markup stay in the template.
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
 * As the server renders it now; what the page has to say of it, if the order is gone. Whoever has been
 * signed out gets neither: the bell says what has become of the session.
 */
async function refresh() {
  const { page, status } = await freshPage(location.href);
  const now = status === 404 ? document.importNode(gone.content, true) : page.querySelector(WAY);
  if (!now) return;
  times.write(now);
  way.replaceChildren(...now.childNodes);
}
