// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";

import { clockOffset, Deliveries } from "../../config/static/demo/deliveries.js";

test("what the database holds and hasn't come is lost until it comes", () => {
  const deliveries = new Deliveries();
  deliveries.published = 2;
  assert.equal(deliveries.lost, 2);
  deliveries.come(7, "1 placed", 0);
  deliveries.come(9, "2 placed", 0);
  assert.deepEqual([deliveries.received, deliveries.lost], [2, 0]);
});

test("what comes before the database was asked isn't owed by it", () => {
  const deliveries = new Deliveries();
  deliveries.come(7, "1 placed", 0);
  assert.equal(deliveries.lost, 0);
});

test("an event that comes again is doubled, and isn't received twice", () => {
  const deliveries = new Deliveries();
  deliveries.published = 2;
  for (const position of [7, 7, 7]) deliveries.come(position, "1 placed", 0);
  assert.deepEqual([deliveries.received, deliveries.doubled, deliveries.lost], [1, 2, 1]);
});

test("an event is timed whether it or the answer to its request comes first", () => {
  const deliveries = new Deliveries();
  deliveries.commit("1 placed", 100);
  deliveries.come(7, "1 placed", 106);
  deliveries.come(8, "1 paid", 220);
  deliveries.commit("1 paid", 210);
  assert.equal(deliveries.percentile(0.5), 6);
  assert.equal(deliveries.percentile(0.99), 10);
});

test("what was committed without a connection isn't timed", () => {
  const deliveries = new Deliveries();
  assert.equal(deliveries.percentile(0.5), undefined);
  deliveries.commit("1 placed", null);
  deliveries.come(7, "1 placed", 5_000);
  deliveries.commit("2 placed", 100);
  deliveries.forgetOnTheWay();
  deliveries.come(8, "2 placed", 5_000);
  assert.equal(deliveries.percentile(0.5), undefined);
});

test("the server's clock is read in the middle of the request", () => {
  assert.equal(clockOffset(100, 110, 1_105), 1_000);
});
