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
     * the events to follow, by name; those without a name come anyway
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
     *   text: what was sent; data: the same as JSON, or the text where it is none
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
     * what anybody in this browser follows, as far as is known; it only grows
     */
    types: Set<string>;
    /**
     * who of this page holds the connection for the browser
     */
    leaders: Set<LiveStream>;
};
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
    /** The id up to which this tab has been told everything. */
    get cursor(): string;
    get state(): import("./connection.js").State;
    /**
     * Whether this page leads: whether this, or another LiveStream of this page at the same address,
     * holds the connection for the browser. For what only one of its tabs is to do.
     */
    get isLeader(): boolean;
    /**
     * As `addEventListener`, for the detail alone.
     *
     * @template {keyof LiveStreamDetails} Name
     * @param {Name} name
     * @param {(detail: LiveStreamDetails[Name]) => void} hear
     */
    on<Name extends keyof LiveStreamDetails>(name: Name, hear: (detail: LiveStreamDetails[Name]) => void): void;
    /** Begin to follow; while the page is being read, when that is done. */
    start(): void;
    /** End it for good. */
    close(): void;
}
