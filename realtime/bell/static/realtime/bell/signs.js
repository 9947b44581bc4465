/** Shows what is unread and whether the page is live: by badge, words, title, icon and banner. */
import { showConnection } from "../page/connection_line.js";
import { findAll } from "../page/elements.js";
import { showPlural } from "../page/words.js";
import { countNew, countUnread, unreadText } from "./bell_state.js";
import { Favicon } from "./favicon.js";

/**
 * @typedef {import("./bell_state.js").BellState} BellState
 * @typedef {import("../connection.js").State} ConnectionState
 */

/** If the connection is lost for longer than this, a banner in the page shows it. */
const BANNER_AFTER_MS = 5_000;

export class BellSigns {
  #page;
  #icon;
  #favicon;
  #countsInTitle;
  #title;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #banner;

  /**
   * @param {Document} page
   * @param {HTMLElement} root of the bell
   */
  constructor(page, root) {
    this.#page = page;
    this.#icon = root.querySelector("[data-bell-button] svg");
    this.#favicon = new Favicon(page);
    this.#countsInTitle = "titleCount" in root.dataset;
    this.#title = page.title;
    this.#icon?.addEventListener("animationend", () => this.#icon?.removeAttribute("data-ringing"));
  }

  /** @param {BellState} state */
  showCount(state) {
    const count = countUnread(state);
    const text = unreadText(state);
    for (const number of findAll(this.#page, "[data-bell-badge], [data-bell-count]")) {
      number.textContent = text;
    }
    for (const badge of findAll(this.#page, "[data-bell-badge]")) {
      badge.hidden = count === 0;
      badge.toggleAttribute("data-new", countNew(state) > 0);
    }
    for (const words of findAll(this.#page, "[data-bell-some-unread]")) {
      showPlural(words, count);
      words.hidden = count === 0;
    }
    for (const words of findAll(this.#page, "[data-bell-none-unread]")) words.hidden = count > 0;
    this.#showInTab(count, text);
  }

  /** @param {ConnectionState} connection */
  showConnection(connection) {
    showConnection(findAll(this.#page, "[data-bell-connection]"), connection);
    const isAlive = connection === "live" || connection === "polling";
    for (const sign of this.#page.querySelectorAll("[data-bell-broken]")) {
      // It may be an SVG, which has no `hidden` of its own.
      sign.toggleAttribute("hidden", isAlive || connection === "connecting");
    }
    if (isAlive) {
      clearTimeout(this.#banner);
      this.#banner = undefined;
      this.#showBanner(false);
    } else {
      this.#banner ??= setTimeout(() => this.#showBanner(true), BANNER_AFTER_MS);
    }
  }

  /** The stylesheet swings the bell, unless the viewer prefers less motion. */
  ring() {
    this.#icon?.setAttribute("data-ringing", "");
  }

  /** @param {boolean} isShown */
  #showBanner(isShown) {
    for (const banner of findAll(this.#page, "[data-bell-banner]")) banner.hidden = !isShown;
  }

  /**
   * @param {number} count
   * @param {string} text
   */
  #showInTab(count, text) {
    if (!this.#countsInTitle) return;
    const title = count ? `(${text}) ${this.#title}` : this.#title;
    if (this.#page.title !== title) this.#page.title = title;
    this.#favicon.show(count);
  }
}
