/** Tabs that share a stream, in orders of events that a real browser shows once in a year. */

import assert from "node:assert/strict";
import { beforeEach, mock, test } from "node:test";

import { LiveStream } from "../../realtime/static/realtime/live_stream.js";
import { FakeBrowser, idAt } from "./fake_browser.js";

const HEARTBEAT_MS = 15_000;

let browser;

beforeEach(() => {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval", "Date"] });
  browser = new FakeBrowser();
  browser.install();
});

/** A tab whose page shows everything up to now, or up to the cursor. */
function openTab(cursor = browser.server.position, types = ["orders"]) {
  const tab = Object.assign(browser.open(), { from: cursor, told: [], types });
  tab.run(() => {
    tab.stream = new LiveStream({ url: "/live", cursor: idAt(cursor), types });
    tab.stream.on("event", ({ position }) => tab.told.push(position));
    tab.stream.start();
  });
  return tab;
}

/** What promises do that have their answer already. */
function settled() {
  return new Promise(setImmediate);
}

async function deliverAll() {
  for (let left = 10_000; left > 0; left--) {
    const [line] = browser.busy;
    if (!line) return;
    line.deliver();
    await settled();
  }
  throw new Error("There is no end to what is said.");
}

/** A server that beats, and everything arrives. */
async function pass(milliseconds) {
  for (let left = milliseconds; left > 0; left -= 1_000) {
    mock.timers.tick(1_000);
    await settled();
    if (left % HEARTBEAT_MS === 0) browser.server.beat();
    await deliverAll();
  }
}

function assertToldEverythingOnce() {
  for (const tab of browser.tabs) {
    const expected = browser.server.own.filter(({ position, type }) => {
      return position > tab.from && tab.types.includes(type);
    });
    assert.deepEqual(tab.told, expected.map(({ position }) => position));
    assert.equal(tab.stream.state, "live");
    assert.equal(tab.stream.cursor, idAt(browser.server.position));
  }
  assert.equal(browser.streams.length, browser.tabs.length && 1);
}

test("the first tab leads, the others are told by it", async () => {
  const tabs = [openTab(), openTab(), openTab()];
  await settled();
  await deliverAll();
  browser.server.publish({ isOwn: true });
  browser.server.publish({ isOwn: false });
  await pass(HEARTBEAT_MS);
  assertToldEverythingOnce();
  assert.deepEqual(tabs[2].told, [1]);
  assert.equal(browser.streams[0].line.tab, tabs[0]);
});

test("one tab knows that it leads, and all parts of its page; the next does when it is gone", async () => {
  const tabs = [openTab(), openTab()];
  const part = tabs[0].run(() => new LiveStream({ url: "/live", cursor: idAt(0) }));
  tabs[0].run(() => part.start());
  await settled();
  await deliverAll();
  const leaders = () => [part, ...tabs.map(({ stream }) => stream)].map((stream) => stream.isLeader);
  assert.deepEqual(leaders(), [true, true, false]);
  part.close();
  assert.deepEqual(leaders(), [true, true, false]);
  browser.freeze(tabs[0]);
  await settled();
  await deliverAll();
  assert.deepEqual(leaders(), [false, false, true]);
});

test("tabs that follow different events share one connection, and are told of theirs", async () => {
  const shop = openTab();
  await settled();
  await deliverAll();
  browser.server.publish({ isOwn: true, type: "bell" }); // nobody follows it yet
  const bell = openTab(0, ["bell"]);
  await settled();
  await deliverAll();
  browser.server.publish({ isOwn: true });
  browser.server.publish({ isOwn: true, type: "bell" });
  await deliverAll();
  assertToldEverythingOnce();
  assert.deepEqual(shop.told, [2]);
  assert.deepEqual(bell.told, [1, 3]);
});

