/**
 * Whether anybody looks at the site, in whichever of this browser's tabs: a tab that is looked at
 * holds a lock, which the browser takes back when the tab crashes.
 * https://developer.mozilla.org/docs/Web/API/Web_Locks_API
 */

const LOCK = "realtime bell is looked at";

export class Attention {
  /**
   * Gives the lock back; while none is held, nothing.
   * @type {(() => void) | undefined}
   */
  #release;

  /** Say from now on whether this tab is looked at. */
  keep() {
    if (!("locks" in navigator)) return;
    for (const name of ["focus", "blur", "pageshow", "pagehide"]) {
      addEventListener(name, () => this.#update(name !== "pagehide"));
    }
    document.addEventListener("visibilitychange", () => this.#update());
    this.#update();
  }

  /** Whether this tab or another one is looked at now. */
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
      // Shared: windows side by side may both be looked at while the focus goes from one to the other.
      navigator.locks.request(LOCK, { mode: "shared" }, () => looking).catch(() => {}); // a sandbox
    } else if (!isHere) {
      this.#release?.();
      this.#release = undefined;
    }
  }
}

/** A window beside the one that somebody works in is visible, and may be out of their sight. */
function isLookedAt() {
  return document.visibilityState === "visible" && document.hasFocus();
}
