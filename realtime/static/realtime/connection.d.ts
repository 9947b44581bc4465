/**
 * The one connection of a browser to the stream: kept open, or asked for anew, whatever happens.
 *
 * EventSource reconnects by itself after a broken connection, and waits as long as the server has
 * asked for. It needs help where it gives up for good (any answer but 200), where a connection dies
 * without a word, and where something in between holds the stream back until its end.
 *
 * @typedef {"connecting" | "live" | "polling" | "reconnecting" | "offline" | "signed-out"
 *   | "someone-else" | "gone"} State
 * @typedef {import("./messages.js").Message} Message
 */
export type State = "connecting" | "live" | "polling" | "reconnecting" | "offline" | "signed-out" | "someone-else" | "gone";
export type Message = import("./messages.js").Message;
/** So many heartbeats may be late before a stream is taken for dead. */
export declare const SILENT_HEARTBEATS = 2.5;
/**
 * Whether nothing is asked for any more until somebody looks again.
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
     *   openingMs: how long an answer may take; cursor: from where to go on; hear: gets each message,
     *   heartbeats too; show: gets the state whenever something is known of it
     */
    constructor({ endpoint, heartbeatMs, openingMs, cursor, hear, show }: {
        endpoint: import("./endpoint.js").Endpoint;
        heartbeatMs: number;
        openingMs: number;
        cursor: () => string;
        hear: (message: Message) => void;
        show: (state: State) => void;
    });
    /** Begin anew, as if nothing had failed: the network may be another now. */
    open(): void;
    close(): void;
    /** Somebody looks again, or the page was asleep: is it still true what was known? */
    check(): void;
    /** The browser says that its network is gone. It may be wrong: whatever still comes counts. */
    goOffline(): void;
}
