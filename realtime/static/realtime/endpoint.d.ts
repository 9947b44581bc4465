/** Where the server has the stream, and how to ask it. */
export type Message = import("./messages.js").Message;
/** @typedef {import("./messages.js").Message} Message */
export declare class Endpoint {
    #private;
    url: URL;
    types: ReadonlySet<string>;
    /**
     * @param {{url: string, types: ReadonlySet<string>}} stream types: may grow; what is opened from then
     *   on hears of the new ones too
     */
    constructor({ url, types }: {
        url: string;
        types: ReadonlySet<string>;
    });
    /**
     * An EventSource that delivers what comes after the cursor.
     *
     * @param {string} cursor
     * @param {(message: Message) => void} hear
     * @param {{follow?: boolean}} [options] follow: whether the server goes on when all is said;
     *   otherwise it ends there, and EventSource asks again in a few seconds
     */
    open(cursor: string, hear: (message: Message) => void, { follow }?: {
        follow?: boolean;
    }): EventSource;
    /**
     * What the server answers now: EventSource doesn't say why it gave up.
     * @param {number} milliseconds how long to wait for it
     * @returns {Promise<number | null>} the status; null if there is no answer; 401 where it leads to
     *   a page, which is one to sign in by
     */
    status(milliseconds: number): Promise<number | null>;
}
