/**
 * What has just arrived, in the corner of a page that is being looked at.
 *
 * A few at a time; the rest of a storm is a number. They go by themselves, but not while somebody
 * points at them or has the keyboard there, and they never take the focus.
 */
import { Countdown } from "./countdown.js";
import { showPlural } from "./words.js";

const MOST_AT_A_TIME = 3;
const SHOWN_MS = 7_000;

/**
 * @typedef {{position: number, content: HTMLElement}} ToastContent
 * @typedef {{element: HTMLElement, position: number, countdown: Countdown}} Toast
 */

export class Toasts {
  #region;
  #template;
  #moreTemplate;
  #bellButton;
  /** @type {Toast[]} in the order of the page; the one that counts the rest is the last */
  #toasts = [];
  /** @type {Toast | undefined} */
  #more;
  #moreCount = 0;
  #isPointedAt = false;

  /**
   * @param {HTMLElement} region
   * @param {HTMLTemplateElement} template of one
   * @param {HTMLTemplateElement} moreTemplate “and 12 more”
   * @param {HTMLElement} bellButton where the focus goes when the last one is dismissed
   */
  constructor(region, template, moreTemplate, bellButton) {
    this.#region = region;
    this.#template = template;
    this.#moreTemplate = moreTemplate;
    this.#bellButton = bellButton;
    region.hidden = true; // an empty region would be a landmark for nothing
    region.addEventListener("pointerenter", () => this.#pointAt(true));
    region.addEventListener("pointerleave", () => this.#pointAt(false));
    region.addEventListener("focusin", () => this.#runOrPause());
    region.addEventListener("focusout", () => setTimeout(() => this.#runOrPause()));
    region.addEventListener("click", (event) => this.#onClick(event));
    region.addEventListener("keydown", (event) => this.#onKey(event));
    document.addEventListener("visibilitychange", () => this.#runOrPause());
  }

  /**
   * @param {readonly ToastContent[]} contents the newest of what has arrived, in their order
   * @param {number} count how many have arrived
   */
  show(contents, count) {
    const newest = contents.at(-1);
    if (!newest) return;
    const room = MOST_AT_A_TIME - this.#toasts.filter((toast) => toast !== this.#more).length;
    const shown = contents.slice(0, Math.max(0, room));
    for (const { position, content } of shown) this.#add(position, content);
    if (count > shown.length) this.#addToMore(count - shown.length, newest.position);
    this.#region.hidden = false;
    this.#runOrPause();
  }

  /**
   * Takes away those that have been seen meanwhile, here or anywhere else.
   *
   * @param {(position: number) => boolean} isNew
   */
  keepOnly(isNew) {
    for (const toast of this.#toasts) {
      if (!isNew(toast.position)) this.#remove(toast);
    }
  }

  /**
   * @param {number} position
   * @param {HTMLElement} content
   */
  #add(position, content) {
    const toast = this.#made(this.#template, position);
    toast.element.querySelector("[data-toast-content]")?.append(content);
    this.#toasts.splice(this.#more ? -1 : this.#toasts.length, 0, toast);
    this.#region.insertBefore(toast.element, this.#more?.element ?? null);
  }

  /**
   * @param {number} count
   * @param {number} position
   */
  #addToMore(count, position) {
    if (!this.#more) {
      this.#more = this.#made(this.#moreTemplate, position);
      this.#moreCount = 0;
      this.#toasts.push(this.#more);
      this.#region.append(this.#more.element);
    }
    this.#more.position = position;
    this.#more.countdown.renew(SHOWN_MS);
    this.#moreCount += count;
    for (const number of this.#more.element.querySelectorAll("[data-bell-more]")) {
      number.textContent = String(this.#moreCount);
    }
    showPlural(this.#more.element, this.#moreCount);
  }

  /**
   * @param {HTMLTemplateElement} template
   * @param {number} position
   * @returns {Toast}
   */
  #made(template, position) {
    const fragment = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    const element = /** @type {HTMLElement} */ (fragment.firstElementChild);
    /** @type {Toast} */
    const toast = {
      element,
      position,
      countdown: new Countdown(SHOWN_MS, () => this.#remove(toast)),
    };
    return toast;
  }

  /** @param {Toast} toast */
  #remove(toast) {
    toast.countdown.pause();
    this.#toasts = this.#toasts.filter((other) => other !== toast);
    if (toast === this.#more) this.#more = undefined;
    const hadFocus = toast.element.contains(document.activeElement);
    toast.element.remove();
    if (this.#toasts.length === 0) {
      this.#region.hidden = true;
      this.#isPointedAt = false; // what isn't there any more needn't send a pointerleave
    }
    if (hadFocus) this.#focusNext();
    this.#runOrPause();
  }

  /** Whoever dismisses them by the keyboard must not be thrown back to the top of the page. */
  #focusNext() {
    const next = this.#region.querySelector("[data-toast-dismiss]") ?? this.#bellButton;
    /** @type {HTMLElement} */ (next).focus();
  }

  /** @param {boolean} isPointedAt */
  #pointAt(isPointedAt) {
    this.#isPointedAt = isPointedAt;
    this.#runOrPause();
  }

  #runOrPause() {
    const isLookedAt = this.#isPointedAt || this.#region.contains(document.activeElement);
    const runs = !isLookedAt && document.visibilityState === "visible";
    for (const { countdown } of this.#toasts) {
      if (runs) countdown.start();
      else countdown.pause();
    }
  }

  /** @param {Event} event */
  #onClick(event) {
    const target = /** @type {Element} */ (event.target);
    if (target.closest("[data-toast-dismiss]")) this.#dismiss(target);
  }

  /** @param {KeyboardEvent} event */
  #onKey(event) {
    if (event.key === "Escape") this.#dismiss(/** @type {Element} */ (event.target));
  }

  /** @param {Element} target */
  #dismiss(target) {
    const toast = this.#toasts.find(({ element }) => element.contains(target));
    if (toast) this.#remove(toast);
  }
}
