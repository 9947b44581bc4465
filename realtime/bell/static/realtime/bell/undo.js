/** “Archived: Teapot. Undo”, shown for some seconds. */
import { Countdown } from "./countdown.js";

const SHOWN_MS = 8_000;

export class Undo {
  #place;
  #template;
  /** @type {Countdown | undefined} */
  #countdown;

  /**
   * @param {HTMLElement} place
   * @param {HTMLTemplateElement} template
   */
  constructor(place, template) {
    this.#place = place;
    this.#template = template;
    place.addEventListener("focusin", () => this.#countdown?.pause());
    place.addEventListener("focusout", () => this.#countdown?.start());
    place.addEventListener("pointerenter", () => this.#countdown?.pause());
    place.addEventListener("pointerleave", () => this.#countdown?.start());
  }

  /**
   * @param {string} subject
   * @param {string} title
   */
  offer(subject, title) {
    this.take();
    const offer = /** @type {DocumentFragment} */ (this.#template.content.cloneNode(true));
    const button = offer.querySelector("button");
    if (button) button.value = `unarchive ${subject}`;
    const name = offer.querySelector("[data-undo-title]");
    if (name) name.textContent = title;
    this.#place.replaceChildren(offer);
    this.#countdown = new Countdown(SHOWN_MS, () => this.take());
    this.#countdown.start();
  }

  take() {
    this.#countdown?.pause();
    this.#countdown = undefined;
    this.#place.replaceChildren();
  }
}
