/** Fetches what a follower has missed, by one request to the server. */
/**
 * @param {import("./endpoint.js").Endpoint} endpoint
 * @param {string} cursor
 * @param {{milliseconds: number, signal: AbortSignal}} options how long to wait for the answer;
 *   what ends the wait at once
 * @returns {Promise<import("./messages.js").Message[]>} the messages, in order: of an answer that
 *   broke off, as many as came; none if there was no answer
 */
export declare function catchUp(endpoint: import("./endpoint.js").Endpoint, cursor: string, { milliseconds, signal }: {
    milliseconds: number;
    signal: AbortSignal;
}): Promise<import("./messages.js").Message[]>;