test("what nobody has followed until now isn't lost while the leader opens anew for it", async () => {
  const shop = openTab();
  await settled();
  await deliverAll();
  const bell = openTab(0, ["bell"]);
  await settled();
  browser.server.publish({ isOwn: true, type: "bell" }); // passes the leader by
  browser.server.publish({ isOwn: true });
  browser.streams[0].line.deliver();
  browser.streams[0].line.deliver();
  await settled();
  await deliverAll();
  assertToldEverythingOnce();
  assert.deepEqual([shop.told, bell.told], [[2], [1]]);
});

test("two parts of a page share its connection from the first", async () => {
  const tab = openTab();
  tab.run(() => {
    tab.other = new LiveStream({ url: "/live", cursor: idAt(0), types: ["bell"] });
    tab.heard = [];
    tab.other.on("event", ({ position }) => tab.heard.push(position));
    tab.other.start();
  });
  await settled();
  const opened = new Set();
  for (let left = 100; left > 0 && browser.busy.length; left--) {
    for (const source of browser.streams) opened.add(source);
    browser.busy[0].deliver();
    await settled();
  }
  browser.server.publish({ isOwn: true, type: "bell" });
  browser.server.publish({ isOwn: true });
  await deliverAll();
  assert.deepEqual([tab.told, tab.heard], [[2], [1]]);
  assert.equal(opened.size, 1);
});

test("a follower that was not told of one asks the server for what is missing", async () => {
  openTab();
  const follower = openTab();
  await settled();
  await deliverAll();
  browser.server.publish({ isOwn: true });
  browser.streams[0].line.deliver();
  browser.channels.find((line) => line.isBusy).lose();
  browser.server.publish({ isOwn: true });
  await deliverAll();
  assert.deepEqual(follower.told, [1, 2]);
});

/** Everything arrives but what the server answers to a follower that asks. */
async function deliverAllButAnswers() {
  const isAnswer = (line) => browser.questions.some((question) => question.line === line);
  for (let line; (line = browser.busy.find((line) => !isAnswer(line))); ) {
    line.deliver();
    await settled();
  }
}

test("what the leader says while a follower asks comes after what it is answered", async () => {
  for (let position = 0; position < 3; position++) browser.server.publish({ isOwn: true });
  openTab();
  await settled();
  await deliverAll();
  const late = openTab(1);
  await settled();
  await deliverAllButAnswers();
  browser.questions[0].line.deliver(); // the server has answered: it doesn't know of the fourth
  browser.server.publish({ isOwn: true });
  await deliverAllButAnswers();
  assert.deepEqual(late.told, []);
  assert.equal(late.stream.state, "connecting"); // not live before it has been told what it missed
  await deliverAll();
  assert.deepEqual(late.told, [2, 3, 4]);
  assert.equal(late.stream.state, "live");
});

test("a follower that can't ask what it has missed isn't live, though its leader is", async () => {
  browser.server.publish({ isOwn: true });
  openTab();
  await settled();
  await deliverAll();
  browser.server.status = 503;
  const late = openTab(0);
  await settled();
  await pass(30_000);
  assert.equal(late.stream.state, "reconnecting");
  browser.server.status = 200;
  await pass(30_000);
  assertToldEverythingOnce();
});

test("a follower that is to lead while it asks hears from its own stream instead", async () => {
  browser.server.publish({ isOwn: true });
  const leader = openTab();
  await settled();
  await deliverAll();
  const late = openTab(0);
  await settled();
  await deliverAllButAnswers();
  assert.equal(browser.questions.length, 1);
  const states = [];
  late.stream.addEventListener("state", ({ detail }) => states.push(detail.state));
  browser.close(leader);
  await settled();
  await deliverAllButAnswers();
  assert.equal(browser.questions.length, 0);
  await deliverAll();
  assert.deepEqual(late.told, [1]);
  assert.deepEqual(states, ["live"]);
  assertToldEverythingOnce();
});

test("that a page is shown which has just been loaded changes nothing", async () => {
  const tabs = [openTab(), openTab()];
  await settled();
  await deliverAll();
  const [stream] = browser.streams;
  for (const tab of tabs) tab.run(() => tab.window.dispatchEvent(new Event("pageshow")));
  await settled();
  await deliverAll();
  assert.deepEqual(browser.streams, [stream]);
  for (const tab of tabs) assert.equal(tab.stream.state, "live");
});

