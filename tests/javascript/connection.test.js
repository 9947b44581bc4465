import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { LONGEST_RETRY_MS } from "../../realtime/static/realtime/backoff.js";
import { Connection } from "../../realtime/static/realtime/connection.js";

const HEARTBEAT_MS = 15_000;
const OPENING_MS = 8_000;
const POLL_FOR_MS = 5 * 60_000;

/** What the browser has: an EventSource that does what a test tells it. */
class FakeSource extends EventTarget {
  CLOSED = 2;
  readyState = 0;

  constructor(cursor, hear, { follow }) {
    super();
    Object.assign(this, { cursor, hear, follow });
  }

  close() {
    this.readyState = this.CLOSED;
  }

  /** The server has said something. */
  say(position, type = "heartbeat") {
    this.hear({ id: `${position}-ab`, type, text: "" });
  }

  /** The connection is broken, or was ended; it reconnects by itself. */
  breakOff() {
    this.dispatchEvent(new Event("error"));
  }

  /** Any answer but 200. */
  giveUp() {
    this.readyState = this.CLOSED;
    this.dispatchEvent(new Event("error"));
  }
}

class FakeEndpoint {
  /** What HEAD is answered with, or a promise of it; null: nothing. */
  answer = 200;
  opened = [];

  open(...options) {
    this.opened.push(new FakeSource(...options));
    return this.last;
  }

  get last() {
    return this.opened.at(-1);
  }

  get areOpen() {
    return this.opened.filter((source) => source.readyState !== source.CLOSED).length;
  }

  async status() {
    return this.answer;
  }
}

let endpoint, connection, states, heard, cursor;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  mock.method(Math, "random", () => 0.5);
  Object.defineProperty(globalThis, "navigator", { value: { onLine: true }, configurable: true });
  endpoint = new FakeEndpoint();
  states = [];
  heard = [];
  cursor = "7-ab";
  connection = new Connection({
    endpoint,
    heartbeatMs: HEARTBEAT_MS,
    openingMs: OPENING_MS,
    cursor: () => cursor,
    hear: ({ id, type }) => {
      heard.push(type);
      cursor = id;
    },
    show: (state) => states.push(state),
  });
  connection.open();
});

/** What a promise does that has its answer already. */
async function settled() {
  for (let turn = 0; turn < 5; turn++) await null;
}

/** Time passes in small steps: what one timer brings about may set another. */
async function pass(milliseconds) {
  for (let left = milliseconds; left > 0; left -= 500) {
    mock.timers.tick(Math.min(left, 500));
    await settled();
  }
}

/** Two openings say nothing, though the server answers. */
async function beHeldBack() {
  await pass(OPENING_MS);
  await pass(1_000);
  await pass(OPENING_MS);
}

test("it opens after the cursor, and is live with the first heartbeat", () => {
  assert.equal(endpoint.last.cursor, "7-ab");
  assert.equal(endpoint.last.follow, true);
  assert.deepEqual(states, []);
  endpoint.last.say(7);
  assert.deepEqual(states, ["live"]);
  assert.deepEqual(heard, ["heartbeat"]);
});

test("a broken connection is left to EventSource, which was told when to come back", async () => {
  endpoint.last.say(7);
  endpoint.last.breakOff();
  assert.equal(states.at(-1), "reconnecting");
  await pass(LONGEST_RETRY_MS);
  assert.equal(endpoint.opened.length, 1);
  endpoint.last.say(8);
  assert.equal(states.at(-1), "live");
});

test("an EventSource that doesn't come back is replaced", async () => {
  endpoint.last.say(9);
  endpoint.last.breakOff();
  await pass(LONGEST_RETRY_MS + OPENING_MS);
  await pass(500);
  assert.equal(endpoint.opened.length, 2);
  assert.equal(endpoint.last.cursor, "9-ab");
  assert.equal(endpoint.areOpen, 1);
});

test("without a network it says so", () => {
  navigator.onLine = false;
  endpoint.last.breakOff();
  assert.equal(states.at(-1), "offline");
  connection.goOffline();
  assert.equal(states.at(-1), "offline");
});

test("a stream that is silent for two and a half heartbeats is opened anew at once", async () => {
  endpoint.last.say(9, "orders");
  await pass(2 * HEARTBEAT_MS);
  endpoint.last.say(10);
  await pass(2.5 * HEARTBEAT_MS - 1);
  assert.equal(endpoint.opened.length, 1);
  await pass(1);
  assert.equal(endpoint.opened.length, 2);
  assert.equal(endpoint.last.cursor, "10-ab");
  assert.equal(endpoint.areOpen, 1);
  assert.equal(states.at(-1), "reconnecting");
});

for (const [answer, state] of [
  [401, "signed-out"],
  [403, "someone-else"],
  [404, "gone"],
  [410, "gone"],
  [204, "gone"],
  [400, "gone"],
  [451, "gone"],
]) {
  test(`given up with ${answer} it is ${state}, and asks again when it is looked at`, async () => {
    endpoint.answer = answer;
    endpoint.last.giveUp();
    await settled();
    assert.equal(states.at(-1), state);
    connection.goOffline();
    await pass(10 * 60_000);
    assert.equal(states.at(-1), state);
    assert.equal(endpoint.opened.length, 1);
    connection.check();
    assert.equal(endpoint.opened.length, 2);
    endpoint.last.say(7);
    assert.equal(states.at(-1), "live");
  });
}

for (const answer of [408, 425, 429, 500, 501]) {
  test(`given up with ${answer} it is opened again`, async () => {
    endpoint.answer = answer;
    endpoint.last.giveUp();
    await settled();
    assert.equal(states.at(-1), "reconnecting");
    await pass(1_000);
    assert.equal(endpoint.opened.length, 2);
  });
}

