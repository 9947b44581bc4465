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
 * @typedef {object} Toast
 * @property {HTMLElement} element
 * @property {Map<string, number>} subjects what it tells of: the newest position of each
 * @property {Countdown} countdown
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
  #hasLostFocus = false;

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
   * @param {ReadonlyMap<string, number>} news the newest position of all subjects that have arrived, those
   *   of the contents too
   */
  show(contents, news) {
    const arrived = new Map(news);
    for (const toast of this.#toasts) {
      if (toast !== this.#more && [...toast.subjects.keys()].some((one) => arrived.has(one))) this.#takeAway(toast);
    }
    const shown = contents.slice(0, MOST_AT_A_TIME);
    for (const { subject, content } of [...shown].reverse()) {
      this.#add(subject, arrived.get(subject) ?? 0, content);
      arrived.delete(subject);
      this.#more?.subjects.delete(subject); // it stands there by itself now
    }
    const single = this.#toasts.filter((toast) => toast !== this.#more);
    for (const old of single.slice(0, -MOST_AT_A_TIME)) {
      for (const [subject, position] of old.subjects) arrived.set(subject, position);
      this.#takeAway(old);
    }
    if (arrived.size > 0) this.#addToMore(arrived);
    this.#countMore();
    this.#settle();
  }

  /**
   * Takes away those that have been seen meanwhile, here or anywhere else.
   *
   * @param {(subject: string, position: number) => boolean} isNew
   */
  keepOnly(isNew) {
    for (const toast of this.#toasts) {
      for (const [subject, position] of toast.subjects) {
        if (!isNew(subject, position)) toast.subjects.delete(subject);
      }
      if (toast.subjects.size === 0) this.#takeAway(toast);
    }
    this.#countMore();
    this.#settle();
  }

  /**
   * @param {string} subject
   * @param {number} position
   * @param {HTMLElement} content
   */
  #add(subject, position, content) {
    const toast = this.#made(this.#template, [[subject, position]]);
    toast.element.querySelector("[data-toast-content]")?.append(content);
    this.#toasts.splice(this.#more ? -1 : this.#toasts.length, 0, toast);
    this.#region.insertBefore(toast.element, this.#more?.element ?? null);
  }

  /** @param {ReadonlyMap<string, number>} subjects */
  #addToMore(subjects) {
    if (!this.#more) {
      this.#more = this.#made(this.#moreTemplate, []);
      this.#toasts.push(this.#more);
      this.#region.append(this.#more.element);
    }
    this.#more.countdown.renew(SHOWN_MS);
    for (const [subject, position] of subjects) this.#more.subjects.set(subject, position);
  }

  /** Says how many the rest are; none are no toast. */
  #countMore() {
    if (!this.#more) return;
    const count = this.#more.subjects.size;
    if (count === 0) {
      this.#takeAway(this.#more);
      return;
    }
    for (const number of this.#more.element.querySelectorAll("[data-bell-more]")) {
      number.textContent = String(count);
    }
    showPlural(this.#more.element, count);
  }

  /**
   * @param {HTMLTemplateElement} template
   * @param {[string, number][]} subjects
   * @returns {Toast}
   */
  #made(template, subjects) {
    const fragment = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    const element = /** @type {HTMLElement} */ (fragment.firstElementChild);
    /** @type {Toast} */
    const toast = {
      element,
      subjects: new Map(subjects),
      countdown: new Countdown(SHOWN_MS, () => this.#remove(toast)),
    };
    return toast;
  }

  /** @param {Toast} toast */
  #remove(toast) {
    this.#takeAway(toast);
    this.#settle();
  }

  /**
   * Before others come, perhaps: where the pointer and the focus are then is looked at afterwards.
   *
   * @param {Toast} toast
   */
  #takeAway(toast) {
    toast.countdown.pause();
    this.#toasts = this.#toasts.filter((other) => other !== toast);
    if (toast === this.#more) this.#more = undefined;
    this.#hasLostFocus ||= toast.element.contains(document.activeElement);
    toast.element.remove();
  }

  /** What follows from a change of the toasts. */
  #settle() {
    const isEmpty = this.#toasts.length === 0;
    this.#region.hidden = isEmpty;
    if (isEmpty) this.#isPointedAt = false; // what isn't there any more needn't send a pointerleave
    if (this.#hasLostFocus) this.#focusNext();
    this.#hasLostFocus = false;
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
