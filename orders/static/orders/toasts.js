// @ts-check
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
 * @typedef {{position: number, content: DocumentFragment}} ToastContent
 * @typedef {{element: HTMLElement, position: number, countdown: Countdown}} Toast
 */

export class Toasts {
  /**
   * @param {HTMLElement} region
   * @param {HTMLTemplateElement} template of one
   * @param {HTMLTemplateElement} moreTemplate “and 12 more”
   * @param {HTMLElement} bellButton where the focus goes when the last one is dismissed
   */
  constructor(region, template, moreTemplate, bellButton) {
    this._region = region;
    this._template = template;
    this._moreTemplate = moreTemplate;
    this._bellButton = bellButton;
    /** @type {Toast[]} in the order of the page; the one that counts the rest is the last */
    this._toasts = [];
    /** @type {Toast | undefined} */
    this._more = undefined;
    this._moreCount = 0;
    this._isPointedAt = false;
    region.hidden = true; // an empty region would be a landmark for nothing
    region.addEventListener("pointerenter", () => this._pointAt(true));
    region.addEventListener("pointerleave", () => this._pointAt(false));
    region.addEventListener("focusin", () => this._runOrPause());
    region.addEventListener("focusout", () => setTimeout(() => this._runOrPause()));
    region.addEventListener("click", (event) => this._onClick(event));
    region.addEventListener("keydown", (event) => this._onKey(event));
    document.addEventListener("visibilitychange", () => this._runOrPause());
  }

  /**
   * @param {readonly ToastContent[]} contents the newest of what has arrived, in their order
   * @param {number} count how many have arrived
   */
  show(contents, count) {
    const newest = contents.at(-1);
    if (!newest) return;
    const room = MOST_AT_A_TIME - this._toasts.filter((toast) => toast !== this._more).length;
    const shown = contents.slice(0, Math.max(0, room));
    for (const { position, content } of shown) this._add(position, content);
    if (count > shown.length) this._addToMore(count - shown.length, newest.position);
    this._region.hidden = false;
    this._runOrPause();
  }

  /**
   * Takes away those that have been seen meanwhile, here or anywhere else.
   *
   * @param {(position: number) => boolean} isNew
   */
  keepOnly(isNew) {
    for (const toast of this._toasts) {
      if (!isNew(toast.position)) this._remove(toast);
    }
  }

  /**
   * @param {number} position
   * @param {DocumentFragment} content
   */
  _add(position, content) {
    const toast = this._made(this._template, position);
    toast.element.querySelector("[data-toast-content]")?.append(content);
    this._toasts.splice(this._more ? -1 : this._toasts.length, 0, toast);
    this._region.insertBefore(toast.element, this._more?.element ?? null);
  }

  /**
   * @param {number} count
   * @param {number} position
   */
  _addToMore(count, position) {
    if (!this._more) {
      this._more = this._made(this._moreTemplate, position);
      this._moreCount = 0;
      this._toasts.push(this._more);
      this._region.append(this._more.element);
    }
    this._more.position = position;
    this._more.countdown.renew(SHOWN_MS);
    this._moreCount += count;
    for (const number of this._more.element.querySelectorAll("[data-bell-more]")) {
      number.textContent = String(this._moreCount);
    }
    showPlural(this._more.element, this._moreCount);
  }

  /**
   * @param {HTMLTemplateElement} template
   * @param {number} position
   * @returns {Toast}
   */
  _made(template, position) {
    const fragment = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    const element = /** @type {HTMLElement} */ (fragment.firstElementChild);
    /** @type {Toast} */
    const toast = {
      element,
      position,
      countdown: new Countdown(SHOWN_MS, () => this._remove(toast)),
    };
    return toast;
  }

  /** @param {Toast} toast */
  _remove(toast) {
    toast.countdown.pause();
    this._toasts = this._toasts.filter((other) => other !== toast);
    if (toast === this._more) this._more = undefined;
    const hadFocus = toast.element.contains(document.activeElement);
    toast.element.remove();
    if (this._toasts.length === 0) {
      this._region.hidden = true;
      this._isPointedAt = false; // what isn't there any more needn't send a pointerleave
    }
    if (hadFocus) this._focusNext();
    this._runOrPause();
  }

  /** Whoever dismisses them by the keyboard must not be thrown back to the top of the page. */
  _focusNext() {
    const next = this._region.querySelector("[data-toast-dismiss]") ?? this._bellButton;
    /** @type {HTMLElement} */ (next).focus();
  }

  /** @param {boolean} isPointedAt */
  _pointAt(isPointedAt) {
    this._isPointedAt = isPointedAt;
    this._runOrPause();
  }

  _runOrPause() {
    const isLookedAt = this._isPointedAt || this._region.contains(document.activeElement);
    const runs = !isLookedAt && document.visibilityState === "visible";
    for (const { countdown } of this._toasts) {
      if (runs) countdown.start();
      else countdown.pause();
    }
  }

  /** @param {Event} event */
  _onClick(event) {
    const target = /** @type {Element} */ (event.target);
    if (target.closest("[data-toast-dismiss]")) this._dismiss(target);
  }

  /** @param {KeyboardEvent} event */
  _onKey(event) {
    if (event.key === "Escape") this._dismiss(/** @type {Element} */ (event.target));
  }

  /** @param {Element} target */
  _dismiss(target) {
    const toast = this._toasts.find(({ element }) => element.contains(target));
    if (toast) this._remove(toast);
  }
}
