/** A clock that stands still until it is told to go on. */
export class FakeClock {
  #now = 1_000_000;
  #timers = new Map();
  #lastTimer = 0;

  now = () => this.#now;

  setTimeout = (callback, milliseconds) => {
    this.#timers.set(++this.#lastTimer, { due: this.#now + milliseconds, callback });
    return this.#lastTimer;
  };

  clearTimeout = (timer) => {
    this.#timers.delete(timer);
  };

  /** Time passes, and the timers go off. */
  pass(milliseconds) {
    const end = this.#now + milliseconds;
    for (;;) {
      const next = [...this.#timers].sort(([, a], [, b]) => a.due - b.due)[0];
      if (!next || next[1].due > end) break;
      const [timer, { due, callback }] = next;
      this.#timers.delete(timer);
      this.#now = Math.max(this.#now, due);
      callback();
    }
    this.#now = end;
  }

  /** Time passes and no timer goes off, as on a machine that sleeps. */
  sleep(milliseconds) {
    this.#now += milliseconds;
  }
}
