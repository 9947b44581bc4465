/**
 * What the bell tells the server: that something was seen, or read.
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
   * Everything up to this position has been seen.
   *
   * @param {number} position
   */
  seen(position) {
    return this.#post("seenUrl", { position });
  }

  /**
   * This one has been read.
   *
   * @param {number} position
   */
  readOne(position) {
    return this.#post("readUrl", { position, one: "on" });
  }

  /**
   * Everything up to this position has been read.
   *
   * @param {number} position
   */
  readAll(position) {
    return this.#post("readUrl", { position });
  }

  /**
   * The bell as the server renders it now.
   *
   * @returns {Promise<Response>}
   */
  freshBell() {
    return fetch(this.#root.dataset.stateUrl ?? "", { headers: { Accept: "text/html" } });
  }

  /**
   * @param {"seenUrl" | "readUrl"} url
   * @param {Record<string, string | number>} fields
   * @returns {Promise<Answer>}
   */
  async #post(url, fields) {
    const token = this.#root.querySelector("input[name=csrfmiddlewaretoken]");
    const body = new URLSearchParams();
    for (const [name, value] of Object.entries(fields)) body.set(name, String(value));
    try {
      const response = await fetch(this.#root.dataset[url] ?? "", {
        method: "POST",
        keepalive: true, // the page may be left by the very click that is told of here
        headers: {
          Accept: "application/json",
          "X-CSRFToken": token instanceof HTMLInputElement ? token.value : "",
        },
        body,
      });
      // A redirect leads to the login.
      return response.ok && !response.redirected ? "taken" : "refused";
    } catch {
      return "unreachable"; // so nothing has changed, in any window
    }
  }
}
