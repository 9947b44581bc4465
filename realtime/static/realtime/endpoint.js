/** The address of a stream, and the requests to it. */

import { HEARTBEAT, RESET, UNNAMED } from "./messages.js";

/** @typedef {import("./messages.js").Message} Message */

export class Endpoint {
  /**
   * @param {{url: string, types: ReadonlySet<string>}} stream types: may grow; streams that are
   * opened
   *   later also deliver the new types
   */
  constructor({ url, types }) {
    this.url = new URL(url, location.href);
    this.types = types;
  }

  /**
   * An EventSource that delivers the messages after a cursor.
   *
   * @param {string} cursor
   * @param {(message: Message) => void} hear
   * @param {{follow?: boolean}} [options] follow: whether the server waits for new events when it
   * has
   *   sent all; otherwise the answer ends, and EventSource asks again in a few seconds
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
   * The status of an answer now, because EventSource doesn't tell why it gave up.
   * @param {number} milliseconds how long to wait for it
   * @returns {Promise<number | null>} the status; null if there is no answer; 401 if it redirects
   * to
   *   a page, which must be the login
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
   * Whether the server redirects to another site, such as one for the login: scripts can't follow.
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
