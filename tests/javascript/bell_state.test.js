import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";

import {
  CHANGE,
  FORGOTTEN,
  NOTIFICATION,
  applyEvent,
  countNew,
  countUnread,
  initialState,
  isIncomplete,
  isNew,
  stateOf,
  unreadText,
  withChange,
} from "../../realtime/bell/static/realtime/bell/bell_state.js";

const { cases } = JSON.parse(readFileSync(new URL("../bell_cases.json", import.meta.url)));
const QUIET = "cases.quiet";
const LOUD = "cases.loud";

/** The event of a step, as the stream tells it. */
function eventAt(position, [what, ...details]) {
  if (what === "notify") {
    const [subject, kind] = details;
    return { position, type: NOTIFICATION, data: { subject, kind } };
  }
  if (what === "forget") return { position, type: FORGOTTEN, data: { subject: details[0] } };
  return { position, type: CHANGE, data: details[0] };
}

/** What the server renders at a position. */
function rendered({ cursor = 0, unread = {}, seen = 0, muted = [QUIET], mostCounted = 99 } = {}) {
  return initialState({
    liveCursor: `${cursor}-5f3a`,
    unread: JSON.stringify(Object.entries(unread)),
    seenPosition: String(seen),
    mostCounted: String(mostCounted),
    muted: JSON.stringify(muted),
  });
}

/** What the steps up to a position have made of it, as the server knows it. */
function renderedAfter(steps, cursor) {
  let seen = 0;
  const wanted = { [QUIET]: false, [LOUD]: true };
  for (const { event } of steps.slice(0, cursor)) {
    if (event[0] !== "change") continue;
    if (event[1].action === "see") seen = Math.max(seen, event[1].through);
    Object.assign(wanted, event[1].choices);
  }
  const muted = Object.keys(wanted).filter((kind) => !wanted[kind]);
  return rendered({ cursor, unread: steps[cursor - 1]?.unread, seen, muted });
}

function assertIs(state, { unread, new: isNew, states }) {
  assert.deepEqual(Object.fromEntries(state.unread), unread);
  assert.equal(countUnread(state), Object.keys(unread).length);
  assert.equal(countNew(state), isNew);
  for (const [subject, expected] of Object.entries(states)) {
    assert.equal(stateOf(state, subject), expected === "archived" ? "read" : expected);
  }
}

for (const { name, steps } of cases) {
  test(`${name}: each event, one after the other`, () => {
    let state = rendered();
    for (const [index, step] of steps.entries()) {
      state = applyEvent(state, eventAt(index + 1, step.event));
      assertIs(state, step);
    }
  });

  test(`${name}: a page of any moment comes to the same, and so does one that is told again`, () => {
    const events = steps.map(({ event }, index) => eventAt(index + 1, event));
    for (let cursor = 0; cursor <= steps.length; cursor++) {
      const opened = renderedAfter(steps, cursor);
      const state = [...events, ...events].reduce(applyEvent, opened);
      assertIs(state, steps.at(-1));
    }
  });

  test(`${name}: a page whose tables are ahead of its cursor comes to the same`, () => {
    const events = steps.map(({ event }, index) => eventAt(index + 1, event));
    for (let cursor = 0; cursor <= steps.length; cursor++) {
      const ahead = { ...renderedAfter(steps, steps.length), cursor };
      assert.deepEqual(
        Object.fromEntries(events.reduce(applyEvent, ahead).unread),
        steps.at(-1).unread,
      );
    }
  });
}

test("an event that was applied leaves the very state", () => {
  const state = rendered({ cursor: 7 });
  assert.equal(applyEvent(state, eventAt(7, ["notify", "a:1", "cases.news"])), state);
});

test("of other events only the position counts", () => {
  const state = applyEvent(rendered({ cursor: 7 }), { position: 8, type: "body", data: "<p>" });
  assert.deepEqual(state, { ...rendered({ cursor: 7 }), cursor: 8 });
});

const numbered = (from, to) =>
  Object.fromEntries(Array.from({ length: to - from + 1 }, (_, index) => [`a:${from + index}`, from + index]));

test("more than are counted are the number with a plus, however many more there are", () => {
  let state = rendered({ cursor: 3, unread: numbered(1, 3), mostCounted: 3 });
  assert.equal(unreadText(state), "3");
  state = applyEvent(state, eventAt(4, ["notify", "a:4", "cases.news"]));
  assert.equal(unreadText(state), "4".replace("4", "3+"));
  state = applyEvent(state, eventAt(5, ["notify", "a:5", "cases.news"]));
  assert.equal(unreadText(state), "3+");
  assert.deepEqual(Object.fromEntries(state.unread), numbered(2, 5));
});

test("of more than are listed those that have just arrived are new too, until they are seen", () => {
  const state = rendered({ cursor: 9, unread: numbered(6, 9), mostCounted: 3 });
  assert.ok(isNew(state, "a:5", 5));
  assert.ok(isNew(state, "a:6", 6));
  assert.ok(!isNew({ ...state, seenPosition: 5 }, "a:5", 5));
  assert.ok(!isNew(state, "b:7", 7)); // it would be listed: it was read
  assert.ok(!isNew({ ...state, hasMore: false }, "a:5", 5));
});

test("only the server knows the number once some of more than are listed are read", () => {
  let state = rendered({ cursor: 9, unread: numbered(6, 9), mostCounted: 3 });
  assert.ok(!isIncomplete(state));
  state = withChange(state, { action: "read", subject: "a:7", through: 9 });
  assert.equal(unreadText(state), "3+");
  assert.ok(isIncomplete(state));
});

test("when all that are listed are read, so are the older ones that aren't", () => {
  let state = rendered({ cursor: 9, unread: numbered(6, 9), mostCounted: 3 });
  state = withChange(state, { action: "read", subject: null, through: 8 });
  assert.equal(unreadText(state), "1");
  assert.ok(!isIncomplete(state));
});
