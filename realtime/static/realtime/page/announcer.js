/**
 * Announces arrivals to screen readers: two hundred at once are one sentence, not two hundred.
 */
import { showPlural } from "./words.js";

/** Arrivals within this time are announced together. */
const GATHER_MS = 1_000;
/** A sentence takes about this long to be spoken, and the next one must not cut it off. */
const BETWEEN_MS = 5_000;

/** Collects arrivals, and announces their number with pauses between. */
export class Gatherer {
  #tell;
  #clock;
  #count = 0;
  #toldAt = -Infinity;
  #waits = false;

  /**
   * @param {(count: number) => void} tell
   * @param {{now: () => number, setTimeout: (end: () => void, ms: number) => any}} clock
   */
  constructor(tell, clock = REAL_CLOCK) {
    this.#tell = tell;
    this.#clock = clock;
  }

  /** @param {number} count */
  add(count) {
    this.#count += count;
    if (this.#waits || this.#count === 0) return;
    this.#waits = true;
    const rest = this.#toldAt + BETWEEN_MS - this.#clock.now();
    this.#clock.setTimeout(() => this.#tellNow(), Math.max(GATHER_MS, rest));
  }

  #tellNow() {
    const count = this.#count;
    this.#waits = false;
    this.#count = 0;
    this.#toldAt = this.#clock.now();
    this.#tell(count);
  }
}

/**
 * A polite live region that says “12 new notifications”.
 *
 * @param {HTMLElement} region
 * @param {HTMLTemplateElement} template the sentence, in each of its plural forms
 * @returns {Gatherer}
 */
export function announcer(region, template) {
  return new Gatherer((count) => region.replaceChildren(announcement(template, count)));
}

/**
 * “12 new notifications”.
 *
 * @param {HTMLTemplateElement} template the sentence, in each of its plural forms
 * @param {number} count
 * @returns {DocumentFragment}
 */
export function announcement(template, count) {
  const sentence = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
  for (const number of sentence.querySelectorAll("[data-bell-announced]")) {
    number.textContent = String(count);
  }
  showPlural(sentence, count);
  for (const other of sentence.querySelectorAll("[data-plural][hidden]")) other.remove();
  return sentence;
}

const REAL_CLOCK = {
  now: () => performance.now(),
  /** @type {(end: () => void, ms: number) => any} */
  setTimeout: (end, ms) => setTimeout(end, ms),
};
