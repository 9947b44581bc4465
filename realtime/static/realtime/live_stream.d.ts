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
export type State = import("./connection.js").State;
export type Delivery = import("./messages.js").Delivery;
export type TabMessage = import("./tabs.js").TabMessage;
export type LiveStreamOptions = {
    /**
     * the stream's address
     */
    url: string;
    /**
     * the id up to which the page shows everything
     */
    cursor: string;
    /**
     * the events to follow, by name; those without a name come
     * anyway
     */
    types?: readonly string[];
    /**
     * the server's HEARTBEAT_SECONDS
     */
    heartbeatSeconds?: number;
    /**
     * how long the server may take to answer
     */
    openingSeconds?: number;
};
export type LiveStreamDetails = {
    /**
     *   text: the text that was sent; data: its value as JSON, or the text itself if it isn't JSON
     */
    event: {
        id: string;
        position: number;
        type: string;
        data: any;
        text: string;
    };
    reset: {
        id: string;
        position: number;
        reason: string;
    };
    moved: {
        id: string;
        position: number;
    };
    state: {
        state: State;
    };
};
export type Followed = {
    /**
     * the types that any tab of this browser follows, as far as is known;
     * the
     * set only grows
     */
    types: Set<string>;
    /**
     * the part of this page that holds the connection for the
     * browser
     */
    leaders: Set<LiveStream>;
};
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
export declare class LiveStream extends EventTarget {
    #private;
    /** @param {LiveStreamOptions} options */
    constructor({ url, cursor, types, heartbeatSeconds, openingSeconds }: LiveStreamOptions);
    /**
     * The stream that an element names: `<div {% live "url-name" document %}>` in its template.
     *
     * @param {HTMLElement} element
     * @param {{types?: readonly string[], openingSeconds?: number}} [options]
     * @returns {LiveStream}
     */
    static from({ dataset }: HTMLElement, options?: {
        types?: readonly string[];
        openingSeconds?: number;
    }): LiveStream;
    /** The id up to which this tab has received everything. */
    get cursor(): string;
    get state(): import("./connection.js").State;
    /**
     * Whether this page leads: this LiveStream, or another one of this page at the same address,
     * holds the connection for the browser. Use it for work that only one of the browser's tabs
     * should do.
     */
    get isLeader(): boolean;
    /**
     * `addEventListener()` with a listener that gets only the event's detail.
     *
     * @template {keyof LiveStreamDetails} Name
     * @param {Name} name
     * @param {(detail: LiveStreamDetails[Name]) => void} hear
     */
    on<Name extends keyof LiveStreamDetails>(name: Name, hear: (detail: LiveStreamDetails[Name]) => void): void;
    /** Begin to follow; if the page is still loading, once it has been parsed. */
    start(): void;
    /** End it for good. */
    close(): void;
}
