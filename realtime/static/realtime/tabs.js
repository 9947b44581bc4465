/**
 * What the tabs of a browser say to one another about one stream.
 *
 * @typedef {import("./messages.js").Delivery} Delivery
 * @typedef {import("./connection.js").State} State
 * @typedef {(
 *   | { kind: "hello" }
 *   | { kind: "status", cursor: string, state: State }
 *   | { kind: "delivery", delivery: Delivery }
 * )} TabMessage
 *   hello: somebody has come, and asks the leader how it stands; status: that, and also how the
 *   leader shows that it is there; delivery: what the stream has told the leader
 */
export class Tabs {
  #name;
  #hear;
  /** @type {BroadcastChannel | null} */
  #channel = null;

  /**
   * @param {string} name
   * @param {(message: TabMessage) => void} hear
   */
  constructor(name, hear) {
    this.#name = name;
    this.#hear = hear;
  }

  join() {
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.addEventListener("message", (event) => this.#hear(event.data));
  }

  leave() {
    this.#channel?.close();
    this.#channel = null;
  }

  /** @param {TabMessage} message */
  tell(message) {
    this.#channel?.postMessage(message);
  }
}
