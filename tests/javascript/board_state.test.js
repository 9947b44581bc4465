// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import {
  addOlder,
  applyDeletion,
  applyOrder,
  isRunningLow,
  matches,
} from "../../orders/static/orders/board_state.js";

/** @typedef {import("../../orders/static/orders/board_state.js").Board} Board */
/** @typedef {import("../../orders/static/orders/board_state.js").OrderEvent} OrderEvent */

const STATUSES = ["placed", "paid", "shipped", "delivered", "cancelled"];

/** @param {Partial<Board>} [values] @returns {Board} */
function aBoard(values) {
  const filter = { status: "", customer: "", product: "" };
  return { rows: [], filter, kept: 3, statuses: STATUSES, newest: null, oldest: null, ...values };
}

/** @param {number} order @param {Partial<OrderEvent>} [values] @returns {OrderEvent} */
function anEvent(order, values) {
  return {
    order,
    status: "placed",
    product: "Tea",
    quantity: 2,
    unit_price: "4.50",
    total: "9.00",
    customer: "alice",
    placed_at: `2026-11-22T13:05:${String(order).padStart(2, "0")}.250000Z`,
    changed_at: "2026-11-22T14:00:00Z",
    ...values,
  };
}

/** @param {OrderEvent} event */
const rowOf = (event) => ({
  order: event.order,
  status: event.status,
  placedAt: event.placed_at,
  event: null,
});

/** @param {Board} board @param {OrderEvent[]} events */
const after = (board, ...events) => events.reduce(applyOrder, board);

/** @param {Board} board */
const shown = (board) => board.rows.map((row) => `${row.order} ${row.status}`);

/** @param {Partial<import("../../orders/static/orders/board_state.js").Filter>} filter */
const only = (filter) => ({ status: "", customer: "", product: "", ...filter });

test("it puts a new order on top", () => {
  assert.deepEqual(shown(after(aBoard(), anEvent(1), anEvent(2))), ["2 placed", "1 placed"]);
});

test("an order that was deleted leaves, and one that isn't shown changes nothing", () => {
  const board = after(aBoard(), anEvent(1), anEvent(2));
  assert.deepEqual(shown(applyDeletion(board, 2)), ["1 placed"]);
  assert.equal(applyDeletion(board, 3), board);
});

test("it puts an order that comes late where it belongs", () => {
  const board = after(aBoard(), anEvent(1), anEvent(3), anEvent(2));
  assert.deepEqual(shown(board), ["3 placed", "2 placed", "1 placed"]);
});

test("it sorts by microseconds, also where the server leaves out a fraction of zero", () => {
  const times = ["05:10Z", "05:09.999999Z", "05:10.000001Z"];
  const events = times.map((time, n) => anEvent(n, { placed_at: `2026-11-22T13:${time}` }));
  assert.deepEqual(shown(after(aBoard(), ...events)), ["2 placed", "0 placed", "1 placed"]);
});

test("of two orders of one moment, the higher number is above", () => {
  const placed_at = "2026-11-22T13:05:09.120000Z";
  const board = after(aBoard(), anEvent(8, { placed_at }), anEvent(7, { placed_at }));
  assert.deepEqual(shown(board), ["8 placed", "7 placed"]);
});

test("it changes a status in place", () => {
  const board = after(aBoard(), anEvent(1), anEvent(2), anEvent(1, { status: "paid" }));
  assert.deepEqual(shown(board), ["2 placed", "1 paid"]);
});

test("an event that comes again changes nothing", () => {
  const board = after(aBoard(), anEvent(1), anEvent(2));
  assert.equal(after(board, anEvent(1), anEvent(2)), board);
});

test("what the list has in it already does not go back in time", () => {
  const board = aBoard({ rows: [rowOf(anEvent(1, { status: "shipped" }))] });
  assert.equal(after(board, anEvent(1), anEvent(1, { status: "paid" })), board);
});

test("a status that came with a deploy is shown, and left again", () => {
  const packed = after(aBoard(), anEvent(1, { status: "paid" }), anEvent(1, { status: "packed" }));
  assert.deepEqual(shown(packed), ["1 packed"]);
  assert.deepEqual(shown(after(packed, anEvent(1, { status: "shipped" }))), ["1 shipped"]);
});

test("it keeps no more than it may, and remembers where it ends", () => {
  const board = after(aBoard(), anEvent(1), anEvent(2), anEvent(3), anEvent(4));
  assert.deepEqual(shown(board), ["4 placed", "3 placed", "2 placed"]);
  assert.equal(board.oldest?.order, 2);
  // It is on the next page now, and stays there.
  assert.equal(after(board, anEvent(1, { status: "paid" })), board);
});

