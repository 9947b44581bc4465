// @ts-check
/**
 * The live half of the staff's board.
 *
 * The server renders the orders of one moment; this script applies the later events of the stream.
 * board_state.js decides which orders are shown, board_rows.js shows them, and board_summary.js
 * fetches counts and chart.
 *
 * @typedef {import("./board_state.js").Board} Board
 * @typedef {import("./board_state.js").Place} Place
 */
import { LiveStream } from "../realtime/live_stream.js";
import { announcer } from "../realtime/page/announcer.js";
import { showConnection } from "../realtime/page/connection_line.js";
import { find, findTemplate, setting } from "../realtime/page/elements.js";
import { onceAFrame } from "../realtime/page/once_a_frame.js";
import { freshPage } from "../realtime/page/refresher.js";
import { RelativeTimes } from "../realtime/page/relative_times.js";
import { Hold } from "./board_hold.js";
import { keepOneStop, moveByKeys } from "./board_keys.js";
import { moveInPlace } from "./board_move.js";
import { renderedRows, rowOf, Rows } from "./board_rows.js";
import { addOlder, applyDeletion, applyOrder, isRunningLow } from "./board_state.js";
import { Summary } from "./board_summary.js";
import { writeMoney } from "../realtime/page/money.js";

/** A restored database resets all boards at once; their reloads are spread over this time. */
const RELOAD_SPREAD_MS = 2_000;

const root = find(document, "[data-board]");
const olderLink = /** @type {HTMLAnchorElement} */ (find(root, "[data-board-older]"));
const pauseButton = find(root, "[data-board-pause] button");

const times = new RelativeTimes(document.documentElement.lang);
const rows = new Rows(root, finish);
const summary = new Summary(setting(root, "summaryUrl"));
const announce = announcer(
  find(root, "[data-board-announcer]"),
  findTemplate(root, "[data-board-announcement]"),
);
const showSoon = onceAFrame(show);
const hold = new Hold(find(root, "[data-board-rows]"), showSoon);

let board = renderedBoard();
let isPaused = false;
/** How many events have changed the board since it was shown. */
let waiting = 0;
/**
 * A change from the stream: an order's new state, or its deletion.
 * @typedef {(board: Board) => Board} Change
 */
/** What has been told since older ones were asked for; undefined: they are not.
 * @type {Change[] | undefined} */
let toldMeanwhile;

times.keep(document);
writeMoney(document);
moveByKeys(find(root, "[data-board-rows]"));
for (const row of renderedRows(root)) keepOneStop(row);
const moveForm = root.querySelector("[data-board-move-form]");
if (moveForm instanceof HTMLFormElement) moveInPlace(moveForm, find(root, "[data-board-problem]"));
follow();
find(root, "[data-board-pause]").hidden = false;
pauseButton.addEventListener("click", onPause);

/* ---- The stream ---- */

function follow() {
  const stream = LiveStream.from(root, { types: ["orders", "order-deleted"] });
  stream.on("event", onEvent);
  stream.on("state", ({ state }) => showConnection([find(root, "[data-board-connection]")], state));
  // The cursor can't be honoured: reload, because the new page has a new list and cursor.
  stream.on("reset", () => {
    stream.close();
    setTimeout(() => location.reload(), Math.random() * RELOAD_SPREAD_MS);
  });
  find(root, "[data-board-connection]").hidden = false;
  stream.start();
}

/** @param {{type: string, data: any}} event */
function onEvent({ type, data }) {
  if (type === "orders") onChange((board) => applyOrder(board, data));
  else if (type === "order-deleted") onChange((board) => applyDeletion(board, data.order));
}

/** @param {Change} change */
function onChange(change) {
  toldMeanwhile?.push(change);
  const before = board;
  board = change(board);
  if (board !== before) {
    waiting += 1;
    showSoon();
  }
  if (!isPaused) summary.ask();
}

/* ---- The list ---- */

/** @returns {Board} */
function renderedBoard() {
  return {
    rows: renderedRows(root).map(rowOf),
    filter: { status: setting(root, "status"), customer: setting(root, "customer"), product: setting(root, "product") },
    kept: Number(setting(root, "kept")),
    statuses: setting(root, "statuses").split(" "),
    newest: placeIn(root, "newest"),
    oldest: placeIn(root, "oldest"),
  };
}

/**
 * @param {HTMLElement} element
 * @param {"newest" | "oldest"} end
 * @returns {Place | null}
 */
function placeIn({ dataset }, end) {
  const [order, placedAt] = [dataset[`${end}Order`], dataset[`${end}PlacedAt`]];
  return order && placedAt ? { order: Number(order), placedAt } : null;
}

/** Done once a frame, however many events have come. */
function show() {
  if (isPaused) return showWaiting(waiting);
  announce.add(waiting);
  waiting = 0;
  showWaiting(rows.show(board.rows, hold.isOn));
  find(root, "[data-board-empty]").hidden = board.rows.length > 0;
  showOlderLink();
  if (isRunningLow(board) && !toldMeanwhile) fetchOlder();
}

/** @param {number} count of changes that are kept back */
function showWaiting(count) {
  const waits = find(root, "[data-board-waiting]");
  waits.hidden = count === 0;
  find(waits, "[data-board-waiting-count]").textContent = String(count);
}

/**
 * What a row lacks when it has been rendered or filled in.
 * @param {HTMLElement} row
 */
function finish(row) {
  times.write(row);
  writeMoney(row);
  keepOneStop(row);
}

function showOlderLink() {
  olderLink.hidden = board.oldest === null;
  if (board.oldest === null) return;
  const parameters = new URLSearchParams(location.search);
  parameters.set("before", String(board.oldest.order));
  olderLink.setAttribute("href", `?${parameters}`);
}

/** Fetches the next page of orders, after many have left the list. */
async function fetchOlder() {
  const told = (toldMeanwhile = /** @type {Change[]} */ ([]));
  try {
    const { page } = await freshPage(olderLink.href);
    const next = page.querySelector("[data-board]");
    if (next instanceof HTMLElement) addPage(next, told);
  } catch {
    // No network: the link to older orders is still there, and the next event tries again.
  } finally {
    toldMeanwhile = undefined;
  }
}

/**
 * @param {HTMLElement} page the board with the next ones
 * @param {Change[]} told
 */
function addPage(page, told) {
  const elements = renderedRows(page);
  for (const element of elements) {
    finish(element);
    rows.adopt(element, rowOf(element));
  }
  board = addOlder(board, { rows: elements.map(rowOf), oldest: placeIn(page, "oldest") });
  // The answer may be older than some events that have come since the request.
  for (const change of told) board = change(board);
  showSoon();
}

/* ---- Pause: so that rows don't move while the user reads one or aims at a link ---- */

function onPause() {
  isPaused = !isPaused;
  root.toggleAttribute("data-is-paused", isPaused);
  if (!isPaused) summary.ask();
  showSoon();
}
