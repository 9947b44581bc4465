/**
 * How a user wants to be told while they look elsewhere. It is kept in their browser: another device
 * is asked about its own desktop, and has its own loudspeaker.
 *
 * @typedef {"desktop" | "sound"} Way
 */

export class AlertChoices {
  #key;
  #storage;

  /**
   * @param {string} user whose they are: several people may use one browser
   * @param {() => Storage} storage a browser that keeps nothing throws when it is asked for it
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
   * Whether it could be kept.
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
