/** How a page says what is new and whether it is live: its badge, its words, its title, its icon. */
import { countNew, newCountText } from "./bell_state.js";
import { Favicon } from "./favicon.js";
import { showPlural } from "./words.js";

/** @typedef {import("./bell_state.js").BellState} BellState */

export class BellSigns {
  #page;
  #icon;
  #favicon;
  #countsInTitle;
  #title;

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
    const count = countNew(state);
    const text = newCountText(state);
    for (const number of this.#all("[data-bell-badge], [data-bell-count]")) {
      number.textContent = text;
    }
    for (const badge of this.#all("[data-bell-badge]")) badge.hidden = count === 0;
    for (const words of this.#all("[data-bell-some-new]")) {
      showPlural(words, count);
      words.hidden = count === 0;
    }
    for (const words of this.#all("[data-bell-none-new]")) words.hidden = count > 0;
    this.#showInTab(count, text);
  }

  /** @param {boolean} isEmpty */
  showEmpty(isEmpty) {
    for (const words of this.#all("[data-bell-empty]")) words.hidden = !isEmpty;
  }

  /** @param {string} connection a state of the LiveStream */
  showConnection(connection) {
    for (const line of this.#all("[data-bell-connection]")) {
      line.hidden = false;
      line.dataset.state = connection;
      for (const words of line.querySelectorAll("[data-when]")) {
        if (words instanceof HTMLElement) words.hidden = words.dataset.when !== connection;
      }
    }
  }

  /** The stylesheet swings the bell, unless the viewer asked for less motion. */
  ring() {
    this.#icon?.setAttribute("data-ringing", "");
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

  /**
   * @param {string} selector
   * @returns {HTMLElement[]}
   */
  #all(selector) {
    return [...this.#page.querySelectorAll(selector)].filter(
      (element) => element instanceof HTMLElement,
    );
  }
}
