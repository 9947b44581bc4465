// @ts-check
/**
 * What was published, what has come, and how long it took: pure bookkeeping, which knows nothing of
 * the page.
 *
 * An event is an order that came to a status. When it was committed is known from the answer to the
 * request that did it, which may come before or after the event itself.
 */

/** Of so many deliveries the percentiles are taken: the latest. */
const MOST_MEASURED = 1_000;

export class Deliveries {
  /** How many events the database holds since the page began, as far as it could be asked. */
  published = 0;
  /** How often an event came that had come before. */
  doubled = 0;
  /** @type {Set<number>} */
  #positions = new Set();
  /** @type {Map<string, number>} when each event came, if its commit isn't known yet */
  #came = new Map();
  /** @type {Map<string, number>} when each event was committed, if it hasn't come yet */
  #committed = new Map();
  /** @type {number[]} in milliseconds, the oldest first */
  #took = [];

  /**
   * An event has come.
   * @param {number} position
   * @param {string} key of order and status
   * @param {number} at milliseconds since 1970
   */
  come(position, key, at) {
    if (this.#positions.has(position)) {
      this.doubled += 1;
      return;
    }
    this.#positions.add(position);
    const committed = this.#committed.get(key);
    this.#committed.delete(key);
    if (committed === undefined) this.#came.set(key, at);
    else this.#measure(at - committed);
  }

  /**
   * An event was committed.
   * @param {string} key of order and status
   * @param {number | null} at milliseconds since 1970, by the browser's clock; null: not while the
   *   page was connected, so how long it took says nothing
   */
  commit(key, at) {
    const came = this.#came.get(key);
    this.#came.delete(key);
    if (at === null) return;
    if (came === undefined) this.#committed.set(key, at);
    else this.#measure(came - at);
  }

  /** The connection is gone: what is on its way will take as long as that lasts. */
  forgetOnTheWay() {
    this.#committed.clear();
  }

  get received() {
    return this.#positions.size;
  }

  /** What the database holds and has not come: on its way, if all is well. */
  get lost() {
    return Math.max(0, this.published - this.received);
  }

  /**
   * @param {number} share of the deliveries, 0 to 1
   * @returns {number | undefined} the milliseconds within which they came; undefined: none has yet
   */
  percentile(share) {
    const sorted = this.#took.toSorted((a, b) => a - b);
    return sorted[Math.max(0, Math.ceil(sorted.length * share) - 1)];
  }

  /** @param {number} took */
  #measure(took) {
    // The two clocks agree to a millisecond or so.
    this.#took.push(Math.max(0, took));
    if (this.#took.length > MOST_MEASURED) this.#took.shift();
  }
}

/**
 * How far the server's clock is ahead of this one, in milliseconds.
 * @param {number} asked when the request left, by this clock
 * @param {number} answered when its answer came, by this clock
 * @param {number} theirs the server's clock in between
 */
export function clockOffset(asked, answered, theirs) {
  return theirs - (asked + answered) / 2;
}
