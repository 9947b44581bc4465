// @ts-check
/**
 * Counts and chart, as the server renders them now. They are asked for, not counted along: the
 * chart moves on when nothing happens, and a board hangs on a wall for weeks. In a storm of orders
 * it is one short request a second.
 */

import { writeMoney } from "../realtime/page/money.js";

/** How long after an event, at a random time: not all boards of the shop at the same moment. */
const WITHIN_MS = [500, 1_500];
/** The chart moves on by itself. */
const EVERY_MS = 30_000;

/** Keeps what the server has marked with `data-board-fresh` fresh. */
export class Summary {
  /** @param {string} url */
  constructor(url) {
    this._url = url;
    /** @type {ReturnType<typeof setTimeout> | undefined} */
    this._timer = undefined;
    this._isUnderWay = false;
    /** Whether it was asked for while an answer was under way, which may be from before that. */
    this._isOutdated = false;
    this._isMissing = false;
    setInterval(() => this.ask(), EVERY_MS);
    document.addEventListener("visibilitychange", () => {
      if (this._isMissing) this.ask();
    });
  }

  /** What is shown is no longer so: show it anew soon, however often this is called. */
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
      // A redirect leads to the login page: the line about the connection says so.
      if (response.ok && !response.redirected) showFresh(await response.text());
    } catch {
      // No network, and no events either; the next one asks again.
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
    // The content, not the element: the focus stays, and so do the links around it.
    shown?.replaceChildren(...fresh.childNodes);
    if (shown) writeMoney(shown);
  }
}
