/**
 * What the tabs of a browser say to one another about one stream.
 *
 * @typedef {import("./messages.js").Delivery} Delivery
 * @typedef {import("./connection.js").State} State
 * @typedef {(
 *   | { kind: "hello", types: readonly string[] }
 *   | { kind: "status", cursor: string, state: State, types: readonly string[] }
 *   | { kind: "delivery", delivery: Delivery }
 * )} TabMessage
 *   hello: somebody has come who follows these events, and asks the leader how it stands; status: that,
 *   which events the leader hears of, and also how it shows that it is there; delivery: what the stream
 *   has told the leader
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
