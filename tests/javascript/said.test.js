import assert from "node:assert/strict";
import { test } from "node:test";

import { verdict } from "../../realtime/static/realtime/said.js";

const said = (after, position, type = "orders") => ({ after, position, type, data: null });

test("what follows on the cursor is next", () => {
  assert.equal(verdict(7, said(7, 8)), "next");
  assert.equal(verdict(7, said(7, 30)), "next"); // those between are other people's
});

test("what was told already is known", () => {
  assert.equal(verdict(7, said(6, 7)), "known");
  assert.equal(verdict(7, said(2, 3)), "known");
});

test("who is ahead of the leader takes what is beyond the cursor", () => {
  assert.equal(verdict(7, said(5, 9)), "next");
});

test("what follows on something this tab was not told is a gap", () => {
  assert.equal(verdict(7, said(8, 9)), "gap");
});

test("a heartbeat beyond the cursor shows a gap too", () => {
  assert.equal(verdict(7, said(8, 9, "heartbeat")), "gap");
  assert.equal(verdict(7, said(9, 9, "heartbeat")), "gap");
  assert.equal(verdict(9, said(9, 9, "heartbeat")), "known");
});

test("a reset counts wherever it leads", () => {
  for (const position of [3, 7, 9]) assert.equal(verdict(7, said(7, position, "reset")), "next");
  assert.equal(verdict(7, said(100, 3, "reset")), "next");
});

/** What a tab shows that hears these, and asks the server wherever there is a gap. */
function shown(log, heard) {
  let cursor = 0;
  const positions = [];
  const take = (one) => {
    const found = verdict(cursor, one);
    if (found !== "next") return found;
    cursor = one.position;
    positions.push(one.position);
    return found;
  };
  for (const one of heard) {
    if (take(one) !== "gap") continue;
    for (const missed of log.filter(({ position }) => position > cursor)) take(missed);
    take(one);
  }
  return positions;
}

test("lost, repeated and late: a tab that asks at each gap shows each once, in order", () => {
  let seed = 1;
  const random = () => (seed = (seed * 48271) % 2147483647) / 2147483647;
  for (let round = 0; round < 500; round++) {
    let position = 0;
    const log = Array.from({ length: 12 }, () => {
      const after = position;
      position += 1 + Math.floor(random() * 3);
      return said(after, position);
    });
    const heard = log.filter(() => random() > 0.3);
    for (let n = 0; n < 4; n++) {
      heard.splice(Math.floor(random() * heard.length), 0, log[Math.floor(random() * log.length)]);
    }
    heard.push(log.at(-1)); // the last heartbeat at the latest tells of it
    assert.deepEqual(shown(log, heard), log.map((one) => one.position));
  }
});
