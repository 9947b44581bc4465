/**
 * Whether the user looks at the site in any tab of this browser. A tab that they look at holds a
 * lock, which the browser releases when the tab crashes.
 * https://developer.mozilla.org/docs/Web/API/Web_Locks_API
 */

const LOCK = "realtime bell is looked at";

export class Attention {
  /**
   * Releases the lock; undefined while the lock isn't held.
   * @type {(() => void) | undefined}
   */
  #release;

  /** From now on, hold the lock while the user looks at this tab. */
  keep() {
    if (!("locks" in navigator)) return;
    for (const name of ["focus", "blur", "pageshow", "pagehide"]) {
      addEventListener(name, () => this.#update(name !== "pagehide"));
    }
    document.addEventListener("visibilitychange", () => this.#update());
    this.#update();
  }

  /** Whether the user looks at this tab or another one now. */
  async isAnywhere() {
    if (isLookedAt()) return true;
    if (!("locks" in navigator)) return false;
    const { held = [] } = await navigator.locks.query();
    return held.some(({ name }) => name === LOCK);
  }

  /** @param {boolean} isShown whether there is a page to look at */
  #update(isShown = true) {
    const isHere = isShown && isLookedAt();
    if (isHere && !this.#release) {
      const looking = new Promise((resolve) => (this.#release = () => resolve(undefined)));
      // Shared: two windows side by side may both hold it while the focus moves between them.
      navigator.locks.request(LOCK, { mode: "shared" }, () => looking).catch(() => {}); // a sandbox
    } else if (!isHere) {
      this.#release?.();
      this.#release = undefined;
    }
  }
}

/** Visible isn't enough: the user may not look at a window beside the one in which they work. */
function isLookedAt() {
  return document.visibilityState === "visible" && document.hasFocus();
}
