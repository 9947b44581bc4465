/**
 * One live stream for one browser: however many tabs, and parts of a page, follow the same address,
 * one of them, the leader, holds the connection and tells the others.
 *
 * Each tab keeps a cursor of its own. Whoever leads goes on from theirs; a follower that has missed
 * something asks the server itself, once. So nothing is lost or doubled when the leader closes,
 * freezes or crashes. Without Web Locks or BroadcastChannel (they need HTTPS, or localhost) each
 * tab has a connection of its own.
 *
 *     const stream = LiveStream.from(element, { types: ["body"] }); // with {% live … %} in its tag
 *     stream.on("event", ({ type, data }) => show(type, data));
 *     stream.start();
 *
 * docs/in-the-browser.md has more.
 */

import { fullJitter } from "./backoff.js";
import { catchUp } from "./catch_up.js";
import { Connection, SILENT_HEARTBEATS, isFinal } from "./connection.js";
import { Endpoint } from "./endpoint.js";
import { Leadership } from "./leadership.js";
import { HEARTBEAT, RESET, UNNAMED, classify, eventOf, positionOf } from "./messages.js";
import { Tabs } from "./tabs.js";
import { Watchdog } from "./watchdog.js";

/**
 * @typedef {import("./connection.js").State} State
 * @typedef {import("./messages.js").Delivery} Delivery
 * @typedef {import("./tabs.js").TabMessage} TabMessage
 *
 * @typedef {object} LiveStreamOptions
 * @property {string} url the stream's address
 * @property {string} cursor the id up to which the page shows everything
 * @property {readonly string[]} [types] the events to follow, by name; those without a name come anyway
 * @property {number} [heartbeatSeconds] the server's HEARTBEAT_SECONDS
 * @property {number} [openingSeconds] how long the server may take to answer
 *
 * @typedef {object} LiveStreamDetails what comes with each event of a LiveStream
 * @property {{id: string, position: number, type: string, data: any, text: string}} event
 *   text: what was sent; data: the same as JSON, or the text where it is none
 * @property {{id: string, position: number, reason: string}} reset
 * @property {{id: string, position: number}} moved
 * @property {{state: State}} state
 */

/** How long a leader may take to greet a tab that has come. */
const GREETING_MS = 5_000;
/**
 * What a page knows of an address, whichever of its parts follow it.
 *
 * @typedef {object} Followed
 * @property {Set<string>} types what anybody in this browser follows, as far as is known; it only grows
 * @property {Set<LiveStream>} leaders who of this page holds the connection for the browser
 */
/**
 * By the name of a stream; and by page, for tests have several.
 * @type {WeakMap<Document, Map<string, Followed>>}
 */
const followedInPages = new WeakMap();

/**
 * Dispatches, as CustomEvents:
 *
 * - "event", detail `{id, position, type, data, text}`: in order of their positions, each once
 * - "reset", detail `{reason, id, position}`: the cursor could not be honoured. What the page shows
 *   has to be fetched anew; the stream goes on from that id. Reasons: "invalid" (no cursor of this
 *   stream), "pruned" (what came after it is no longer kept), "history" (the log isn't the one that
 *   the cursor came from: a backup was restored, or a standby promoted)
 * - "moved", detail `{id, position}`: there was nothing more up to here
 * - "state", detail `{state}`
 */
export class LiveStream extends EventTarget {
  #heartbeatMs;
  #openingMs;
  #endpoint;
  #connection;
  #tabs;
  #leadership;
  #leaderWatchdog = new Watchdog(() => this.#leadership.seize());
  #cursor;
  /** @type {State} */
  #state = "connecting";
  #hasJoined = false;
  #isLeader = false;
  /**
   * Who of this page leads.
   * @type {Set<LiveStream>}
   */
  #leaders;
  /** Whether the leader has said how it stands since this tab has come. */
  #isGreeted = false;
  /** Whether the leader hears of all that this tab follows. */
  #isHeard = false;
  /** What this tab follows. */
  #types;
  /** What anybody in this browser follows. */
  #allTypes;
  /**
   * While leading: what the connection was opened for.
   * @type {ReadonlySet<string>}
   */
  #heardTypes = new Set();
  /**
   * How the connection is, as the leader says.
   * @type {State}
   */
  #leaderState = "connecting";
  /**
   * While leading: shows the others that this tab is there.
   * @type {ReturnType<typeof setInterval> | undefined}
   */
  #ticking;
  /**
   * While the server is asked for what was missed.
   * @type {AbortController | null}
   */
  #catchingUp = null;
  /**
   * What the leader told meanwhile.
   * @type {Delivery[]}
   */
  #queue = [];
  /** Ends the listening to the page. */
  #closing = new AbortController();