test("given up with anything else it is opened again, later each time", async () => {
  endpoint.answer = 503;
  for (const limit of [1_000, 2_000, 4_000]) {
    const before = endpoint.opened.length;
    endpoint.last.giveUp();
    await settled();
    assert.equal(states.at(-1), "reconnecting");
    await pass(limit / 2 - 1); // half of it, as Math.random says
    assert.equal(endpoint.opened.length, before);
    await pass(1);
    assert.equal(endpoint.opened.length, before + 1);
  }
  endpoint.last.say(7);
  endpoint.last.giveUp();
  await settled();
  await pass(500);
  assert.equal(endpoint.opened.length, 5);
});

test("an answer that comes after it was opened anew is not taken for the new one's", async () => {
  endpoint.answer = 401;
  endpoint.last.giveUp();
  connection.open();
  await settled();
  endpoint.last.say(7);
  assert.deepEqual(states, ["reconnecting", "live"]);
  assert.equal(endpoint.areOpen, 1);
});

test("two streams that say nothing though the server answers: it polls", async () => {
  await beHeldBack();
  assert.deepEqual(endpoint.opened.map((source) => source.follow), [true, true, false]);
  assert.equal(endpoint.areOpen, 1);
  endpoint.last.say(7);
  assert.equal(states.at(-1), "polling");
});

test("what comes while it is found out why nothing came is not cut off", async () => {
  let answer;
  endpoint.answer = new Promise((resolve) => (answer = resolve));
  await beHeldBack();
  endpoint.last.say(8);
  answer(200);
  await settled();
  assert.equal(states.at(-1), "live");
  assert.equal(endpoint.last.follow, true);
});

test("closed while it is found out, it doesn't open again", async () => {
  let answer;
  endpoint.answer = new Promise((resolve) => (answer = resolve));
  await beHeldBack();
  connection.close();
  answer(200);
  await pass(60_000);
  assert.equal(endpoint.areOpen, 0);
});

test("while it is found out why it was given up, nothing else is tried", async () => {
  let answer;
  endpoint.answer = new Promise((resolve) => (answer = resolve));
  endpoint.last.giveUp();
  await pass(OPENING_MS + 1_000);
  assert.equal(endpoint.opened.length, 1);
  answer(401);
  await settled();
  assert.equal(states.at(-1), "signed-out");
});

test("two streams that say nothing and no answer: it goes on trying", async () => {
  endpoint.answer = null;
  await beHeldBack();
  await pass(LONGEST_RETRY_MS);
  assert.equal(endpoint.last.follow, true);
  assert.equal(states.at(-1), "reconnecting");
});

test("silence from before the network was back says nothing of streams", async () => {
  endpoint.answer = null;
  await beHeldBack();
  endpoint.answer = 200;
  const before = endpoint.opened.length;
  while (endpoint.opened.length < before + 2) await pass(1_000);
  assert.equal(endpoint.last.follow, true);
  endpoint.last.say(7);
  assert.equal(states.at(-1), "live");
});

test("between two answers it still polls, and when none comes it says so", async () => {
  await beHeldBack();
  for (let answer = 0; answer < 5; answer++) {
    endpoint.last.say(7);
    endpoint.last.breakOff(); // the end of the answer
    await pass(3_500);
    assert.equal(states.at(-1), "polling");
  }
  assert.equal(endpoint.opened.length, 3);
  endpoint.last.breakOff(); // without an answer
  assert.equal(states.at(-1), "reconnecting");
  endpoint.last.say(8);
  assert.equal(states.at(-1), "polling");
});

test("a poll that hangs is asked again", async () => {
  await beHeldBack();
  endpoint.last.say(7);
  endpoint.last.breakOff();
  await pass(3_500 + OPENING_MS);
  assert.equal(states.at(-1), "reconnecting");
  await pass(1_000);
  assert.equal(endpoint.opened.length, 4);
  assert.equal(endpoint.last.follow, false);
});

/** It has polled for so long that it tries a stream. */
async function tryAStream() {
  await beHeldBack();
  const polling = endpoint.last;
  for (let passed = 0; passed < POLL_FOR_MS; passed += 3_000) {
    polling.say(7);
    polling.breakOff();
    await pass(3_000);
  }
  assert.equal(endpoint.last.follow, true);
  assert.equal(endpoint.areOpen, 1);
}

test("now and then it tries whether a stream gets through", async () => {
  await tryAStream();
  assert.equal(states.at(-1), "polling");
  endpoint.last.say(8);
  assert.equal(states.at(-1), "live");
});

test("if none does, it polls on without a word", async () => {
  await tryAStream();
  states.length = 0;
  await pass(OPENING_MS);
  assert.equal(endpoint.last.follow, false);
  endpoint.last.say(8);
  assert.deepEqual([...new Set(states)], ["polling"]);
});

test("when the network is another it begins with a stream", async () => {
  await beHeldBack();
  endpoint.last.say(7);
  connection.open();
  assert.equal(endpoint.last.follow, true);
  endpoint.last.say(7);
  for (let passed = 0; passed < POLL_FOR_MS; passed += HEARTBEAT_MS) {
    await pass(HEARTBEAT_MS);
    endpoint.last.say(7);
  }
  assert.equal(endpoint.opened.length, 4); // what was to try a stream later was called off
  assert.equal(states.at(-1), "live");
});

test("closed, it does nothing any more", async () => {
  connection.close();
  await pass(60_000);
  connection.open();
  endpoint.last.giveUp();
  connection.close();
  await pass(60_000);
  connection.open();
  endpoint.last.giveUp();
  await settled(); // it is to be opened again in a moment
  connection.close();
  await pass(60_000);
  assert.equal(endpoint.areOpen, 0);
  assert.equal(endpoint.opened.length, 3);
});
