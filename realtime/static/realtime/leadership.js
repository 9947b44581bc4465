/**
 * Which of a browser's tabs holds the connection: the one that holds the lock of that name.
 *
 * The browser gives the lock to the next who waits when its holder closes or crashes.
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
   * @param {{elected: () => void, deposed: () => void}} callbacks deposed: another has seized it
   */
  constructor(name, { elected, deposed }) {
    this.#name = name;
    this.#elected = elected;
    this.#deposed = deposed;
  }

  /** Wait for one's turn. */
  campaign() {
    this.#request((signal) => ({ signal }));
  }

  /** Take it from a leader who no longer does anything. */
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
      else this.#elected(); // there are no locks here, say in a sandbox: each tab for itself
    }
  }
}

/** @param {AbortSignal} signal */
function aborted(signal) {
  return new Promise((resolve) => signal.addEventListener("abort", resolve, { once: true }));
}
