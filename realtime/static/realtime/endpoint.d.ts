/** The address of a stream, and the requests to it. */
export type Message = import("./messages.js").Message;
/** @typedef {import("./messages.js").Message} Message */
export declare class Endpoint {
    #private;
    url: URL;
    types: ReadonlySet<string>;
    /**
     * @param {{url: string, types: ReadonlySet<string>}} stream types: may grow; streams that are
     * opened
     *   later also deliver the new types
     */
    constructor({ url, types }: {
        url: string;
        types: ReadonlySet<string>;
    });
    /**
     * An EventSource that delivers the messages after a cursor.
     *
     * @param {string} cursor
     * @param {(message: Message) => void} hear
     * @param {{follow?: boolean}} [options] follow: whether the server waits for new events when it
     * has
     *   sent all; otherwise the answer ends, and EventSource asks again in a few seconds
     */
    open(cursor: string, hear: (message: Message) => void, { follow }?: {
        follow?: boolean;
    }): EventSource;
    /**
     * The status of an answer now, because EventSource doesn't tell why it gave up.
     * @param {number} milliseconds how long to wait for it
     * @returns {Promise<number | null>} the status; null if there is no answer; 401 if it redirects
     * to
     *   a page, which must be the login
     */
    status(milliseconds: number): Promise<number | null>;
}
