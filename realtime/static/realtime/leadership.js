/**
 * Decides which of a browser's tabs holds the connection: the tab that holds the lock of that name.
 *
 * When the holder closes or crashes, the browser gives the lock to the next tab that waits.
 * https://developer.mozilla.org/docs/Web/API/Web_Locks_API
 */
export class Leadership {
  #name;
  #elected;
  #deposed;
  /** Ends the wait for the lock, or the term. */
  #resignation = new AbortController();

  /**
   * @param {string} name
   * @param {{elected: () => void, deposed: () => void}} callbacks deposed: another tab has seized
   * it
   */
  constructor(name, { elected, deposed }) {
    this.#name = name;
    this.#elected = elected;
    this.#deposed = deposed;
  }

  /** Wait for the lock. */
  campaign() {
    this.#request((signal) => ({ signal }));
  }

  /** Take the lock from a leader that no longer responds. */
  seize() {
    this.#request(() => ({ steal: true }));
  }

  resign() {
    this.#resignation.abort();
  }

  /** @param {(signal: AbortSignal) => LockOptions} options */
  async #request(options) {
    this.resign();
    this.#resignation = new AbortController();
    const { signal } = this.#resignation;
    try {
      await navigator.locks.request(this.#name, options(signal), () => {
        if (signal.aborted) return undefined;
        this.#elected();
        return aborted(signal);
      });
    } catch (error) {
      if (signal.aborted) return;
      if (/** @type {Error} */ (error).name === "AbortError") this.#deposed();
      else this.#elected(); // no locks, for example in a sandbox: each tab has its own connection
    }
  }
}

/** @param {AbortSignal} signal */
function aborted(signal) {
  return new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}
