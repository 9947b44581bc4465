// @ts-check
/**
 * Updates the customer's orders while the page is open: after an event it fetches all of them from
 * the server again, so that words and markup stay in the templates.
 */
import { LiveStream } from "../realtime/live_stream.js";
import { find } from "../realtime/page/elements.js";
import { freshPage, Refresher } from "../realtime/page/refresher.js";
import { RelativeTimes } from "../realtime/page/relative_times.js";
import { writeMoney } from "../realtime/page/money.js";

const HOME = "[data-home]";

const home = find(document, HOME);
const offers = /** @type {HTMLFormElement} */ (find(document, "[data-home-offers]"));
const times = new RelativeTimes(document.documentElement.lang);
const orders = new Refresher(refresh);

times.keep(document);
writeMoney(document);
offers.addEventListener("submit", place);

// The same stream as on the page of an order, so that all these pages share one connection.
const stream = LiveStream.from(home, { types: ["orders", "order-deleted"] });
stream.on("event", () => void orders.ask());
stream.on("reset", () => void orders.ask());
stream.start();

async function refresh() {
  const { page } = await freshPage(location.href);
  const now = page.querySelector(HOME);
  if (!now) return; // signed out: the bell shows that
  times.write(now);
  writeMoney(now);
  const focused = home.contains(document.activeElement) ? document.activeElement : null;
  home.replaceChildren(...now.childNodes);
  // The focused link was replaced by a new one.
  if (focused instanceof HTMLAnchorElement) {
    const again = home.querySelector(`a[href="${focused.getAttribute("href")}"]`);
    if (again instanceof HTMLElement) again.focus();
  }
}

/** @param {SubmitEvent} event */
async function place(event) {
  event.preventDefault();
  const button = /** @type {HTMLButtonElement} */ (event.submitter);
  const body = new FormData(offers, button);
  button.setAttribute("aria-busy", "true");
  try {
    const headers = { Accept: "text/plain" };
    const response = await fetch(offers.action, { method: "POST", body, headers });
    if (!response.ok || response.redirected) location.reload(); // the new page says what is wrong
  } catch {
    // No network: the bell shows that, and nothing was ordered.
  } finally {
    button.removeAttribute("aria-busy");
  }
}
