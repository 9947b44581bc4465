import assert from "node:assert/strict";
import { test } from "node:test";

import { Countdown } from "../../realtime/bell/static/realtime/bell/countdown.js";
import { movedByHand } from "./clocks.js";

function countingDown(milliseconds) {
  const clock = movedByHand();
  const ended = { times: 0 };
  const countdown = new Countdown(milliseconds, () => ended.times++, clock);
  countdown.start();
  return { clock, countdown, ended };
}

test("it ends when its time has run out, once", () => {
  const { clock, ended } = countingDown(7_000);
  clock.pass(6_999);
  assert.equal(ended.times, 0);
  clock.pass(1);
  assert.equal(ended.times, 1);
  clock.pass(60_000);
  assert.equal(ended.times, 1);
});

test("it does not run while it is paused, and goes on with what was left", () => {
  const { clock, countdown, ended } = countingDown(7_000);
  clock.pass(3_000);
  countdown.pause();
  clock.pass(60_000);
  assert.equal(ended.times, 0);
  countdown.start();
  clock.pass(3_999);
  assert.equal(ended.times, 0);
  clock.pass(1);
  assert.equal(ended.times, 1);
});

test("nothing ends right after somebody looks away", () => {
  const { clock, countdown, ended } = countingDown(7_000);
  clock.pass(6_999);
  countdown.pause();
  countdown.start();
  clock.pass(1_999);
  assert.equal(ended.times, 0);
  clock.pass(1);
  assert.equal(ended.times, 1);
});

test("renewed, it has its full time again; renewed while paused, it stays paused", () => {
  const { clock, countdown, ended } = countingDown(7_000);
  clock.pass(6_000);
  countdown.renew(7_000);
  clock.pass(6_999);
  assert.equal(ended.times, 0);
  countdown.pause();
  countdown.renew(7_000);
  clock.pass(60_000);
  assert.equal(ended.times, 0);
  countdown.start();
  clock.pass(7_000);
  assert.equal(ended.times, 1);
});

test("starting it twice does not end it twice", () => {
  const { clock, countdown, ended } = countingDown(7_000);
  countdown.start();
  clock.pass(14_000);
  assert.equal(ended.times, 1);
});
