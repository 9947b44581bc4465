import assert from "node:assert/strict";
import { test } from "node:test";

import { Watchdog } from "../../realtime/static/realtime/watchdog.js";
import { FakeClock } from "./fake_clock.js";

function watched() {
  const clock = new FakeClock();
  const barks = [];
  return { clock, barks, dog: new Watchdog(() => barks.push(clock.now()), clock) };
}

test("it barks once when what was expected doesn't come", () => {
  const { clock, barks, dog } = watched();
  dog.expect(100);
  clock.pass(99);
  assert.equal(barks.length, 0);
  clock.pass(1);
  assert.equal(barks.length, 1);
  clock.pass(1_000);
  assert.equal(barks.length, 1);
});

test("each sign of life puts it off", () => {
  const { clock, barks, dog } = watched();
  for (let n = 0; n < 10; n++) {
    dog.expect(100);
    clock.pass(99);
  }
  assert.equal(barks.length, 0);
  clock.pass(1);
  assert.equal(barks.length, 1);
});

test("a shorter time counts at once", () => {
  const { clock, barks, dog } = watched();
  dog.expect(1_000);
  dog.expect(10);
  clock.pass(10);
  assert.equal(barks.length, 1);
});

test("at rest it doesn't bark", () => {
  const { clock, barks, dog } = watched();
  dog.expect(100);
  dog.rest();
  clock.pass(1_000);
  dog.check();
  assert.equal(barks.length, 0);
});

test("after a sleep it barks when it is looked at, not when its timer comes round", () => {
  const { clock, barks, dog } = watched();
  dog.expect(100);
  dog.check();
  clock.sleep(99);
  dog.check();
  assert.equal(barks.length, 0);
  clock.sleep(1);
  dog.check();
  assert.equal(barks.length, 1);
  clock.pass(1_000);
  assert.equal(barks.length, 1);
});

test("it may be told what to expect next while it barks", () => {
  const clock = new FakeClock();
  let barks = 0;
  const dog = new Watchdog(() => {
    barks += 1;
    dog.expect(100);
  }, clock);
  dog.expect(100);
  clock.pass(300);
  assert.equal(barks, 3);
});
