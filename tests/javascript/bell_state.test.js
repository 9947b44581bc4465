import assert from "node:assert/strict";
import { test } from "node:test";

import {
  applyEvent,
  countNew,
  initialState,
  newCountText,
  stateOf,
  withBell,
} from "../../orders/static/orders/bell_state.js";

const MOST_COUNTED = 99;

/** A server, as far as a bell can tell: a log of events, and what its user has seen and read. */
class Server {
  log = [];
  bell = { seen_position: 0, read_position: 0, read_positions: [] };

  get position() {
    return this.log.length;
  }

  publish(type, data) {
    this.log.push({ position: this.position + 1, type, data });
  }

  order() {
    this.publish("orders", { order: this.position + 1, status: "placed" });
  }

  /** Everything that happens at or below a position and isn't a change of the bell. */
  notifications(through) {
    return this.log.filter(({ type, position }) => type === "orders" && position <= through);
  }

  see(position) {
    if (position <= this.bell.seen_position) return;
    this.bell = { ...this.bell, seen_position: position };
    this.publish("bell", this.bell);
  }

  read(position) {
    const { read_position, read_positions } = this.bell;
    if (position <= read_position || read_positions.includes(position)) return;
    this.bell = { ...this.bell, read_positions: [...read_positions, position] };
    this.publish("bell", this.bell);
  }

  readAll(position) {
    if (position <= this.bell.read_position) return;
    this.bell = {
      seen_position: Math.max(this.bell.seen_position, position),
      read_position: position,
      read_positions: this.bell.read_positions.filter((read) => read > position),
    };
    this.publish("bell", this.bell);
  }

  /** What it renders now. Its cursor may be behind its bell: that row is read a moment later. */
  render(cursor = this.position) {
    const { seen_position, read_position, read_positions } = this.bell;
    const fresh = this.notifications(cursor).filter(({ position }) => position > seen_position);
    return initialState({
      cursor: String(cursor),
      seenPosition: String(seen_position),
      readPosition: String(read_position),
      readPositions: read_positions.join(" "),
      newPositions: fresh.map(({ position }) => position).slice(-(MOST_COUNTED + 1)).join(" "),
      mostCounted: String(MOST_COUNTED),
    });
  }

  eventsAfter(cursor) {
    return this.log.slice(cursor);
  }
}

/** What is seen of a state, and nothing of how it is kept. */
function shown(state, server) {
  const positions = server.notifications(server.position).map(({ position }) => position);
  return {
    cursor: state.cursor,
    count: newCountText(state),
    states: positions.map((position) => stateOf(state, position)),
  };
}

/** Numbers that look random and come again with the same seed. */
function randomNumbers(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

function doSomething(server, random) {
  const somewhere = random(server.position + 1);
  switch (random(6)) {
    case 0:
      return server.see(somewhere);
    case 1:
      return server.see(server.position);
    case 2:
      return server.notifications(somewhere).length && server.read(somewhere);
    case 3:
      return random(4) === 0 && server.readAll(somewhere);
    default:
      for (let orders = random(random(5) === 0 ? 60 : 3); orders >= 0; orders--) server.order();
  }
}

test("the state of any moment and the events after it are what is rendered now", () => {
  for (let seed = 1; seed <= 300; seed++) {
    const random = randomNumbers(seed);
    const server = new Server();
    const pages = [server.render()];
    for (let step = 0; step < 40; step++) {
      doSomething(server, random);
      pages.push(server.render(server.position - random(Math.min(4, server.position + 1))));
    }
    const fresh = shown(server.render(), server);
    for (const page of pages) {
      const lived = server.eventsAfter(page.cursor).reduce(applyEvent, page);
      assert.deepEqual(shown(lived, server), fresh, `seed ${seed}, from ${page.cursor}`);
    }
  }
});

test("an event that comes again changes nothing", () => {
  const server = new Server();
  const page = server.render();
  server.order();
  server.see(1);
  server.order();
  const once = server.log.reduce(applyEvent, page);
  assert.equal(countNew(once), 1);
  assert.equal(server.log.reduce(applyEvent, once), once);
});

test("it counts exactly up to what is counted, and says more above that", () => {
  const server = new Server();
  let page = server.render();
  const text = () => {
    page = server.eventsAfter(page.cursor).reduce(applyEvent, page);
    return newCountText(page);
  };
  assert.equal(text(), "0");
  for (let order = 0; order < MOST_COUNTED; order++) server.order();
  assert.equal(text(), "99");
  server.order();
  assert.equal(text(), "99+");
  for (let order = 0; order < 400; order++) server.order();
  assert.equal(text(), "99+");
  server.see(server.position - 42);
  assert.equal(text(), "42");
});

test("what is new is seen, then read; reading one leaves the others as they are", () => {
  const server = new Server();
  for (let order = 0; order < 3; order++) server.order();
  server.see(2);
  server.read(1);
  const page = server.render();
  assert.deepEqual(
    [1, 2, 3].map((position) => stateOf(page, position)),
    ["read", "seen", "new"],
  );
});

test("what was read is not counted as new, though the bell has not been opened since", () => {
  const server = new Server();
  const page = server.render();
  for (let order = 0; order < 3; order++) server.order();
  server.read(2);
  assert.equal(newCountText(server.log.reduce(applyEvent, page)), "2");
  assert.equal(newCountText(server.render()), "2");
});

test("on the way, nothing becomes unread again, and what is counted is what is shown as new", () => {
  const ranks = { new: 0, seen: 1, read: 2 };
  for (let seed = 1; seed <= 100; seed++) {
    const random = randomNumbers(seed);
    const server = new Server();
    for (let step = 0; step < 30; step++) doSomething(server, random);
    let page = server.render(random(server.position + 1)); // its bell is ahead of its cursor
    let before = [];
    for (const event of server.eventsAfter(page.cursor)) {
      page = applyEvent(page, event);
      const states = server
        .notifications(page.cursor)
        .map(({ position }) => stateOf(page, position));
      const newOnes = states.filter((state) => state === "new");
      if (countNew(page) <= MOST_COUNTED) assert.equal(countNew(page), newOnes.length);
      before.forEach((state, index) => {
        assert.ok(ranks[states[index]] >= ranks[state], `seed ${seed}, at ${page.cursor}`);
      });
      before = states;
    }
  }
});

test("what was seen elsewhere before it came here is never counted, however much it is", () => {
  const server = new Server();
  for (let order = 0; order < 2 * MOST_COUNTED; order++) server.order();
  server.see(server.position);
  const early = server.render(0);
  const orders = server.notifications(server.position);
  assert.equal(newCountText(orders.reduce(applyEvent, early)), "0");
});

test("what the server has confirmed holds before its event is there", () => {
  const server = new Server();
  for (let order = 0; order < 3; order++) server.order();
  const page = server.render();
  const confirmed = withBell(page, { seen_position: 2, read_position: 0, read_positions: [] });
  assert.equal(newCountText(confirmed), "1");
  assert.equal(confirmed.cursor, page.cursor);
});

test("it names what the markup has left out", () => {
  assert.throws(() => initialState({ cursor: "1" }), /no seenPosition/);
});
