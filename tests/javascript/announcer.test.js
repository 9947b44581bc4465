import assert from "node:assert/strict";
import { test } from "node:test";

import { Gatherer } from "../../realtime/static/realtime/page/announcer.js";
import { movedByHand } from "./clocks.js";

function gathering() {
  const clock = movedByHand();
  const told = [];
  return { clock, told, gatherer: new Gatherer((count) => told.push(count), clock) };
}

test("two hundred that arrive within a second are told in one sentence", () => {
  const { clock, told, gatherer } = gathering();
  for (let arrived = 0; arrived < 200; arrived++) {
    gatherer.add(1);
    clock.pass(4);
  }
  clock.pass(1_000);
  assert.deepEqual(told, [200]);
});

test("a storm that goes on is one sentence every five seconds", () => {
  const { clock, told, gatherer } = gathering();
  for (let second = 0; second < 20; second++) {
    gatherer.add(10);
    clock.pass(1_000);
  }
  clock.pass(60_000);
  assert.equal(told.reduce((sum, count) => sum + count), 200);
  assert.deepEqual(told.length, 5);
});

test("silence is not told", () => {
  const { clock, told, gatherer } = gathering();
  gatherer.add(0);
  clock.pass(60_000);
  gatherer.add(1);
  clock.pass(60_000);
  assert.deepEqual(told, [1]);
});
