/**
 * One live stream for one browser. Of all tabs, and parts of a page, that follow the same address,
 * one
 * is the leader: it holds the connection and passes messages on to the others.
 *
 * Each tab keeps a cursor of its own. A new leader goes on from its own cursor; a follower that has
 * missed something asks the server itself, once. So nothing is lost or doubled when the leader
 * closes, freezes or crashes. Without Web Locks or BroadcastChannel (they need HTTPS, or localhost)
 * each tab has a connection of its own.
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
 * @property {readonly string[]} [types] the events to follow, by name; those without a name come
 * anyway @property {number} [heartbeatSeconds] the server's HEARTBEAT_SECONDS @property {number}
 * [openingSeconds] how long the server may take to answer
 *
 * @typedef {object} LiveStreamDetails what comes with each event of a LiveStream
 * @property {{id: string, position: number, type: string, data: any, text: string}} event
 *   text: the text that was sent; data: its value as JSON, or the text itself if it isn't JSON
 * @property {{id: string, position: number, reason: string}} reset
 * @property {{id: string, position: number}} moved
 * @property {{state: State}} state
 */

/** How long a leader may take to answer a new tab. */
const GREETING_MS = 5_000;
/**
 * What the parts of a page share about an address that they follow.
 *
 * @typedef {object} Followed
 * @property {Set<string>} types the types that any tab of this browser follows, as far as is known;
 * the
 *   set only grows
 * @property {Set<LiveStream>} leaders the part of this page that holds the connection for the
 * browser
 */
/**
 * By page, because tests have several, and by the name of a stream.
 * @type {WeakMap<Document, Map<string, Followed>>}
 */
const followedInPages = new WeakMap();

