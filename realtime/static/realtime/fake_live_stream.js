/**
 * A LiveStream without a server, for the tests of scripts that follow one.
 *
 *     const stream = new FakeLiveStream();
 *     follow(stream);                                  // the script under test
 *     stream.deliver("body", { text: "Hello" });
 *     stream.reset("pruned");
 *     stream.become("reconnecting");
 */

import { HEARTBEAT, RESET, UNNAMED, eventOf, positionOf } from "./messages.js";

/**
 * @typedef {import("./connection.js").State} State
 * @typedef {import("./live_stream.js").LiveStreamDetails} LiveStreamDetails
 */

/** Dispatches the same events as a LiveStream, when a test says so. */
export class FakeLiveStream extends EventTarget {
  /** Whether `start()` has been called, and `close()` has not been since. */
  isFollowing = false;
  /** @type {State} */
  state = "connecting";
  /** Whether this page holds the connection for its browser; a test may set it to false. */
  isLeader = true;
  cursor;

  /** @param {{cursor?: string}} [options] those of a LiveStream; the others aren't needed */
  constructor({ cursor = "0" } = {}) {
    super();
    this.cursor = cursor;
  }

  /** @param {HTMLElement} element with `data-live-cursor` */
  static from({ dataset }) {
    return new FakeLiveStream({ cursor: dataset.liveCursor });
  }

  /**
   * @template {keyof LiveStreamDetails} Name
   * @param {Name} name
   * @param {(detail: LiveStreamDetails[Name]) => void} hear
   */
  on(name, hear) {
    this.addEventListener(name, (event) => hear(/** @type {CustomEvent} */ (event).detail));
  }

  start() {
    this.isFollowing = true;
    this.become("live");
  }

  close() {
    this.isFollowing = false;
  }

  /**
   * An event, after all those before.
   *
   * @param {string | null} type null: an event without a name
   * @param {any} data anything JSON can hold; a text comes as it is, as it does from `html=`
   */
  deliver(type, data) {
    const text = typeof data === "string" ? data : JSON.stringify(data);
    this.#take(type ?? UNNAMED, text, positionOf(this.cursor) + 1);
  }

  /**
   * The cursor can't be honoured; the stream goes on from another position.
   *
   * @param {"invalid" | "pruned" | "history"} reason
   * @param {number} [position]
   */
  reset(reason, position = positionOf(this.cursor)) {
    this.#take(RESET, JSON.stringify({ reason, position }), position);
  }

  /**
   * There was nothing for this client up to here.
   *
   * @param {number} position
   */
  moveTo(position) {
    this.#take(HEARTBEAT, "", position);
  }

  /** @param {State} state */
  become(state) {
    if (state === this.state) return;
    this.state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: { state } }));
  }

  /**
   * @param {string} type
   * @param {string} text
   * @param {number} position
   */
  #take(type, text, position) {
    this.cursor = `${position}-fa4e`;
    this.dispatchEvent(eventOf({ id: this.cursor, type, text }));
  }
}
