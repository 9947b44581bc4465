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
export type State = "connecting" | "live" | "polling" | "reconnecting" | "offline" | "signed-out" | "someone-else" | "gone";
export type Message = import("./messages.js").Message;
/** A stream counts as dead after this many heartbeats have failed to come. */
export declare const SILENT_HEARTBEATS = 2.5;
/**
 * Whether no more requests are made until the user returns to the page.
 * @param {State} state
 */
export declare function isFinal(state: State): boolean;
export declare class Connection {
    #private;
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
    constructor({ endpoint, heartbeatMs, openingMs, cursor, hear, show }: {
        endpoint: import("./endpoint.js").Endpoint;
        heartbeatMs: number;
        openingMs: number;
        cursor: () => string;
        hear: (message: Message) => void;
        show: (state: State) => void;
    });
    /** Open the stream again, as if nothing had failed: the network may have changed. */
    open(): void;
    close(): void;
    /** Check that the known state is still true: the user returns, or the page was suspended. */
    check(): void;
    /** The browser reports that it is offline. It may be wrong: messages that still arrive count. */
    goOffline(): void;
}
