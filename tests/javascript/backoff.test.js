import assert from "node:assert/strict";
import { test } from "node:test";

import {
  FIRST_RETRY_MS,
  LONGEST_RETRY_MS,
  fullJitter,
} from "../../realtime/static/realtime/backoff.js";

const longest = () => 1;

test("it waits up to twice as long after each failure", () => {
  assert.deepEqual([0, 1, 2, 3].map((failures) => fullJitter(failures, longest)), [
    FIRST_RETRY_MS,
    2 * FIRST_RETRY_MS,
    4 * FIRST_RETRY_MS,
    8 * FIRST_RETRY_MS,
  ]);
});

test("it never waits longer than half a minute", () => {
  for (const failures of [5, 50, 5_000]) {
    assert.equal(fullJitter(failures, longest), LONGEST_RETRY_MS);
  }
  assert.equal(LONGEST_RETRY_MS, 30_000);
});

test("any time up to the limit may come out, so that nobody comes back together", () => {
  assert.equal(fullJitter(3, () => 0), 0);
  assert.equal(fullJitter(3, () => 0.5), 4 * FIRST_RETRY_MS);
  assert.ok(new Set(Array.from({ length: 20 }, () => fullJitter(3))).size > 10);
});
