import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { FakeLiveStream } from "../../realtime/static/realtime/fake_live_stream.js";
import { LiveStream } from "../../realtime/static/realtime/live_stream.js";

let stream, told;

beforeEach(() => {
  stream = new FakeLiveStream({ cursor: "7-ab" });
  told = [];
  for (const name of ["event", "reset", "moved", "state"]) {
    stream.on(name, (detail) => told.push([name, detail]));
  }
});

test("the double has all that a LiveStream has", () => {
  const names = (kind) => Object.getOwnPropertyNames(kind).filter((name) => name !== "prototype");
  for (const name of names(LiveStream)) assert.ok(name in FakeLiveStream, name);
  for (const name of names(LiveStream.prototype)) assert.ok(name in stream, name);
});

test("what a test delivers comes as from the server, each at a position of its own", () => {
  stream.deliver("body", { text: "Hello" });
  stream.deliver(null, "<p>Hello</p>");
  const [[, first], [, second]] = told;
  const text = '{"text":"Hello"}';
  const { id } = first;
  assert.deepEqual(first, { id, position: 8, type: "body", data: { text: "Hello" }, text });
  assert.equal(second.type, "message");
  assert.equal(second.position, 9);
  assert.equal(second.data, "<p>Hello</p>");
  assert.equal(stream.cursor, second.id);
});

test("a reset may lead back, and a heartbeat forward", () => {
  stream.reset("history", 3);
  stream.moveTo(5);
  assert.deepEqual(
    told.map(([name, { position, reason }]) => [name, position, reason]),
    [["reset", 3, "history"], ["moved", 5, undefined]],
  );
});

test("it is live once it is started, and in whatever state a test wants", () => {
  assert.equal(stream.state, "connecting");
  stream.start();
  stream.become("gone");
  stream.become("gone");
  assert.deepEqual(told, [["state", { state: "live" }], ["state", { state: "gone" }]]);
  assert.ok(stream.isFollowing);
  stream.close();
  assert.ok(!stream.isFollowing);
});

test("it begins where the element says that the page ends", () => {
  assert.equal(FakeLiveStream.from({ dataset: { liveCursor: "12-3" } }).cursor, "12-3");
});