  /** @param {LiveStreamOptions} options */
  constructor({ url, cursor, types = [], heartbeatSeconds = 15, openingSeconds = 8 }) {
    super();
    this.#cursor = cursor;
    this.#heartbeatMs = heartbeatSeconds * 1000;
    this.#openingMs = openingSeconds * 1000;
    this.#types = new Set([HEARTBEAT, RESET, UNNAMED, ...types]);
    this.#endpoint = new Endpoint({ url, types: this.#types });
    const name = `realtime ${this.#endpoint.url}`;
    ({ types: this.#allTypes, leaders: this.#leaders } = followedInPage(name));
    this.#learn(types);
    this.#connection = new Connection({
      endpoint: new Endpoint({ url, types: this.#allTypes }),
      heartbeatMs: this.#heartbeatMs,
      openingMs: this.#openingMs,
      cursor: () => this.#cursor,
      hear: (message) => this.#onMessage(message),
      show: (state) => this.#onConnectionState(state),
    });
    this.#tabs = new Tabs(name, (message) => this.#onTabMessage(message));
    this.#leadership = new Leadership(name, {
      elected: () => this.#lead(),
      deposed: () => this.#onDeposed(),
    });
  }

  /**
   * The stream that an element names: `<div {% live "url-name" document %}>` in its template.
   *
   * @param {HTMLElement} element
   * @param {{types?: readonly string[], openingSeconds?: number}} [options]
   * @returns {LiveStream}
   */
  static from({ dataset }, options = {}) {
    if (dataset.liveUrl === undefined || dataset.liveCursor === undefined) {
      throw new Error("The element has no data-live-url and data-live-cursor: write {% live %} in it.");
    }
    return new LiveStream({
      url: dataset.liveUrl,
      cursor: dataset.liveCursor,
      heartbeatSeconds: dataset.liveHeartbeat ? Number(dataset.liveHeartbeat) : undefined,
      ...options,
    });
  }

  /** The id up to which this tab has been told everything. */
  get cursor() {
    return this.#cursor;
  }

  get state() {
    return this.#state;
  }

  /**
   * Whether this page leads: whether this, or another LiveStream of this page at the same address,
   * holds the connection for the browser. For what only one of its tabs is to do.
   */
  get isLeader() {
    return this.#leaders.size > 0;
  }

  /**
   * As `addEventListener`, for the detail alone.
   *
   * @template {keyof LiveStreamDetails} Name
   * @param {Name} name
   * @param {(detail: LiveStreamDetails[Name]) => void} hear
   */
  on(name, hear) {
    this.addEventListener(name, (event) => hear(/** @type {CustomEvent} */ (event).detail));
  }

