// @ts-check
/**
 * Which orders the board shows: pure functions, which know nothing of the page.
 *
 * Their invariant: the list that the server rendered, with the events after its cursor applied, is
 * the list that the server would render now. An event has the order's whole state after a change,
 * so an event that comes again, or that the list already includes, changes nothing.
 *
 * @typedef {{
 *   order: number, status: string, product: string, quantity: number, unit_price: string,
 *   total: string, customer: string, placed_at: string, changed_at: string,
 * }} OrderEvent
 *
 * @typedef {{order: number, placedAt: string}} Place Where an order stands among all of them.
 * @typedef {Place & {status: string, event: OrderEvent | null}} Row
 *   event: the last event applied to the row; null: it is as the server rendered it.
 * @typedef {{status: string, customer: string, product: string}} Filter Empty: whichever.
 *
 * @typedef {{
 *   rows: readonly Row[],
 *   filter: Filter,
 *   kept: number,
 *   statuses: readonly string[],
 *   newest: Place | null,
 *   oldest: Place | null,
 * }} Board
 *   rows: the newest first, at most as many as are kept.
 *   statuses: in the order in which an order can come to them.
 *   newest: the list begins with the orders placed before this one; null: with the newest of all.
 *   oldest: the list ends with this order; null: it has all older ones.
 */

/**
 * The board after this event.
 * @param {Board} board
 * @param {OrderEvent} event
 * @returns {Board}
 */
export function applyOrder(board, event) {
  const shown = board.rows.find((row) => row.order === event.order);
  if (shown && isKnown(board, event, shown)) return board;
  const others = board.rows.filter((row) => row !== shown);
  if (!belongs(board, event)) return shown ? { ...board, rows: others } : board;
  const { order, status, placed_at: placedAt } = event;
  return keepTheNewest({ ...board, rows: inserted(others, { order, status, placedAt, event }) });
}

/**
 * The board after an order was deleted.
 * @param {Board} board
 * @param {number} order
 * @returns {Board}
 */
export function applyDeletion(board, order) {
  const rows = board.rows.filter((row) => row.order !== order);
  return rows.length === board.rows.length ? board : { ...board, rows };
}

/**
 * The board with the next older orders, from another page of the list.
 * @param {Board} board
 * @param {{rows: readonly Row[], oldest: Place | null}} older
 * @returns {Board}
 */
export function addOlder(board, older) {
  const known = new Set(board.rows.map((row) => row.order));
  const rows = [...board.rows, ...older.rows.filter((row) => !known.has(row.order))];
  return keepTheNewest({ ...board, rows, oldest: older.oldest });
}

/**
 * Whether so many orders have left the list that older ones should be fetched.
 * @param {Board} board
 */
export function isRunningLow(board) {
  return board.oldest !== null && board.rows.length < board.kept / 2;
}

/**
 * Whether the order of an event belongs in the list.
 * @param {Board} board
 * @param {OrderEvent} event
 */
function belongs({ filter, newest, oldest }, event) {
  const place = { order: event.order, placedAt: event.placed_at };
  return (
    matches(filter, event) &&
    (newest === null || compare(newest, place) < 0) &&
    (oldest === null || compare(place, oldest) <= 0)
  );
}

/**
 * The same filter as `Filter.orders()` in orders/board.py.
 * @param {Filter} filter
 * @param {OrderEvent} event
 */
export function matches(filter, event) {
  return (
    (filter.status === "" || filter.status === event.status) &&
    upper(event.customer).includes(upper(filter.customer)) &&
    upper(event.product).includes(upper(filter.product))
  );
}

/**
 * Upper case as in PostgreSQL: letter by letter, so that “ß” doesn't become “SS”.
 * @param {string} text
 */
function upper(text) {
  return Array.from(text, (letter) => {
    const capital = letter.toUpperCase();
    return [...capital].length === 1 ? capital : letter;
  }).join("");
}

/**
 * Whether the row is as new as the event, or newer: the list was read after the cursor, and the
 * order may have changed in between. No order returns to an earlier status. @param {Board} board
 * @param {OrderEvent} event @param {Row} row
 */
function isKnown({ statuses }, event, row) {
  if (event.status === row.status) return true;
  const [told, shown] = [event.status, row.status].map((status) => statuses.indexOf(status));
  // A status that the page doesn't know, after a deployment, has no place among the others.
  return told !== -1 && shown !== -1 && told < shown;
}

/**
 * @param {readonly Row[]} rows
 * @param {Row} row
 */
function inserted(rows, row) {
  const index = rows.findIndex((other) => compare(row, other) < 0);
  return index === -1 ? [...rows, row] : rows.toSpliced(index, 0, row);
}

/**
 * @param {Board} board
 * @returns {Board}
 */
function keepTheNewest(board) {
  if (board.rows.length <= board.kept) return board;
  const rows = board.rows.slice(0, board.kept);
  return { ...board, rows, oldest: rows[rows.length - 1] };
}

/**
 * Below zero if `a` stands above `b`: the newest first, as the server orders them.
 * @param {Place} a
 * @param {Place} b
 */
function compare(a, b) {
  const [first, second] = [sortable(a.placedAt), sortable(b.placedAt)];
  if (first !== second) return first > second ? -1 : 1;
  return b.order - a.order;
}

/**
 * A time as comparable text, because a Date has no microseconds. The server leaves out a fraction
 * of zero. @param {string} time
 */
function sortable(time) {
  return time.includes(".") ? time : time.replace("Z", ".000000Z");
}
