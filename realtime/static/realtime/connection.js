/**
 * The one connection of a browser to the stream. It stays open, or is opened again, whatever
 * happens.
 *
 * EventSource reconnects by itself after a broken connection, and waits as long as the server has
 * asked for. It needs help in three cases: it gives up for good (on any answer but 200), the
 * connection dies silently, or a proxy holds the stream back until its end.
 *
 * @typedef {"connecting" | "live" | "polling" | "reconnecting" | "offline" | "signed-out"
 *   | "someone-else" | "gone"} State
 * @typedef {import("./messages.js").Message} Message
 */

import { LONGEST_RETRY_MS, fullJitter } from "./backoff.js";
import { Watchdog } from "./watchdog.js";

/** A stream counts as dead after this many heartbeats have failed to come. */
export const SILENT_HEARTBEATS = 2.5;
/** The longest pause for which a server asks between two answers with `follow=no`. */
const ASK_AGAIN_MS = 3_500;
/** How long to poll before testing whether a stream gets through again. */
const POLL_FOR_MS = 5 * 60_000;
/** After so many silent streams, although the server answers, streams count as held back. */
const SILENT_OPENINGS = 2;
/** Client errors that may pass: a time-out, too early, too many requests. */
const PASSING = [408, 425, 429];
/**
 * The states that another automatic request can't change: nobody is signed in; the user who is
 * signed in may not follow this stream; the object of the stream doesn't exist (any more), or this
 * address is no stream.
 *
 * @type {readonly State[]}
 */
const FINAL = ["signed-out", "someone-else", "gone"];

/**
 * Whether no more requests are made until the user returns to the page.
 * @param {State} state
 */
export function isFinal(state) {
  return FINAL.includes(state);
}

/**
 * The final state that an answer means, if it means one.
 *
 * @param {number | null} status
 * @returns {State | undefined}
 */
function finalState(status) {
  if (status === 401) return "signed-out";
  if (status === 403) return "someone-else";
  // By the specification, “no content” tells an EventSource to stop.
  if (status === 204) return "gone";
  const isError = status !== null && status >= 400 && status < 500 && !PASSING.includes(status);
  return isError ? "gone" : undefined;
}

export class Connection {
  #endpoint;
  #heartbeatMs;
  #openingMs;
  #cursor;
  #hear;
  #show;
  /** @type {EventSource | null} */
  #source = null;
  #watchdog = new Watchdog(() => this.#onSilence());
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #reopening;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #tryingStream;
  /** Whether anything has come since the stream was opened, or broke off. */
  #hasHeard = false;
  #polls = false;
  #failures = 0;
  #silentOpenings = 0;
  /** @type {State} */
  #state = "connecting";

  /**
   * @param {{
   *   endpoint: import("./endpoint.js").Endpoint,
   *   heartbeatMs: number,
   *   openingMs: number,
   *   cursor: () => string,
   *   hear: (message: Message) => void,
   *   show: (state: State) => void,
   * }} options
   *   openingMs: how long an answer may take; cursor: returns the cursor to go on from; hear: gets
   * each
   *   message, heartbeats included; show: gets the state whenever it may have changed
   */
  constructor({ endpoint, heartbeatMs, openingMs, cursor, hear, show }) {
    this.#endpoint = endpoint;
    this.#heartbeatMs = heartbeatMs;
    this.#openingMs = openingMs;
    this.#cursor = cursor;
    this.#hear = hear;
    this.#show = show;
  }

