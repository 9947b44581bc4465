// @ts-check
/**
 * Rows don't move while the pointer or the focus is on one: new rows wait until it has left. Rows
 * that are shown already still change in place.
 */

/** A pointer that rests for this long no longer counts: a board may hang on a wall for weeks. */
const RESTS_MS = 10_000;

export class Hold {
  #isPointedAt = false;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #resting;

  /**
   * @param {HTMLElement} list
   * @param {() => void} changed called when it begins or ends
   */
  constructor(list, changed) {
    this._list = list;
    this._changed = changed;
    list.addEventListener("pointermove", ({ pointerType }) => {
      if (pointerType === "mouse") this.#point(true);
    });
    list.addEventListener("pointerleave", () => this.#point(false));
    list.addEventListener("focusin", changed);
    list.addEventListener("focusout", changed);
  }

  get isOn() {
    return this.#isPointedAt || this._list.querySelector(":focus-visible") !== null;
  }

  /** @param {boolean} isPointedAt */
  #point(isPointedAt) {
    clearTimeout(this.#resting);
    if (isPointedAt) this.#resting = setTimeout(() => this.#point(false), RESTS_MS);
    if (isPointedAt === this.#isPointedAt) return;
    this.#isPointedAt = isPointedAt;
    this._changed();
  }
}