/**
 * Dispatches, as CustomEvents:
 *
 * - "event", detail `{id, position, type, data, text}`: in order of their positions, each once
 * - "reset", detail `{reason, id, position}`: the cursor could not be honoured. What the page shows
 *   has to be fetched again; the stream goes on from that id. Reasons: "invalid" (no cursor of this
 *   stream), "pruned" (events after it are no longer kept), "history" (the log isn't the one that
 *   the cursor came from: a backup was restored, or a standby promoted)
 * - "moved", detail `{id, position}`: up to here there was nothing for this client
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
   * The part of this page that leads.
   * @type {Set<LiveStream>}
   */
  #leaders;
  /** Whether the leader has sent its status since this tab joined. */
  #isGreeted = false;
  /** Whether the leader's connection has all types that this tab follows. */
  #isHeard = false;
  /** The types that this tab follows. */
  #types;
  /** The types that any tab of this browser follows. */
  #allTypes;
  /**
   * While leading: the types that the connection was opened for.
   * @type {ReadonlySet<string>}
   */
  #heardTypes = new Set();
  /**
   * The state of the connection, as the leader last sent it.
   * @type {State}
   */
  #leaderState = "connecting";
  /**
   * While leading: the timer that shows the other tabs that this one is alive.
   * @type {ReturnType<typeof setInterval> | undefined}
   */
  #ticking;
  /**
   * While the missed messages are being fetched.
   * @type {AbortController | null}
   */
  #catchingUp = null;
  /**
   * What the leader passed on meanwhile.
   * @type {Delivery[]}
   */
  #queue = [];
  /** Removes the listeners from the page. */
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

  /** The id up to which this tab has received everything. */
  get cursor() {
    return this.#cursor;
  }

  get state() {
    return this.#state;
  }

  /**
   * Whether this page leads: this LiveStream, or another one of this page at the same address,
   * holds the connection for the browser. Use it for work that only one of the browser's tabs
   * should do.
   */
  get isLeader() {
    return this.#leaders.size > 0;
  }

  /**
   * `addEventListener()` with a listener that gets only the event's detail.
   *
   * @template {keyof LiveStreamDetails} Name
   * @param {Name} name
   * @param {(detail: LiveStreamDetails[Name]) => void} hear
   */
  on(name, hear) {
    this.addEventListener(name, (event) => hear(/** @type {CustomEvent} */ (event).detail));
  }

  /** Begin to follow; if the page is still loading, once it has been parsed. */
  start() {
    this.#listenToThePage();
    // Not before all scripts of the page have named their types, because they share one connection.
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
    // A suspended page must not keep the connection from pages that are active. And the
    // back/forward cache doesn't take a page that has a connection, a lock or a channel.
    addEventListener("pagehide", () => this.#leave(), { signal });
    addEventListener("pageshow", () => this.#join(), { signal });
    document.addEventListener("freeze", () => this.#leave(), { signal });
    document.addEventListener("resume", () => this.#join(), { signal });
    document.addEventListener("visibilitychange", () => this.#onLook(), { signal });
    // Windows side by side are never hidden, but another user may have signed in in one of them.
    addEventListener("focus", () => this.#onLook(), { signal });
    addEventListener("online", () => this.#onOnline(), { signal });
    addEventListener("offline", () => this.#onOffline(), { signal });
  }

  /** The user looks at the page again. */
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

  /** This page was suspended for so long that another one has taken the lead. */
  #onDeposed() {
    this.#stopLeading();
    this.#follow();
  }

  /* ---- The leader ---- */

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

  /* ---- A follower ---- */

  /** @param {TabMessage} message */
  #onTabMessage(message) {
    // From every tab, not only from the leader: this tab may be the next leader.
    if (message.kind !== "delivery") this.#learn(message.types);
    if (this.#isLeader) {
      if (message.kind === "hello") this.#greet(message.types);
      return; // from a former leader: this tab gets it from the server itself
    }
    if (message.kind === "hello") return;
    // At a random time, so that the first tab to take the lead can tell the others.
    this.#leaderWatchdog.expect(this.#heartbeatMs * (SILENT_HEARTBEATS + Math.random() / 2));
    if (message.kind === "status") this.#onStatus(message);
    else this.#onDelivery(message.delivery);
  }

  /**
   * Answer a new tab, whose user may have signed in again meanwhile.
   *
   * @param {readonly string[]} types what they follow
   */
  #greet(types) {
    // For new types the connection is opened again at this tab's cursor.
    if (types.every((type) => this.#heardTypes.has(type))) this.#connection.check();
    else this.#open();
    this.#tellStatus();
  }

  /** @param {readonly string[]} types */
  #learn(types) {
    for (const type of types) this.#allTypes.add(type);
  }

  /** Open the connection, for all types that any tab follows. */
  #open() {
    this.#heardTypes = new Set([HEARTBEAT, RESET, UNNAMED, ...this.#allTypes]);
    this.#connection.open();
  }

  /** @param {{cursor: string, state: State, types: readonly string[]}} status */
  #onStatus({ cursor, state, types }) {
    this.#isHeard = [...this.#types].every((type) => types.includes(type));
    if (!this.#isHeard) {
      // It has come to lead without having heard of this tab. Until it has, what it tells has
      // holes.
      this.#sayHello();
      return;
    }
    // A new tab asks the server even if it seems to be ahead of the leader: it may be a cached page
    // from before a backup was restored, which would take new events for known ones.
    const isBehind = this.#isGreeted
      ? positionOf(this.#cursor) < positionOf(cursor)
      : this.#cursor !== cursor;
    this.#leaderState = state;
    // If the leader is refused, so is this tab. The leader tells when that is over.
    if (!isFinal(state)) {
      this.#isGreeted = true;
      if (isBehind) this.#catchUp();
    }
    // This tab only counts as live once it has received everything as well.
    if (!this.#catchingUp || !this.#isLeaderConnected) this.#show(state);
  }

  get #isLeaderConnected() {
    return this.#leaderState === "live" || this.#leaderState === "polling";
  }

  /** @param {Delivery} delivery */
  #onDelivery(delivery) {
    if (!this.#isHeard) return; // the leader may have left out types that this tab follows
    if (this.#catchingUp) this.#queue.push(delivery);
    else if (this.#take(delivery) === "gap") this.#catchUp(); // its answer includes this message
  }

  /** Fetch missed messages from the server until there is no gap left. */
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

  /** Take what the leader passed on meanwhile; returns whether that left no gap. */
  #takeQueue() {
    const queue = this.#queue;
    this.#queue = [];
    return queue.every((delivery) => this.#take(delivery) !== "gap");
  }

  /* ---- Every tab ---- */

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
 * The object that all parts of this page share.
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