  /** Open the stream again, as if nothing had failed: the network may have changed. */
  open() {
    clearTimeout(this.#tryingStream);
    this.#polls = false;
    this.#failures = 0;
    this.#silentOpenings = 0;
    this.#reopen();
  }

  close() {
    this.#source?.close();
    this.#source = null;
    this.#watchdog.rest();
    clearTimeout(this.#reopening);
    clearTimeout(this.#tryingStream);
  }

  /** Check that the known state is still true: the user returns, or the page was suspended. */
  check() {
    if (this.#hasStopped) this.open();
    else this.#watchdog.check();
  }

  /** The browser reports that it is offline. It may be wrong: messages that still arrive count. */
  goOffline() {
    if (!this.#hasStopped) this.#say("offline");
  }

  get #hasStopped() {
    return isFinal(this.#state);
  }

  #reopen() {
    this.#source?.close();
    clearTimeout(this.#reopening);
    this.#hasHeard = false;
    const source = this.#endpoint.open(this.#cursor(), (message) => this.#onMessage(message), {
      follow: !this.#polls,
    });
    source.addEventListener("error", () => this.#onError(source));
    this.#source = source;
    this.#watchdog.expect(this.#openingMs);
  }

  /** @param {Message} message */
  #onMessage(message) {
    this.#hasHeard = true;
    this.#failures = 0;
    this.#silentOpenings = 0;
    this.#say(this.#polls ? "polling" : "live");
    this.#watchdog.expect(this.#longestSilenceMs);
    this.#hear(message);
  }

  /** @param {EventSource} source */
  #onError(source) {
    if (source.readyState === source.CLOSED) {
      this.#onRefusal(source);
    } else if (this.#polls && this.#hasHeard) {
      this.#hasHeard = false; // an answer has ended; EventSource asks again by itself
    } else {
      this.#hasHeard = false;
      this.#sayBroken();
      // EventSource doesn't tell when it asks again; a server may ask for a wait as long as this.
      this.#watchdog.expect(LONGEST_RETRY_MS + this.#openingMs);
    }
  }

  get #longestSilenceMs() {
    return this.#polls ? ASK_AGAIN_MS + this.#openingMs : this.#heartbeatMs * SILENT_HEARTBEATS;
  }

  /**
   * EventSource has given up.
   * @param {EventSource} source
   */
  async #onRefusal(source) {
    this.#watchdog.rest();
    if (!this.#hasStopped) this.#sayBroken();
    const status = await this.#endpoint.status(this.#openingMs);
    if (source !== this.#source) return; // closed or replaced meanwhile
    const end = finalState(status);
    if (end) this.#stop(end);
    else this.#reopenLater();
  }

  async #onSilence() {
    const isTrial = this.#state === "polling" && !this.#polls;
    if (!isTrial) this.#sayBroken();
    if (this.#hasHeard) {
      this.#reopen(); // it was live until now, so the first attempt comes without a wait
      return;
    }
    const source = this.#source;
    const status = await this.#endpoint.status(this.#openingMs);
    if (source !== this.#source || this.#hasHeard) return;
    this.#silentOpenings = status === null ? 0 : this.#silentOpenings + 1;
    if (this.#silentOpenings < SILENT_OPENINGS) this.#reopenLater();
    else this.#poll();
  }

  /** The server answers, but its streams don't get through: a proxy holds them back. */
  #poll() {
    this.#polls = true;
    this.#reopen();
    clearTimeout(this.#tryingStream);
    this.#tryingStream = setTimeout(() => this.#tryStream(), POLL_FOR_MS);
  }

  #tryStream() {
    this.#polls = false;
    this.#silentOpenings = SILENT_OPENINGS - 1; // after one more silent stream it polls again
    this.#reopen();
  }

  #reopenLater() {
    this.#sayBroken();
    this.#source?.close();
    clearTimeout(this.#reopening);
    this.#reopening = setTimeout(() => this.#reopen(), fullJitter(this.#failures));
    this.#failures += 1;
  }

  /** @param {State} state */
  #stop(state) {
    this.close();
    this.#say(state);
  }

  #sayBroken() {
    this.#say(navigator.onLine ? "reconnecting" : "offline");
  }

  /** @param {State} state */
  #say(state) {
    this.#state = state;
    this.#show(state);
  }
}
