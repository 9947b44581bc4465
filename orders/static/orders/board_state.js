// @ts-check
/**
 * Which orders the board shows: pure functions, which know nothing of the page.
 *
 * What they keep: the list that the server rendered, with the events after its cursor, is the list
 * that the server would render now. An event tells an order as it was after a change, so one that
 * comes again, or that the list has in it already, changes nothing.
 *
 * @typedef {{
 *   order: number, status: string, product: string, quantity: number, unit_price: string,
 *   total: string, customer: string, placed_at: string, changed_at: string,
 * }} OrderEvent
 *
 * @typedef {{order: number, placedAt: string}} Place Where an order stands among all of them.
 * @typedef {Place & {status: string, event: OrderEvent | null}} Row
 *   event: what the row was last told; null: it is as the server rendered it.
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
 *   newest: the list holds what was placed before this one; null: the newest of all.
 *   oldest: the list holds nothing that was placed before this one; null: all there are.
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
 * The board with those that come next in time, as another page of it lists them.
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
 * Whether so many have left the list that some of the older ones should follow.
 * @param {Board} board
 */
export function isRunningLow(board) {
  return board.oldest !== null && board.rows.length < board.kept / 2;
}

/**
 * Whether an event of this order would be in the list.
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
 * As `Filter.orders()` in orders/board.py asks the database.
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
 * Upper case as PostgreSQL has it: each letter for itself, so that “ß” doesn't become “SS”.
 * @param {string} text
 */
function upper(text) {
  return Array.from(text, (letter) => {
    const capital = letter.toUpperCase();
    return [...capital].length === 1 ? capital : letter;
  }).join("");
}

/**
 * Whether the row is as far as the event, or further: between the cursor and the list, which was
 * read after it, the order has gone on. No order comes back to a status that it has left.
 * @param {Board} board
 * @param {OrderEvent} event
 * @param {Row} row
 */
function isKnown({ statuses }, event, row) {
  if (event.status === row.status) return true;
  const [told, shown] = [event.status, row.status].map((status) => statuses.indexOf(status));
  // A status that the page was never told of, after a deploy, stands nowhere among the others.
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
 * A time as the server writes it, which leaves out a fraction of zero. As text, for a Date knows
 * no microseconds.
 * @param {string} time
 */
function sortable(time) {
  return time.includes(".") ? time : time.replace("Z", ".000000Z");
}
