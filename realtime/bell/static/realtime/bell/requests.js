/**
 * The bell's requests to the server: something was seen, read, archived …
 *
 * @typedef {"taken" | "refused" | "unreachable"} Answer
 */

export class BellRequests {
  #root;

  /** @param {HTMLElement} root of the bell */
  constructor(root) {
    this.#root = root;
  }

  /**
   * @param {string} action
   * @param {string | null} subject null: all
   * @param {number} through the position up to which this page knows all events
   * @returns {Promise<Answer>}
   */
  async change(action, subject, through) {
    const token = this.#root.querySelector("input[name=csrfmiddlewaretoken]");
    const change = subject === null ? action : `${action} ${subject}`;
    try {
      const response = await fetch(this.#root.dataset.changeUrl ?? "", {
        method: "POST",
        keepalive: true, // the click that causes this request may also leave the page
        headers: {
          Accept: "application/json",
          "X-CSRFToken": token instanceof HTMLInputElement ? token.value : "",
        },
        body: new URLSearchParams({ change, through: String(through) }),
      });
      // A redirect leads to the login.
      return response.ok && !response.redirected ? "taken" : "refused";
    } catch {
      return "unreachable"; // nothing has changed, in any window
    }
  }
}