for (const [what, target, sleep, wake] of [
  ["is frozen", "document", "freeze", "resume"],
  ["goes into the back/forward cache", "window", "pagehide", "pageshow"],
]) {
  test(`a leader that ${what} lets another lead at once, and follows when it wakes`, async () => {
    const [leader, next] = [openTab(), openTab()];
    await settled();
    await deliverAll();
    leader.run(() => leader[target].dispatchEvent(new Event(sleep)));
    browser.server.publish({ isOwn: true });
    await settled();
    await deliverAll();
    assert.deepEqual([leader.told, next.told], [[], [1]]);
    assert.equal(next.stream.state, "live");
    leader.run(() => leader[target].dispatchEvent(new Event(wake)));
    await settled();
    await deliverAll();
    assertToldEverythingOnce();
    assert.equal(browser.streams[0].line.tab, next);
  });
}

test("who is frozen when its turn comes leaves it to the next", async () => {
  const [leader, second, third] = [openTab(), openTab(), openTab()];
  await settled();
  await deliverAll();
  browser.close(leader);
  await settled(); // the lock is the second's; it hasn't been told yet
  browser.freeze(second);
  await settled();
  await deliverAll();
  assert.deepEqual(browser.streams.map((stream) => stream.line.tab), [third]);
});

test("who has seized the lead and gives it up doesn't get it back", async () => {
  const [hanging, seizer] = [openTab(), openTab()];
  await settled();
  await deliverAll();
  hanging.hangs = true;
  await pass(4 * HEARTBEAT_MS);
  const isSeizers = (stream) => stream.line.tab === seizer;
  assert.ok(browser.streams.some(isSeizers));
  browser.freeze(seizer);
  await settled();
  await deliverAll();
  assert.ok(!browser.streams.some(isSeizers));
});

test("when the network is back the stream is opened anew at once", async () => {
  const [leader, follower] = [openTab(), openTab()];
  await settled();
  await deliverAll();
  const [stream] = browser.streams;
  for (const tab of [leader, follower]) {
    tab.run(() => tab.window.dispatchEvent(new Event("offline")));
  }
  await deliverAll();
  assert.equal(leader.stream.state, "offline");
  assert.equal(follower.stream.state, "offline");
  for (const tab of [leader, follower]) {
    tab.run(() => tab.window.dispatchEvent(new Event("online")));
  }
  assert.equal(browser.streams.length, 1);
  assert.notEqual(browser.streams[0], stream);
  await deliverAll();
  assertToldEverythingOnce();
});

test("when the session has ended every tab says so, until somebody signs in again", async () => {
  const [leader, follower, sleeper] = [openTab(), openTab(), openTab()];
  await settled();
  await deliverAll();
  browser.freeze(sleeper);
  browser.server.publish({ isOwn: true });
  await deliverAll();
  browser.server.status = 401;
  browser.streams[0].breakOff();
  await pass(1_000);
  browser.resume(sleeper); // it has missed one, and can't ask for it
  const states = [];
  sleeper.stream.addEventListener("state", ({ detail }) => states.push(detail.state));
  await settled();
  await pass(60_000);
  const { asked } = browser.server;
  await pass(10 * 60_000);
  assert.equal(browser.server.asked, asked);
  assert.deepEqual(states, ["signed-out"]);
  for (const tab of browser.tabs) assert.equal(tab.stream.state, "signed-out");
  browser.server.status = 200;
  openTab();
  await settled();
  await pass(60_000);
  assertToldEverythingOnce();
  assert.equal(browser.streams[0].line.tab, leader);
  assert.deepEqual(follower.told, [1]);
});

test("who turns to a window again is told that somebody has signed in meanwhile", async () => {
  for (const status of [401, 403]) {
    browser.server.status = status;
    if (status === 401) openTab();
    else browser.tabs[0].run(() => browser.tabs[0].window.dispatchEvent(new Event("focus")));
    await settled();
    await pass(10_000);
    assert.equal(browser.tabs[0].stream.state, status === 401 ? "signed-out" : "someone-else");
  }
});

