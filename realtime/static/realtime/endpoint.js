/** Where the server has the stream, and how to ask it. */

import { HEARTBEAT, RESET } from "./said.js";

/** @typedef {import("./said.js").Message} Message */

export class Endpoint {
  /**
   * @param {{url: string, recipient: string, types: string[]}} stream
   */
  constructor({ url, recipient, types }) {
    this.url = new URL(url, location.href);
    // The page was made for this user; the server refuses it when another has signed in since.
    this.url.searchParams.set("recipient", recipient);
    this.types = [HEARTBEAT, RESET, ...types];
  }

  /**
   * An EventSource that says what comes after the cursor.
   *
   * @param {number} cursor
   * @param {(message: Message) => void} hear
   * @param {{follow?: boolean}} [options] follow: whether the server goes on when all is said;
   *   otherwise it ends there, and EventSource asks again in a few seconds
   */
  open(cursor, hear, { follow = true } = {}) {
    const url = new URL(this.url);
    url.searchParams.set("last_event_id", String(cursor));
    if (!follow) url.searchParams.set("follow", "no");
    const source = new EventSource(url);
    for (const type of this.types) {
      source.addEventListener(type, (event) => hear(message(event)));
    }
    return source;
  }

  /**
   * What the server answers now: EventSource doesn't say why it gave up.
   * @param {number} milliseconds how long to wait for it
   * @returns {Promise<number | null>} the status; null if there is no answer
   */
  async status(milliseconds) {
    const signal = AbortSignal.timeout(milliseconds);
    try {
      return (await fetch(this.url, { method: "HEAD", signal })).status;
    } catch {
      return null;
    }
  }
}

/**
 * @param {MessageEvent<string>} event
 * @returns {Message}
 */
function message({ lastEventId, type, data }) {
  return { position: Number(lastEventId), type, data: data === "" ? null : JSON.parse(data) };
}
