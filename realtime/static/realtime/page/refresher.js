/** Fetches parts of a page from the server, so that words and markup stay in templates. */

import { fullJitter } from "../backoff.js";

/** Does some work until it succeeds. If it is asked meanwhile, it does the work once more. */
export class Refresher {
  #work;
  /** How many requests aren't served yet. */
  #asked = 0;

  /** @param {() => Promise<void>} work what throws is tried again, later each time */
  constructor(work) {
    this.#work = work;
  }

  async ask() {
    this.#asked += 1;
    if (this.#asked > 1) return; // the work is under way, and will be done once more
    for (let failures = 0; this.#asked > 0; ) {
      const asked = this.#asked;
      try {
        await this.#work();
        this.#asked -= asked;
        failures = 0;
      } catch {
        await new Promise((resolve) => setTimeout(resolve, fullJitter(failures++)));
      }
    }
  }
}

/**
 * The page at an address as the server renders it now. Throws if the server can't render it now.
 *
 * @param {string} url
 * @returns {Promise<{page: Document, status: number}>}
 */
export async function freshPage(url) {
  const response = await fetch(url, { headers: { Accept: "text/html" } });
  if (response.status >= 500) throw new Error(`The server answered ${response.status}.`);
  const page = new DOMParser().parseFromString(await response.text(), "text/html");
  return { page, status: response.redirected ? 401 : response.status };
}
