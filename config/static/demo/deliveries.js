// @ts-check
/**
 * Counts published and received events, and measures how long they took. It knows nothing of the
 * page.
 *
 * An event is an order's change to a status. The answer to the request that made the change tells
 * when it was committed; the answer may come before or after the event.
 */

/** The percentiles are those of so many of the latest deliveries. */
const MOST_MEASURED = 1_000;

export class Deliveries {
  /** How many events the database held since the page began, when it was last asked. */
  published = 0;
  /** How many events came more than once. */
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

  /** Don't measure events on their way, because the connection is lost: they will take as long. */
  forgetOnTheWay() {
    this.#committed.clear();
  }

  get received() {
    return this.#positions.size;
  }

  /** How many of the database's events have not come: if all is well, they are on their way. */
  get lost() {
    return Math.max(0, this.published - this.received);
  }

  /**
   * @param {number} share of the deliveries, 0 to 1
   * @returns {number | undefined} the milliseconds within which this share came; undefined: none
   * came
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
