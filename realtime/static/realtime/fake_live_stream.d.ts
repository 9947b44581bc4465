/**
 * A LiveStream without a server, for the tests of scripts that follow one.
 *
 *     const stream = new FakeLiveStream();
 *     follow(stream);                                  // the script under test
 *     stream.deliver("body", { text: "Hello" });
 *     stream.reset("pruned");
 *     stream.become("reconnecting");
 */
export type State = import("./connection.js").State;
export type LiveStreamDetails = import("./live_stream.js").LiveStreamDetails;
/**
 * @typedef {import("./connection.js").State} State
 * @typedef {import("./live_stream.js").LiveStreamDetails} LiveStreamDetails
 */
/** Dispatches the same events as a LiveStream, when a test says so. */
export declare class FakeLiveStream extends EventTarget {
    #private;
    /** Whether `start()` has been called, and `close()` has not been since. */
    isFollowing: boolean;
    /** @type {State} */
    state: State;
    /** Whether this page holds the connection for its browser; a test may set it to false. */
    isLeader: boolean;
    cursor: string;
    /** @param {{cursor?: string}} [options] those of a LiveStream; the others aren't needed */
    constructor({ cursor }?: {
        cursor?: string;
    });
    /** @param {HTMLElement} element with `data-live-cursor` */
    static from({ dataset }: HTMLElement): FakeLiveStream;
    /**
     * @template {keyof LiveStreamDetails} Name
     * @param {Name} name
     * @param {(detail: LiveStreamDetails[Name]) => void} hear
     */
    on<Name extends keyof LiveStreamDetails>(name: Name, hear: (detail: LiveStreamDetails[Name]) => void): void;
    start(): void;
    close(): void;
    /**
     * An event, after all those before.
     *
     * @param {string | null} type null: an event without a name
     * @param {any} data anything JSON can hold; a text comes as it is, as it does from `html=`
     */
    deliver(type: string | null, data: any): void;
    /**
     * The cursor can't be honoured; the stream goes on from another position.
     *
     * @param {"invalid" | "pruned" | "history"} reason
     * @param {number} [position]
     */
    reset(reason: "invalid" | "pruned" | "history", position?: number): void;
    /**
     * There was nothing for this client up to here.
     *
     * @param {number} position
     */
    moveTo(position: number): void;
    /** @param {State} state */
    become(state: State): void;
}
