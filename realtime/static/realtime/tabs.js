/**
 * The messages between the tabs of a browser about one stream.
 *
 * @typedef {import("./messages.js").Delivery} Delivery
 * @typedef {import("./connection.js").State} State
 * @typedef {(
 *   | { kind: "hello", types: readonly string[] }
 *   | { kind: "status", cursor: string, state: State, types: readonly string[] }
 *   | { kind: "delivery", delivery: Delivery }
 * )} TabMessage
 *   hello: a new tab names the types that it follows, and asks for the leader's status; status: the
 *   leader's cursor, state and types, which also shows that it is alive; delivery: a message that
 * the
 *   leader received from the stream
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
