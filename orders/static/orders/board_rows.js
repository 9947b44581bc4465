// @ts-check
/**
 * The rows of the board's table. Words and markup are in the page's <template> elements; the data
 * of events is filled in through `textContent`.
 *
 * @typedef {import("./board_state.js").OrderEvent} OrderEvent
 * @typedef {import("./board_state.js").Row} Row
 */

/** How long a row shows that it is new or has changed. */
const FRESH_MS = 3_000;

/**
 * The rows that the server has rendered, in the order of the page.
 * @param {ParentNode} page
 * @returns {HTMLElement[]}
 */
export function renderedRows(page) {
  return /** @type {HTMLElement[]} */ ([...page.querySelectorAll("[data-board-rows] > tr")]);
}

/**
 * @param {HTMLElement} element
 * @returns {Row}
 */
export function rowOf({ dataset: { order, status = "", placedAt = "" } }) {
  return { order: Number(order), status, placedAt, event: null };
}

/** Shows the rows of a state, and touches only those that have changed. */
export class Rows {
  /**
   * @param {HTMLElement} board
   * @param {(row: HTMLElement) => void} onFilled called when a row has been filled in
   */
  constructor(board, onFilled) {
    this._list = /** @type {HTMLElement} */ (board.querySelector("[data-board-rows]"));
    this._onFilled = onFilled;
    /** @type {Map<number, {element: HTMLElement, row: Row}>} */
    this._shown = new Map();
    /** @type {Map<string, HTMLTemplateElement>} */
    this._blanks = new Map();
    for (const blank of board.querySelectorAll("template")) {
      const status = blank.dataset.boardBlank;
      if (status !== undefined) this._blanks.set(status, blank);
    }
    for (const element of renderedRows(board)) this.adopt(element, rowOf(element));
  }

  /**
   * Adds a row that the server has rendered; the next `show()` shows it.
   * @param {HTMLElement} element
   * @param {Row} row
   */
  adopt(element, row) {
    if (!this._shown.has(row.order)) this._shown.set(row.order, { element, row });
  }

  /**
   * @param {readonly Row[]} rows
   * @param {boolean} isHeld whether no row may move: what comes and goes waits
   * @returns {number} how many rows have changed
   */
  show(rows, isHeld = false) {
    const wanted = new Set(rows.map((row) => row.order));
    let keptBack = 0;
    for (const [order, { element }] of this._shown) {
      element.toggleAttribute("data-leaving", isHeld && !wanted.has(order));
      if (isHeld && !wanted.has(order)) keptBack += 1;
    }
    if (!isHeld) this._removeAllBut(wanted);
    // Rows never change their order, so existing rows stay in place and keep the focus.
    let next = this._list.firstElementChild;
    const fresh = [];
    for (const row of rows) {
      const shown = this._shown.get(row.order);
      if (isHeld && !shown?.element.isConnected) {
        keptBack += 1;
        continue;
      }
      const element = shown?.element ?? this._blank(row.status);
      if (row.event && shown?.row !== row) {
        this._fill(element, row.event);
        fresh.push(element);
      }
      this._shown.set(row.order, { element, row });
      if (isHeld) continue;
      if (element === next) next = next.nextElementSibling;
      else this._list.insertBefore(element, next);
    }
    markAsFresh(fresh);
    return keptBack;
  }

  /** @param {Set<number>} orders */
  _removeAllBut(orders) {
    for (const [order, { element }] of this._shown) {
      if (orders.has(order)) continue;
      element.remove();
      this._shown.delete(order);
    }
  }

  /**
   * A page stays open during a deployment, so it may meet a status that it doesn't know.
   * @param {string} status
   */
  _blank(status) {
    const blank = this._blanks.get(status) ?? this._blanks.get("");
    const row = /** @type {HTMLTemplateElement} */ (blank).content.querySelector("tr");
    return /** @type {HTMLElement} */ (/** @type {Element} */ (row).cloneNode(true));
  }

  /**
   * @param {HTMLElement} row
   * @param {OrderEvent} event
   */
  _fill(row, event) {
    this._fillStatus(row, event.status);
    for (const field of row.querySelectorAll("[data-field]")) {
      const name = /** @type {keyof OrderEvent} */ (/** @type {HTMLElement} */ (field).dataset.field);
      const text = String(event[name]);
      if (field instanceof HTMLTimeElement) {
        field.dateTime = text;
      } else if (field instanceof HTMLDataElement) {
        field.value = text; // see money.js
      } else {
        field.textContent = text;
      }
    }
    row.dataset.order = String(event.order);
    row.dataset.placedAt = event.placed_at;
    fillLinks(row, event);
    this._onFilled(row);
  }

  /**
   * @param {HTMLElement} row
   * @param {string} status
   */
  _fillStatus(row, status) {
    if (row.dataset.status === status) return;
    const blank = this._blank(status);
    for (const part of ["[data-board-chip]", "[data-board-moves]"]) {
      const fresh = blank.querySelector(part);
      if (fresh) row.querySelector(part)?.replaceWith(fresh);
    }
    row.dataset.status = status;
  }
}

/**
 * Replaces order 0 and the empty customer in a blank's links and buttons.
 * @param {HTMLElement} row
 * @param {OrderEvent} event
 */
function fillLinks(row, event) {
  for (const button of row.querySelectorAll("button")) {
    const action = button.getAttribute("formaction") ?? "";
    button.setAttribute("formaction", action.replace(/\/0\//, `/${event.order}/`));
  }
  for (const link of row.querySelectorAll("a")) {
    const href = link.getAttribute("href") ?? "";
    if ("boardLink" in link.dataset) {
      link.setAttribute("href", href.replace(/\/0\//, `/${event.order}/`));
    } else if ("boardCustomer" in link.dataset) {
      const parameters = new URLSearchParams(href);
      parameters.set("customer", event.customer);
      link.setAttribute("href", `?${parameters}`);
    }
  }
}

/**
 * The stylesheet shows that a row is fresh, with movement unless the viewer prefers less motion.
 * @param {HTMLElement[]} elements
 */
function markAsFresh(elements) {
  if (elements.length === 0) return;
  const shownAt = String(performance.now());
  for (const element of elements) element.dataset.fresh = shownAt;
  setTimeout(() => {
    for (const element of elements) {
      // Unless it has changed again since.
      if (element.dataset.fresh === shownAt) delete element.dataset.fresh;
    }
  }, FRESH_MS);
}
