/** Parts of a page that the server renders anew, so that all words and markup stay in templates. */

import { fullJitter } from "../backoff.js";

/** Does some work for each time it is asked, once for all that ask meanwhile, until it succeeds. */
export class Refresher {
  #work;
  /** How often it was asked for what isn't done yet. */
  #asked = 0;

  /** @param {() => Promise<void>} work what throws is tried again, later each time */
  constructor(work) {
    this.#work = work;
  }

  async ask() {
    this.#asked += 1;
    if (this.#asked > 1) return; // it is under way, and is done once more for this one
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
 * The page at an address as the server renders it now. Throws where it can't just now.
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
