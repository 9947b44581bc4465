/**
 * How a user wants to be alerted while they look elsewhere. The choice is kept in their browser,
 * because each device has its own desktop and loudspeaker.
 *
 * @typedef {"desktop" | "sound"} Way
 */

export class AlertChoices {
  #key;
  #storage;

  /**
   * @param {string} user the user's key: several people may use one browser
   * @param {() => Storage} storage throws in a browser that stores nothing
   */
  constructor(user, storage = () => localStorage) {
    this.#key = `realtime bell alerts ${user}`;
    this.#storage = storage;
  }

  /** @param {Way} way */
  wants(way) {
    return this.#read()[way] === true;
  }

  /**
   * Keeps a choice; returns whether that worked.
   *
   * @param {Way} way
   * @param {boolean} isWanted
   */
  choose(way, isWanted) {
    try {
      this.#storage().setItem(this.#key, JSON.stringify({ ...this.#read(), [way]: isWanted }));
      return true;
    } catch {
      return false;
    }
  }

  /** @returns {Partial<Record<Way, boolean>>} */
  #read() {
    try {
      return JSON.parse(this.#storage().getItem(this.#key) ?? "{}") ?? {};
    } catch {
      return {};
    }
  }
}
