// @ts-check
/**
 * Tells a screen reader what arrives: a storm of two hundred is one sentence, not two hundred.
 */
import { showPlural } from "./words.js";

/** What arrives within this time is told together. */
const GATHER_MS = 1_000;
/** A sentence takes about that long to be spoken; the next one must not cut it off. */
const BETWEEN_MS = 5_000;

/** Collects, and speaks now and then. */
export class Gatherer {
  /**
   * @param {(count: number) => void} tell
   * @param {{now: () => number, setTimeout: (end: () => void, ms: number) => any}} clock
   */
  constructor(tell, clock = REAL_CLOCK) {
    this._tell = tell;
    this._clock = clock;
    this._count = 0;
    this._toldAt = -Infinity;
    this._waits = false;
  }

  /** @param {number} count */
  add(count) {
    this._count += count;
    if (this._waits || this._count === 0) return;
    this._waits = true;
    const rest = this._toldAt + BETWEEN_MS - this._clock.now();
    this._clock.setTimeout(() => this._tellNow(), Math.max(GATHER_MS, rest));
  }

  _tellNow() {
    const count = this._count;
    this._waits = false;
    this._count = 0;
    this._toldAt = this._clock.now();
    this._tell(count);
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
  return new Gatherer((count) => {
    const sentence = /** @type {DocumentFragment} */ (template.content.cloneNode(true));
    for (const number of sentence.querySelectorAll("[data-bell-announced]")) {
      number.textContent = String(count);
    }
    showPlural(sentence, count);
    region.replaceChildren(sentence);
  });
}

const REAL_CLOCK = {
  now: () => performance.now(),
  /** @type {(end: () => void, ms: number) => any} */
  setTimeout: (end, ms) => setTimeout(end, ms),
};
