// @ts-check
/**
 * Keeps the page of an order true while it is open: when the stream tells of that order, the server
 * is asked for the way of it anew, so that all words and markup stay in the template.
 */
import { fullJitter } from "../realtime/backoff.js";
import { LiveStream } from "../realtime/live_stream.js";
import { RelativeTimes } from "./relative_times.js";

const WAY = "[data-order-page]";

const way = /** @type {HTMLElement} */ (document.querySelector(WAY));
const gone = /** @type {HTMLTemplateElement} */ (document.querySelector("[data-order-gone]"));
const times = new RelativeTimes(document.documentElement.lang);

/** How often the stream has told of something that isn't shown yet. */
let changes = 0;

// With the types of the bell, so that both share one connection.
const stream = LiveStream.from(way, { types: ["orders", "order-deleted", "bell"] });
stream.on("event", ({ type, data }) => {
  const isOfOrder = type === "orders" || type === "order-deleted";
  if (isOfOrder && String(data.order) === way.dataset.order) onChange();
});
stream.on("reset", onChange);
stream.start();

async function onChange() {
  changes += 1;
  if (changes > 1) return; // the server is being asked, and is asked once more for this one
  for (let failures = 0; changes > 0; ) {
    const told = changes;
    const fresh = await freshWay().catch(() => undefined);
    if (fresh === undefined) {
      await new Promise((resolve) => setTimeout(resolve, fullJitter(failures++)));
    } else {
      show(fresh);
      changes -= told;
    }
  }
}

/**
 * As the server renders it now; null, if the page is not to be had any longer, for whoever has been
 * signed out; what the page has to say of it, if the order is gone.
 */
async function freshWay() {
  const response = await fetch(location.href);
  if (response.status === 404) return document.importNode(gone.content, true);
  if (response.status >= 500) throw new Error(`The server answered ${response.status}.`);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  return page.querySelector(WAY);
}

/** @param {ParentNode | null} fresh */
function show(fresh) {
  if (!fresh) return; // the bell says what has become of the session
  times.write(fresh);
  way.replaceChildren(...fresh.childNodes);
}
