/** Where the server has the stream, and how to ask it. */

import { HEARTBEAT, RESET, UNNAMED } from "./messages.js";

/** @typedef {import("./messages.js").Message} Message */

export class Endpoint {
  /**
   * @param {{url: string, types: ReadonlySet<string>}} stream types: may grow; what is opened from then
   *   on hears of the new ones too
   */
  constructor({ url, types }) {
    this.url = new URL(url, location.href);
    this.types = types;
  }

  /**
   * An EventSource that delivers what comes after the cursor.
   *
   * @param {string} cursor
   * @param {(message: Message) => void} hear
   * @param {{follow?: boolean}} [options] follow: whether the server goes on when all is said;
   *   otherwise it ends there, and EventSource asks again in a few seconds
   */
  open(cursor, hear, { follow = true } = {}) {
    const url = new URL(this.url);
    url.searchParams.set("last_event_id", cursor);
    if (!follow) url.searchParams.set("follow", "no");
    const source = new EventSource(url);
    for (const type of new Set([HEARTBEAT, RESET, UNNAMED, ...this.types])) {
      source.addEventListener(type, ({ lastEventId, data }) => {
        hear({ id: lastEventId, type, text: data });
      });
    }
    return source;
  }

  /**
   * What the server answers now: EventSource doesn't say why it gave up.
   * @param {number} milliseconds how long to wait for it
   * @returns {Promise<number | null>} the status; null if there is no answer; 401 where it leads to
   *   a page, which is one to sign in by
   */
  async status(milliseconds) {
    const signal = AbortSignal.timeout(milliseconds);
    try {
      const { status, redirected, headers } = await fetch(this.url, { method: "HEAD", signal });
      const isPage = redirected && headers.get("Content-Type")?.startsWith("text/html");
      return isPage ? 401 : status;
    } catch {
      return (await this.#leadsElsewhere(signal)) ? 401 : null;
    }
  }

  /**
   * Whether the server sends on to another site, as to one to sign in by: no script may follow there.
   * @param {AbortSignal} signal
   */
  async #leadsElsewhere(signal) {
    try {
      const { type } = await fetch(this.url, { method: "HEAD", redirect: "manual", signal });
      return type === "opaqueredirect";
    } catch {
      return false;
    }
  }
}