test("where it ends does not move when its last one leaves", () => {
  const board = after(
    aBoard({ filter: only({ status: "placed" }) }),
    ...[1, 2, 3, 4].map((order) => anEvent(order)),
    anEvent(2, { status: "paid" }),
  );
  assert.deepEqual(shown(board), ["4 placed", "3 placed"]);
  assert.equal(board.oldest?.order, 2);
});

test("an older page takes no new orders, but changes its own", () => {
  const { order, placed_at: placedAt } = anEvent(3);
  const board = aBoard({ rows: [rowOf(anEvent(2))], newest: { order, placedAt } });
  const events = [anEvent(3), anEvent(4), anEvent(2, { status: "paid" }), anEvent(1)];
  assert.deepEqual(shown(after(board, ...events)), ["2 paid", "1 placed"]);
});

test("an order comes to the list of a status, and goes from it", () => {
  const board = aBoard({ filter: only({ status: "paid" }) });
  const paid = after(board, anEvent(1), anEvent(1, { status: "paid" }));
  assert.deepEqual(shown(paid), ["1 paid"]);
  assert.deepEqual(shown(after(paid, anEvent(1, { status: "shipped" }))), []);
});

test("it finds a customer by any part of their name, as it does a product", () => {
  const filter = only({ customer: "LIC" });
  assert.ok(matches(filter, anEvent(1, { customer: "alice" })));
  assert.ok(matches(filter, anEvent(1, { customer: "alice2" })));
  assert.ok(!matches(filter, anEvent(1, { customer: "bob" })));
});

test("it finds a product by any part of its name, as the database does", () => {
  const found = (/** @type {string} */ product, /** @type {string} */ text) =>
    matches(only({ product: text }), anEvent(1, { product }));
  assert.ok(found("Espresso cups", "SSO C"));
  assert.ok(!found("Espresso cups", "tea"));
  assert.ok(found("STRAßE", "straße"));
  assert.ok(!found("Straße", "strasse"));
  assert.ok(found("ΟΔΟΣ", "οδος"));
  assert.ok(found("100% wool", "0% w"));
});

test("it asks for older ones when half of them have left, if there are any", () => {
  const rows = [1, 2].map((order) => rowOf(anEvent(order)));
  const oldest = { order: 1, placedAt: anEvent(1).placed_at };
  assert.ok(!isRunningLow(aBoard({ rows, oldest })));
  assert.ok(isRunningLow(aBoard({ rows: rows.slice(1), oldest })));
  assert.ok(!isRunningLow(aBoard({ rows: rows.slice(1), oldest: null })));
});

test("older ones follow, each once, and no more than it may keep", () => {
  const rows = (/** @type {number[]} */ ...orders) => orders.map((order) => rowOf(anEvent(order)));
  const [five] = rows(5);
  const board = aBoard({ rows: [five], oldest: five });
  const whole = addOlder(board, { rows: rows(5, 4), oldest: null });
  assert.deepEqual(shown(whole), ["5 placed", "4 placed"]);
  assert.equal(whole.oldest, null);
  const cut = addOlder(board, { rows: rows(4, 3, 2), oldest: null });
  assert.deepEqual(shown(cut), ["5 placed", "4 placed", "3 placed"]);
  assert.equal(cut.oldest?.order, 3);
});

test("the list and the events after it are the list of later, whatever happens", () => {
  const random = randomFrom(4);
  const pick = (/** @type {readonly any[]} */ from) => from[Math.floor(random() * from.length)];
  const next = { placed: ["paid", "cancelled"], paid: ["shipped", "cancelled"], shipped: ["delivered"] };
  for (let round = 0; round < 200; round++) {
    const filter = only({ status: pick(["", ...STATUSES]), customer: pick(["", "alice", "bob"]) });
    /** @type {Map<number, OrderEvent>} */
    const table = new Map();
    /** @type {OrderEvent[]} */
    const log = [];
    const change = () => {
      const open = [...table.values()].filter((order) => order.status in next);
      const order =
        open.length && random() < 0.5
          ? { ...pick(open) }
          : anEvent(table.size + 1, { customer: pick(["alice", "bob"]) });
      if (table.has(order.order)) order.status = pick(next[/** @type {keyof next} */ (order.status)]);
      table.set(order.order, order);
      log.push(order);
    };
    const rendered = () => {
      const all = [...table.values()].filter((order) => matches(filter, order));
      all.sort((a, b) => b.order - a.order);
      return aBoard({ rows: all.map(rowOf), filter, kept: 100 });
    };
    for (let n = 0; n < 8; n++) change();
    const cursor = Math.floor(random() * log.length); // read before the list
    const page = rendered();
    for (let n = 0; n < 8; n++) change();
    const lived = log.slice(cursor).reduce(applyOrder, page);
    assert.deepEqual(shown(lived), shown(rendered()));
  }
});

/** Always the same numbers for a seed: mulberry32. @param {number} seed */
function randomFrom(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}
