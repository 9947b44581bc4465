/**
 * What has just arrived, in the corner of a page that is being looked at.
 *
 * A few at a time; the rest of a storm is a number. They go by themselves, but not while somebody
 * points at them or has the keyboard there, and they never take the focus.
 */
import { Countdown } from "./countdown.js";
import { showPlural } from "../page/words.js";

const MOST_AT_A_TIME = 3;
const SHOWN_MS = 7_000;

/**
 * @typedef {{subject: string, content: HTMLElement}} ToastContent
 * @typedef {{element: HTMLElement, subjects: Set<string>, countdown: Countdown}} Toast
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
   * The newest of what has arrived; what they leave no room for is counted.
   *
   * @param {readonly ToastContent[]} contents the newest first
   * @param {Iterable<string>} subjects all that have arrived, those of the contents too
   */
  show(contents, subjects) {
    const arrived = new Set(subjects);
    for (const toast of this.#toasts) {
      if (toast !== this.#more && [...toast.subjects].some((one) => arrived.has(one))) this.#remove(toast);
    }
    const shown = contents.slice(0, MOST_AT_A_TIME);
    for (const { subject } of shown) arrived.delete(subject);
    for (const { subject, content } of [...shown].reverse()) this.#add(subject, content);
    const single = this.#toasts.filter((toast) => toast !== this.#more);
    for (const old of single.slice(0, -MOST_AT_A_TIME)) {
      for (const subject of old.subjects) arrived.add(subject);
      this.#remove(old);
    }
    if (arrived.size > 0) this.#addToMore(arrived);
    this.#region.hidden = this.#toasts.length === 0;
    this.#runOrPause();
  }

  /**
   * Takes away those that have been seen meanwhile, here or anywhere else.
   *
   * @param {(subject: string) => boolean} isNew
   */
  keepOnly(isNew) {
    for (const toast of this.#toasts) {
      if (![...toast.subjects].some(isNew)) this.#remove(toast);
    }
  }

  /**
   * @param {string} subject
   * @param {HTMLElement} content
   */
  #add(subject, content) {
    const toast = this.#made(this.#template, [subject]);
    toast.element.querySelector("[data-toast-content]")?.append(content);
    this.#toasts.splice(this.#more ? -1 : this.#toasts.length, 0, toast);
    this.#region.insertBefore(toast.element, this.#more?.element ?? null);
  }

  /** @param {Iterable<string>} subjects */
  #addToMore(subjects) {
    if (!this.#more) {
      this.#more = this.#made(this.#moreTemplate, []);
      this.#toasts.push(this.#more);
      this.#region.append(this.#more.element);
    }
    this.#more.countdown.renew(SHOWN_MS);
    for (const subject of subjects) this.#more.subjects.add(subject);
    const count = this.#more.subjects.size;
    for (const number of this.#more.element.querySelectorAll("[data-bell-more]")) {
      number.textContent = String(count);
    }
    showPlural(this.#more.element, count);
  }

  /**
   * @param {HTMLTemplateElement} template
   * @param {string[]} subjects
   * @returns {Toast}
   */
  #made(template, subjects) {
    const fragment = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    const element = /** @type {HTMLElement} */ (fragment.firstElementChild);
    /** @type {Toast} */
    const toast = {
      element,
      subjects: new Set(subjects),
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
