// @ts-check
/**
 * Fetches counts and chart as the server renders them now. They aren't computed from events,
 * because the chart moves on when nothing happens, and a board may hang on a wall for weeks. In a
 * storm of orders this makes one short request a second.
 */

import { writeMoney } from "../realtime/page/money.js";

/** How long after an event: a random time, so that the shop's boards don't all ask at once. */
const WITHIN_MS = [500, 1_500];
/** How often the chart moves on without an event. */
const EVERY_MS = 30_000;

/** Updates the parts that the server has marked with `data-board-fresh`. */
export class Summary {
  /** @param {string} url */
  constructor(url) {
    this._url = url;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
    this._isUnderWay = false;
    /** Whether it was asked for during a request, whose answer may already be out of date. */
    this._isOutdated = false;
    this._isMissing = false;
    setInterval(() => this.ask(), EVERY_MS);
    document.addEventListener("visibilitychange", () => {
      if (this._isMissing) this.ask();
    });
  }

  /** Update soon, once for any number of calls: what is shown is out of date. */
  ask() {
    this._isMissing = document.visibilityState === "hidden";
    if (this._isMissing) return;
    if (this._isUnderWay) {
      this._isOutdated = true;
      return;
    }
    const [least, most] = WITHIN_MS;
    this._timer ??= setTimeout(() => this._refresh(), least + Math.random() * (most - least));
  }

  async _refresh() {
    this._timer = undefined;
    this._isUnderWay = true;
    this._isOutdated = false;
    try {
      const response = await fetch(this._url);
      // A redirect leads to the login page: then the connection line says that.
      if (response.ok && !response.redirected) showFresh(await response.text());
    } catch {
      // No network, so no events either; the next event asks again.
    } finally {
      this._isUnderWay = false;
      if (this._isOutdated) this.ask();
    }
  }
}

/** @param {string} html */
function showFresh(html) {
  const page = new DOMParser().parseFromString(html, "text/html");
  for (const fresh of page.querySelectorAll("[data-board-fresh]")) {
    const name = /** @type {HTMLElement} */ (fresh).dataset.boardFresh;
    const shown = document.querySelector(`[data-board-fresh="${name}"]`);
    // Only the content is replaced: the links around it stay, and so does the focus.
    shown?.replaceChildren(...fresh.childNodes);
    if (shown) writeMoney(shown);
  }
}
