import assert from "node:assert/strict";
import { test } from "node:test";

import { Endpoint } from "../../realtime/static/realtime/endpoint.js";

globalThis.location = { href: "https://shop.example/orders/7/" };

/** What the server answers to HEAD, and where that was, if it has sent the browser on. */
async function status({ type, redirected = false, answer = 200 }) {
  const headers = new Headers({ "Content-Type": type });
  globalThis.fetch = async () => ({ status: answer, redirected, headers });
  return new Endpoint({ url: "/live", types: new Set() }).status(1_000);
}

test("who is sent on to a page is to sign in there", async () => {
  assert.equal(await status({ type: "text/html; charset=utf-8", redirected: true }), 401);
});

test("who is sent on to a stream is at the stream", async () => {
  assert.equal(await status({ type: "text/event-stream", redirected: true }), 200);
});

test("a page in the stream's place is what it says", async () => {
  assert.equal(await status({ type: "text/html", answer: 503 }), 503);
  assert.equal(await status({ type: "text/html" }), 200);
});

test("who is sent on to another site, where no script may follow, is to sign in there", async () => {
  globalThis.fetch = async (url, { redirect }) => {
    if (redirect === "manual") return { type: "opaqueredirect", status: 0 };
    throw new TypeError("Failed to fetch");
  };
  const endpoint = new Endpoint({ url: "/live", types: new Set() });
  assert.equal(await endpoint.status(1_000), 401);
});

test("without a network there is no answer", async () => {
  globalThis.fetch = async () => {
    throw new TypeError("Failed to fetch");
  };
  const endpoint = new Endpoint({ url: "/live", types: new Set() });
  assert.equal(await endpoint.status(1_000), null);
});
