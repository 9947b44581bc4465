/** Fetches what a follower has missed, by one request to the server. */

/**
 * @param {import("./endpoint.js").Endpoint} endpoint
 * @param {string} cursor
 * @param {{milliseconds: number, signal: AbortSignal}} options how long to wait for the answer;
 *   what ends the wait at once
 * @returns {Promise<import("./messages.js").Message[]>} the messages, in order: of an answer that
 *   broke off, as many as came; none if there was no answer
 */
export function catchUp(endpoint, cursor, { milliseconds, signal }) {
  return new Promise((resolve) => {
    /** @type {import("./messages.js").Message[]} */
    const messages = [];
    const source = endpoint.open(cursor, (message) => messages.push(message), { follow: false });
    const timer = setTimeout(end, milliseconds);
    source.addEventListener("error", end); // EventSource reports the end of the answer as an error
    signal.addEventListener("abort", end);

    function end() {
      source.close();
      clearTimeout(timer);
      signal.removeEventListener("abort", end);
      resolve(messages);
    }
  });
}