test("a leader that says nothing is replaced, and steps down when it hears of it", async () => {
  const [leader, next] = [openTab(), openTab()];
  await settled();
  await deliverAll();
  leader.hangs = true;
  browser.server.publish({ isOwn: true });
  await pass(2 * HEARTBEAT_MS);
  assert.deepEqual(next.told, []);
  await pass(2 * HEARTBEAT_MS);
  assert.deepEqual(next.told, [1]);
  leader.hangs = false;
  await pass(2 * HEARTBEAT_MS);
  assertToldEverythingOnce();
  assert.equal(browser.streams[0].line.tab, next);
  browser.close(next);
  await settled();
  await deliverAll();
  assert.equal(browser.streams[0].line.tab, leader); // it had waited for its turn
});

test("a tab that comes when the leader hangs leads within seconds", async () => {
  const leader = openTab();
  await settled();
  await deliverAll();
  leader.hangs = true;
  const next = openTab();
  await settled();
  await pass(6_000);
  assert.equal(next.stream.state, "live");
});

test("a stream that is closed leaves nothing behind", async () => {
  const tab = openTab();
  await settled();
  await deliverAll();
  tab.run(() => tab.stream.close());
  await settled();
  tab.run(() => tab.window.dispatchEvent(new Event("pageshow")));
  await pass(HEARTBEAT_MS);
  assert.equal(browser.server.sources.size, 0);
  assert.deepEqual([...tab.lines], [tab.tasks]);
});

/** Numbers that look random, the same for the same seed (Lehmer, 1951). */
function randomFrom(seed) {
  let state = seed;
  return () => (state = (state * 48_271) % 2_147_483_647) / 2_147_483_647;
}

/** What a page may follow. */
const TYPES = [["orders"], ["bell"], ["orders", "bell"]];

/** What can happen, each as often as it stands here. */
const HAPPENINGS = [
  ...Array(5).fill(() => browser.server.publish({ isOwn: true })),
  ...Array(3).fill(() => browser.server.publish({ isOwn: true, type: "bell" })),
  ...Array(3).fill(() => browser.server.publish({ isOwn: false })),
  () => browser.server.beat(),
  ...Array(3).fill((pick) => browser.tabs.length < 6 && openTab(pick(positions()), pick(TYPES))),
  (pick) => browser.tabs.length > 1 && browser.close(pick(browser.tabs)),
  (pick) => browser.tabs.length > 1 && browser.crash(pick(browser.tabs)),
  (pick) => pick(browser.streams)?.breakOff(),
  (pick) => (pick(browser.tabs).hangs = true),
  (pick) => (pick(browser.tabs).hangs = false),
  (pick) => sleepOrWake(pick(browser.tabs)),
  (pick) => pick(browser.channels.filter((line) => line.isBusy))?.lose(),
  () => mock.timers.tick(5_000),
];

function positions() {
  return [...Array(browser.server.position + 1).keys()];
}

function sleepOrWake(tab) {
  if (tab.hangs) return;
  if (tab.isFrozen) browser.resume(tab);
  else browser.freeze(tab);
}

for (let seed = 1; seed <= 100; seed++) {
  test(`nothing is lost or doubled, whatever happens in whatever order (${seed})`, async () => {
    const random = randomFrom(seed);
    const pick = (choices) => choices[Math.floor(random() * choices.length)];
    mock.method(Math, "random", random);
    openTab();
    for (let turn = 0; turn < 150; turn++) {
      pick(HAPPENINGS)(pick);
      await settled();
      for (let arrivals = random() * 6; arrivals > 0; arrivals--) {
        pick(browser.busy)?.deliver();
        await settled();
      }
    }
    for (const tab of browser.tabs) {
      tab.hangs = false;
      if (tab.isFrozen) browser.resume(tab);
    }
    await settled();
    browser.server.publish({ isOwn: true });
    await pass(8 * HEARTBEAT_MS);
    assertToldEverythingOnce();
  });
}
