import assert from "node:assert/strict";
import { test } from "node:test";

import { classify, dataOf, eventOf, positionOf } from "../../realtime/static/realtime/messages.js";

const idAt = (position) => `${position}-${(position * 7919).toString(16)}`;

const delivery = (after, position, type = "orders") => ({
  after: idAt(after),
  id: idAt(position),
  type,
  text: "",
});

/** For a tab at this position. */
const classified = (position, one) => classify(idAt(position), one);

test("what follows on the cursor is next", () => {
  assert.equal(classified(7, delivery(7, 8)), "next");
  assert.equal(classified(7, delivery(7, 30)), "next"); // those between are other people's
});

test("what was told already is known", () => {
  assert.equal(classified(7, delivery(6, 7)), "known");
  assert.equal(classified(7, delivery(2, 3)), "known");
});

test("who is ahead of the leader takes what is beyond the cursor", () => {
  assert.equal(classified(7, delivery(5, 9)), "next");
});

test("what follows on something this tab was not told is a gap", () => {
  assert.equal(classified(7, delivery(8, 9)), "gap");
});

test("a heartbeat beyond the cursor shows a gap too", () => {
  assert.equal(classified(7, delivery(8, 9, "heartbeat")), "gap");
  assert.equal(classified(7, delivery(9, 9, "heartbeat")), "gap");
  assert.equal(classified(9, delivery(9, 9, "heartbeat")), "known");
});

test("a reset counts wherever it leads", () => {
  for (const position of [3, 7, 9]) assert.equal(classified(7, delivery(7, position, "reset")), "next");
  assert.equal(classified(7, delivery(100, 3, "reset")), "next");
});

/** What a tab shows that hears these, and asks the server wherever there is a gap. */
function shown(log, heard) {
  let cursor = "0";
  const positions = [];
  const take = (one) => {
    const found = classify(cursor, one);
    if (found !== "next") return found;
    cursor = one.id;
    positions.push(positionOf(one.id));
    return found;
  };
  for (const one of heard) {
    if (take(one) !== "gap") continue;
    for (const missed of log.filter(({ id }) => positionOf(id) > positionOf(cursor))) take(missed);
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
      return delivery(after, position);
    });
    const heard = log.filter(() => random() > 0.3);
    for (let n = 0; n < 4; n++) {
      heard.splice(Math.floor(random() * heard.length), 0, log[Math.floor(random() * log.length)]);
    }
    heard.push(log.at(-1)); // the last heartbeat at the latest tells of it
    assert.deepEqual(shown(log, heard), log.map((one) => positionOf(one.id)));
  }
});

test("an id is in the order of the number before its first dash", () => {
  assert.equal(positionOf("0"), 0);
  assert.equal(positionOf("930"), 930);
  assert.equal(positionOf("930-5f3a"), 930);
  assert.equal(positionOf("930-12e4-7"), 930);
  assert.equal(classify("9-ffff", { ...delivery(9, 10), after: "9-ffff", id: "10-0" }), "next");
});

test("data is what the text is as JSON, or the text", () => {
  assert.deepEqual(dataOf('{"order":7}'), { order: 7 });
  assert.equal(dataOf("<p>\nHello\n</p>"), "<p>\nHello\n</p>");
  assert.equal(dataOf(""), "");
});

test("what is dispatched has the id, its position, the data and the text as it was sent", () => {
  const event = eventOf({ id: "930-5f3a", type: "count", text: "007" });
  assert.equal(event.type, "event");
  const detail = { id: "930-5f3a", position: 930, type: "count", data: "007", text: "007" };
  assert.deepEqual(event.detail, detail);
  const reset = eventOf({ id: "3-9", type: "reset", text: '{"reason":"history","position":3}' });
  assert.equal(reset.type, "reset");
  assert.deepEqual(reset.detail, { id: "3-9", position: 3, reason: "history" });
  const moved = eventOf({ id: "4-9", type: "heartbeat", text: "" });
  assert.equal(moved.type, "moved");
  assert.deepEqual(moved.detail, { id: "4-9", position: 4 });
});
