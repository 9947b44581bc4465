import assert from "node:assert/strict";
import { test } from "node:test";

import { faviconText } from "../../realtime/bell/static/realtime/bell/favicon.js";

test("an icon has room for one digit, and for saying that there are more", () => {
  assert.deepEqual([0, 1, 9, 10, 100].map(faviconText), ["", "1", "9", "9+", "9+"]);
});
