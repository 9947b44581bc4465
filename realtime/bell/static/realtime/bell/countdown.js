/** A countdown that pauses while the user is looking. */

/** The least time left after a pause: nothing vanishes as soon as the pointer leaves it. */
const LEAST_AFTER_PAUSE_MS = 2_000;

export class Countdown {
  #left;
  #end;
  #clock;
  /** @type {unknown} */
  #timer;
  #startedAt = 0;

  /**
   * @param {number} milliseconds
   * @param {() => void} end called once, when the time has run out
   * @param {{now: () => number, setTimeout: (end: () => void, ms: number) => any,
   *          clearTimeout: (timer: any) => void}} clock
   */
  constructor(milliseconds, end, clock = REAL_CLOCK) {
    this.#left = milliseconds;
    this.#end = end;
    this.#clock = clock;
  }

  /** Start, or resume. */
  start() {
    if (this.#timer !== undefined) return;
    this.#startedAt = this.#clock.now();
    this.#timer = this.#clock.setTimeout(() => {
      this.#timer = undefined;
      this.#end();
    }, this.#left);
  }

  pause() {
    if (this.#timer === undefined) return;
    this.#clock.clearTimeout(this.#timer);
    this.#timer = undefined;
    const passed = this.#clock.now() - this.#startedAt;
    this.#left = Math.max(LEAST_AFTER_PAUSE_MS, this.#left - passed);
  }

  /**
   * Start again with this much time; a countdown that is paused stays paused.
   *
   * @param {number} milliseconds
   */
  renew(milliseconds) {
    const running = this.#timer !== undefined;
    this.pause();
    this.#left = milliseconds;
    if (running) this.start();
  }
}

const REAL_CLOCK = {
  now: () => performance.now(),
  /** @type {(end: () => void, ms: number) => any} */
  setTimeout: (end, ms) => setTimeout(end, ms),
  /** @type {(timer: any) => void} */
  clearTimeout: (timer) => clearTimeout(timer),
};
