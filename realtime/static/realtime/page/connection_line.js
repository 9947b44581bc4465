/**
 * Shows the state of a LiveStream, in markup that has the words for each state:
 *
 *     <p data-state="connecting" hidden>
 *       <span data-when="live" hidden>Live</span> …
 *
 * @param {Iterable<HTMLElement>} lines
 * @param {import("../connection.js").State} state
 */
export function showConnection(lines, state) {
  for (const line of lines) {
    line.hidden = false;
    line.dataset.state = state;
    for (const words of line.querySelectorAll("[data-when]")) {
      if (words instanceof HTMLElement) words.hidden = words.dataset.when !== state;
    }
  }
}
