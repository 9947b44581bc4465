/**
 * The lists of a page that show the newest notifications: the panel's, and any other.
 *
 * What an event says goes into a copy of the blank that the server rendered for its status, through
 * `textContent`: all words and all markup stand in templates/orders/notification.html.
 *
 * @typedef {import("./bell_state.js").NotificationState} NotificationState
 * @typedef {import("./bell_state.js").StreamEvent} StreamEvent
 */

/** What each list shows; a page that is left open must not grow for ever. */
export class NotificationLists {
  #page;
  #root;
  #kept;
  #money;

  /**
   * @param {Document} page
   * @param {HTMLElement} root of the bell
   */
  constructor(page, root) {
    this.#page = page;
    this.#root = root;
    this.#kept = Number(root.dataset.kept);
    const language = page.documentElement.lang || "en";
    this.#money = new Intl.NumberFormat(language, { minimumFractionDigits: 2, useGrouping: false });
  }

  /** How many of the newest events are worth keeping until they are shown. */
  get kept() {
    return this.#kept;
  }

  /**
   * The notification of an event, filled in.
   *
   * @param {StreamEvent} event of the type “orders”
   * @returns {HTMLElement}
   */
  notification({ position, data }) {
    const item = this.#blank(data.status);
    item.dataset.position = String(position);
    const values = { ...data, changed_at: data.changed_at ?? data.placed_at };
    for (const field of item.querySelectorAll("[data-field]")) {
      if (field instanceof HTMLElement) this.#fill(field, values);
    }
    const link = item.querySelector("[data-bell-link]");
    // The blank links to order 0.
    link?.setAttribute("href", link.getAttribute("href")?.replace("/0/", `/${data.order}/`) ?? "");
    const readButton = item.querySelector("[data-bell-read-one]");
    if (readButton instanceof HTMLButtonElement) readButton.value = String(position);
    return item;
  }

  /**
   * Puts these on top of every list, and lets the oldest go.
   *
   * @param {readonly HTMLElement[]} items the newest last
   */
  add(items) {
    const newestFirst = items.slice(-this.#kept).reverse();
    for (const list of this.#lists()) {
      list.prepend(...newestFirst.map((item) => item.cloneNode(true)));
      for (const old of [...list.children].slice(this.#kept)) old.remove();
    }
  }

  /**
   * Shows instead what the server has rendered anew.
   *
   * @param {Element} freshRoot
   */
  replace(freshRoot) {
    const fresh = freshRoot.querySelector("[data-bell-list]");
    for (const list of this.#lists()) {
      const items = [...(fresh?.children ?? [])].map((item) => item.cloneNode(true));
      list.replaceChildren(...items);
    }
  }

  /**
   * New, seen or read: in these lists, and wherever else the page shows a notification.
   *
   * @param {(position: number) => NotificationState} stateOf
   */
  showStates(stateOf) {
    for (const item of this.#page.querySelectorAll("[data-position][data-state]")) {
      if (!(item instanceof HTMLElement)) continue;
      const state = stateOf(Number(item.dataset.position));
      if (item.dataset.state !== state) item.dataset.state = state;
    }
  }

  isEmpty() {
    return this.#lists().every((list) => list.childElementCount === 0);
  }

  #lists() {
    return [...this.#page.querySelectorAll("[data-bell-list]")];
  }

  /**
   * @param {string} status
   * @returns {HTMLElement}
   */
  #blank(status) {
    const blanks = [...this.#root.querySelectorAll("template")];
    const forAnyStatus = blanks.find((blank) => blank.dataset.status === "");
    const blank = blanks.find((blank) => blank.dataset.status === status) ?? forAnyStatus;
    const item = blank?.content.querySelector("li");
    if (!item) throw new Error("The bell's markup has no blank: see orders/bell_root.html.");
    return /** @type {HTMLElement} */ (item.cloneNode(true));
  }

  /**
   * @param {HTMLElement} field
   * @param {Record<string, unknown>} values
   */
  #fill(field, values) {
    const text = String(values[field.dataset.field ?? ""]);
    if (field instanceof HTMLTimeElement) {
      field.dateTime = text;
    } else if (field instanceof HTMLDataElement) {
      field.value = text;
      field.textContent = this.#money.format(Number(text));
    } else {
      field.textContent = text;
    }
  }
}
