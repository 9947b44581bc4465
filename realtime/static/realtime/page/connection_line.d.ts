/**
 * Shows the state of a LiveStream, in markup that has the words for each state:
 *
 *     <p data-state="connecting" hidden>
 *       <span data-when="live" hidden>Live</span> …
 *
 * @param {Iterable<HTMLElement>} lines
 * @param {import("../connection.js").State} state
 */
export declare function showConnection(lines: Iterable<HTMLElement>, state: import("../connection.js").State): void;
