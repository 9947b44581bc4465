/**
 * Calls back (“barks”) if something that was expected doesn't happen in time.
 *
 * @typedef {{
 *   now: () => number,
 *   setTimeout: (callback: () => void, milliseconds: number) => any,
 *   clearTimeout: (timer: any) => void,
 * }} Clock
 */

/** @type {Clock} */
export const CLOCK = {
  now: () => Date.now(), // which goes on while the machine sleeps; performance.now() may not
  setTimeout: (callback, milliseconds) => setTimeout(callback, milliseconds),
  clearTimeout: (timer) => clearTimeout(timer),
};

export class Watchdog {
  #bark;
  #clock;
  /** @type {any} */
  #timer = undefined;
  #deadline = Infinity;

  /**
   * @param {() => void} bark
   * @param {Clock} [clock]
   */
  constructor(bark, clock = CLOCK) {
    this.#bark = bark;
    this.#clock = clock;
  }

  /**
   * Bark after so many milliseconds from now; an earlier deadline no longer counts.
   * @param {number} milliseconds
   */
  expect(milliseconds) {
    this.rest();
    this.#deadline = this.#clock.now() + milliseconds;
    this.#timer = this.#clock.setTimeout(() => this.#give(), milliseconds);
  }

  /** Expect nothing. */
  rest() {
    this.#clock.clearTimeout(this.#timer);
    this.#deadline = Infinity;
  }

  /** Bark now if it is high time: a page that sleeps has its timers late. */
  check() {
    if (this.#clock.now() >= this.#deadline) this.#give();
  }

  #give() {
    this.rest();
    this.#bark();
  }
}
