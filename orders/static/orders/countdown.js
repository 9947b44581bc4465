// @ts-check
/** Time that runs out unless somebody is looking. */

/** What is left at least, when looking away: nothing vanishes under a pointer that just left it. */
const LEAST_AFTER_PAUSE_MS = 2_000;

export class Countdown {
  /**
   * @param {number} milliseconds
   * @param {() => void} end called once, when the time has run out
   * @param {{now: () => number, setTimeout: (end: () => void, ms: number) => any,
   *          clearTimeout: (timer: any) => void}} clock
   */
  constructor(milliseconds, end, clock = REAL_CLOCK) {
    this._left = milliseconds;
    this._end = end;
    this._clock = clock;
    this._timer = undefined;
    this._startedAt = 0;
  }

  /** Run, or run on. */
  start() {
    if (this._timer !== undefined) return;
    this._startedAt = this._clock.now();
    this._timer = this._clock.setTimeout(() => {
      this._timer = undefined;
      this._end();
    }, this._left);
  }

  pause() {
    if (this._timer === undefined) return;
    this._clock.clearTimeout(this._timer);
    this._timer = undefined;
    const passed = this._clock.now() - this._startedAt;
    this._left = Math.max(LEAST_AFTER_PAUSE_MS, this._left - passed);
  }

  /**
   * Begin anew with this much time; a countdown that is paused stays paused.
   *
   * @param {number} milliseconds
   */
  renew(milliseconds) {
    const running = this._timer !== undefined;
    this.pause();
    this._left = milliseconds;
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
