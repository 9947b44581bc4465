/**
 * Toasts: recent arrivals in the corner of a page that the user looks at.
 *
 * It shows a few at a time, and of many others only the number. Toasts vanish by themselves, but
 * not while the pointer or the focus is on them, and they never take the focus.
 */
import { Countdown } from "./countdown.js";
import { showPlural } from "../page/words.js";

const MOST_AT_A_TIME = 3;
const SHOWN_MS = 7_000;

/**
 * @typedef {{subject: string, content: HTMLElement}} ToastContent
 * @typedef {object} Toast
 * @property {HTMLElement} element
 * @property {Map<string, number>} subjects the newest position of each subject that it shows
 * @property {Countdown} countdown
 */

export class Toasts {
  #region;
  #template;
  #moreTemplate;
  #bellButton;
  /** @type {Toast[]} in the order of the page; the toast that counts the rest is the last */
  #toasts = [];
  /** @type {Toast | undefined} */
  #more;
  #isPointedAt = false;
  #hasLostFocus = false;

  /**
   * @param {HTMLElement} region
   * @param {HTMLTemplateElement} template the template of a toast
   * @param {HTMLTemplateElement} moreTemplate “and 12 more”
   * @param {HTMLElement} bellButton where the focus goes when the last one is dismissed
   */
  constructor(region, template, moreTemplate, bellButton) {
    this.#region = region;
    this.#template = template;
    this.#moreTemplate = moreTemplate;
    this.#bellButton = bellButton;
    region.hidden = true; // an empty region would be a useless landmark
    region.addEventListener("pointerenter", () => this.#pointAt(true));
    region.addEventListener("pointerleave", () => this.#pointAt(false));
    region.addEventListener("focusin", () => this.#runOrPause());
    region.addEventListener("focusout", () => setTimeout(() => this.#runOrPause()));
    region.addEventListener("click", (event) => this.#onClick(event));
    region.addEventListener("keydown", (event) => this.#onKey(event));
    document.addEventListener("visibilitychange", () => this.#runOrPause());
  }

  /**
   * Shows the newest arrivals, and counts those for which there is no room.
   *
   * @param {readonly ToastContent[]} contents the newest first
   * @param {ReadonlyMap<string, number>} news the newest position of each subject that has arrived,
   *   including those of the contents
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
      this.#more?.subjects.delete(subject); // it has a toast of its own now
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
   * Removes toasts whose notifications have been seen meanwhile, here or on another device.
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

  /** Updates the toast that counts the rest, and removes it if nothing is left. */
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
   * Removes a toast without looking at pointer and focus: others may follow, so #settle() does
   * that.
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

  /** Adapts the region, the pointer's state and the countdowns after a change of the toasts. */
  #settle() {
    const isEmpty = this.#toasts.length === 0;
    this.#region.hidden = isEmpty;
    if (isEmpty) this.#isPointedAt = false; // a removed element may send no pointerleave
    if (this.#hasLostFocus) this.#focusNext();
    this.#hasLostFocus = false;
    this.#runOrPause();
  }

  /** Moves the focus on, so that a keyboard user isn't thrown back to the top of the page. */
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