  /** Begin to follow; while the page is being read, when that is done. */
  start() {
    this.#listenToThePage();
    // Not before all scripts of the page have said what they follow: it is one connection for all.
    if (document.readyState === "interactive" || document.readyState === "loading") {
      const once = { once: true, signal: this.#closing.signal };
      document.addEventListener("DOMContentLoaded", () => this.#join(), once);
      document.addEventListener("readystatechange", () => this.#join(), once);
    } else {
      this.#join();
    }
  }

  /** End it for good. */
  close() {
    this.#closing.abort();
    this.#leave();
  }

  /* ---- The page ---- */

  #listenToThePage() {
    const { signal } = this.#closing;
    // A page that is put to sleep must not keep the connection from those that are awake; and the
    // back/forward cache takes none that has a connection, a lock or a channel.
    addEventListener("pagehide", () => this.#leave(), { signal });
    addEventListener("pageshow", () => this.#join(), { signal });
    document.addEventListener("freeze", () => this.#leave(), { signal });
    document.addEventListener("resume", () => this.#join(), { signal });
    document.addEventListener("visibilitychange", () => this.#onLook(), { signal });
    // Of windows side by side none was hidden, though somebody has signed in to another meanwhile.
    addEventListener("focus", () => this.#onLook(), { signal });
    addEventListener("online", () => this.#onOnline(), { signal });
    addEventListener("offline", () => this.#onOffline(), { signal });
  }

  /** Somebody looks at the page again. */
  #onLook() {
    if (document.visibilityState === "hidden" || !this.#hasJoined) return;
    if (this.#isLeader) {
      this.#connection.check();
    } else {
      this.#leaderWatchdog.check();
      this.#sayHello();
    }
  }

  #onOnline() {
    if (this.#isLeader) this.#connection.open();
  }

  #onOffline() {
    if (this.#isLeader) this.#connection.goOffline();
  }

  /* ---- Leading and following ---- */

  #join() {
    if (this.#hasJoined) return;
    this.#hasJoined = true;
    this.#show("connecting");
    if (!("locks" in navigator && "BroadcastChannel" in globalThis)) {
      this.#lead();
      return;
    }
    this.#tabs.join();
    this.#follow();
  }

  #leave() {
    if (!this.#hasJoined) return;
    this.#hasJoined = false;
    this.#stopFollowing();
    this.#stopLeading();
    this.#leadership.resign();
    this.#tabs.leave();
  }

  #follow() {
    this.#isGreeted = false;
    this.#isHeard = false;
    this.#leaderWatchdog.expect(GREETING_MS);
    this.#leadership.campaign();
    this.#sayHello();
  }

  #sayHello() {
    this.#tabs.tell({ kind: "hello", types: [...this.#types] });
  }

  #stopFollowing() {
    this.#leaderWatchdog.rest();
    this.#catchingUp?.abort();
    this.#catchingUp = null;
  }

  #lead() {
    this.#stopFollowing();
    this.#isLeader = true;
    this.#leaders.add(this);
    this.#open();
    this.#tellStatus();
    this.#ticking = setInterval(() => this.#tellStatus(), this.#heartbeatMs);
  }

  #stopLeading() {
    this.#isLeader = false;
    this.#leaders.delete(this);
    this.#connection.close();
    clearInterval(this.#ticking);
  }

  /** This page didn't do anything for so long that another has taken the lead. */
  #onDeposed() {
    this.#stopLeading();
    this.#follow();
  }

  /* ---- What the leader hears, and tells ---- */

  /** @param {import("./messages.js").Message} message */
  #onMessage(message) {
    const delivery = { after: this.#cursor, ...message };
    this.#tabs.tell({ kind: "delivery", delivery });
    this.#take(delivery);
  }

  /** @param {State} state */
  #onConnectionState(state) {
    if (state === this.#state) return;
    this.#show(state);
    this.#tellStatus();
  }

  #tellStatus() {
    const types = [...this.#heardTypes];
    this.#tabs.tell({ kind: "status", cursor: this.#cursor, state: this.#state, types });
  }

  /* ---- What a follower hears ---- */

  /** @param {TabMessage} message */
  #onTabMessage(message) {
    // Also from others than the leader: this tab may lead next.
    if (message.kind !== "delivery") this.#learn(message.types);
    if (this.#isLeader) {
      if (message.kind === "hello") this.#greet(message.types);
      return; // what a former leader still says, this one hears from the server
    }
    if (message.kind === "hello") return;
    // Not all at the same time: the first who seizes the lead is heard by the others.
    this.#leaderWatchdog.expect(this.#heartbeatMs * (SILENT_HEARTBEATS + Math.random() / 2));
    if (message.kind === "status") this.#onStatus(message);
    else this.#onDelivery(message.delivery);
  }

  /**
   * Somebody has come, who may have signed in again meanwhile.
   *
   * @param {readonly string[]} types what they follow
   */
  #greet(types) {
    // Opened anew where this tab stands, it tells what has come of the new types since.
    if (types.every((type) => this.#heardTypes.has(type))) this.#connection.check();
    else this.#open();
    this.#tellStatus();
  }

  /** @param {readonly string[]} types */
  #learn(types) {
    for (const type of types) this.#allTypes.add(type);
  }

  /** Open the connection, for all that anybody follows. */
  #open() {
    this.#heardTypes = new Set([HEARTBEAT, RESET, UNNAMED, ...this.#allTypes]);
    this.#connection.open();
  }

  /** @param {{cursor: string, state: State, types: readonly string[]}} status */
  #onStatus({ cursor, state, types }) {
    this.#isHeard = [...this.#types].every((type) => types.includes(type));
    if (!this.#isHeard) {
      // It has come to lead without having heard of this tab. Until it has, what it tells has holes.
      this.#sayHello();
      return;
    }
    // Who has just come asks the server even when they seem to be ahead: a page kept from before
    // a backup was restored would take what comes now for known.
    const isBehind = this.#isGreeted
      ? positionOf(this.#cursor) < positionOf(cursor)
      : this.#cursor !== cursor;
    this.#leaderState = state;
    // What the leader is refused, this tab is too. The leader says when that is over.
    if (!isFinal(state)) {
      this.#isGreeted = true;
      if (isBehind) this.#catchUp();
    }
    // It is live only when this tab, too, has been told everything.
    if (!this.#catchingUp || !this.#isLeaderConnected) this.#show(state);
  }

  get #isLeaderConnected() {
    return this.#leaderState === "live" || this.#leaderState === "polling";
  }

  /** @param {Delivery} delivery */
  #onDelivery(delivery) {
    if (!this.#isHeard) return; // something that this tab follows may be missing before it
    if (this.#catchingUp) this.#queue.push(delivery);
    else if (this.#take(delivery) === "gap") this.#catchUp(); // the answer has this one too
  }

  /** Ask the server for what was missed, until there is no gap any more. */
  async #catchUp() {
    if (this.#catchingUp) return;
    const { signal } = (this.#catchingUp = new AbortController());
    this.#queue = [];
    for (let failures = 0; ; failures++) {
      const options = { milliseconds: this.#openingMs, signal };
      const messages = await catchUp(this.#endpoint, this.#cursor, options);
      if (signal.aborted) return;
      for (const message of messages) this.#take({ after: this.#cursor, ...message });
      if (messages.length > 0 && this.#takeQueue()) break;
      if (isFinal(this.#leaderState)) break;
      if (this.#isLeaderConnected) this.#show("reconnecting");
      await pause(fullJitter(failures));
      if (signal.aborted) return;
    }
    this.#catchingUp = null;
    this.#show(this.#leaderState);
  }

  /** Whether what the leader told meanwhile could be taken without a gap. */
  #takeQueue() {
    const queue = this.#queue;
    this.#queue = [];
    return queue.every((delivery) => this.#take(delivery) !== "gap");
  }

  /* ---- What a tab is told ---- */

  /** @param {Delivery} delivery */
  #take(delivery) {
    const found = classify(this.#cursor, delivery);
    if (found !== "next") return found;
    this.#cursor = delivery.id;
    if (this.#types.has(delivery.type)) this.dispatchEvent(eventOf(delivery));
    return found;
  }

  /** @param {State} state */
  #show(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.dispatchEvent(new CustomEvent("state", { detail: { state } }));
  }
}

/**
 * The same for all who ask in this page.
 *
 * @param {string} name of a stream
 * @returns {Followed}
 */
function followedInPage(name) {
  const inPage = followedInPages.get(document) ?? new Map();
  followedInPages.set(document, inPage);
  const followed = inPage.get(name) ?? { types: new Set(), leaders: new Set() };
  inPage.set(name, followed);
  return followed;
}

/** @param {number} milliseconds */
function pause(milliseconds) {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
