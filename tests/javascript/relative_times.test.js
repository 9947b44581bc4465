import assert from "node:assert/strict";
import { test } from "node:test";

import { age, RelativeTimes, supported } from "../../realtime/static/realtime/page/relative_times.js";

const NOW = Date.UTC(2026, 2, 12, 12);
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

function ago(milliseconds, language = "en") {
  return new RelativeTimes(language).text(new Date(NOW - milliseconds), NOW);
}

test("a time is told in the largest unit that it fills", () => {
  assert.equal(ago(0), "now");
  assert.equal(ago(MINUTE - 1), "now");
  assert.equal(ago(MINUTE), "1 minute ago");
  assert.equal(ago(HOUR - 1), "59 minutes ago");
  assert.equal(ago(HOUR), "1 hour ago");
  assert.equal(ago(DAY - 1), "23 hours ago");
  assert.equal(ago(DAY), "yesterday");
  assert.equal(ago(7 * DAY - 1), "6 days ago");
});

test("from a week on it is a date", () => {
  assert.equal(age(NOW - 7 * DAY, NOW), undefined);
  assert.equal(ago(7 * DAY), "Mar 5, 2026");
});

test("a clock that runs behind the server's does not tell the future", () => {
  assert.equal(ago(-5 * MINUTE), "now");
});

test("it speaks the page's language", () => {
  assert.equal(ago(5 * MINUTE, "de"), "vor 5 Minuten");
  assert.equal(ago(5 * MINUTE, "es"), "hace 5 minutos");
});

test("the viewer's own form of that language tells how dates are written", () => {
  assert.equal(supported("en", ["de", "en-GB", "en-US"]), "en-GB");
  assert.equal(supported("de", ["en-GB"]), "de");
  assert.equal(supported("es", []), "es");
});
