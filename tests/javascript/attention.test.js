/** Whether anybody looks at the site, in whichever tab. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { Attention } from "../../realtime/bell/static/realtime/bell/attention.js";

let held;

/** A tab of one browser: its globals are put in place while its script runs. */
class Tab {
  #window = new EventTarget();
  #document = Object.assign(new EventTarget(), { visibilityState: "visible", hasFocus: () => this.hasFocus });
  hasFocus = false;
  attention = new Attention();

  constructor(locks = LOCKS) {
    this.navigator = locks ? { locks } : {};
    this.run(() => this.attention.keep());
  }

  run(script) {
    const globals = {
      document: this.#document,
      navigator: this.navigator,
      addEventListener: this.#window.addEventListener.bind(this.#window),
    };
    for (const [name, value] of Object.entries(globals)) {
      Object.defineProperty(globalThis, name, { value, configurable: true });
    }
    return script();
  }

  focus(hasFocus) {
    this.hasFocus = hasFocus;
    this.run(() => this.#window.dispatchEvent(new Event(hasFocus ? "focus" : "blur")));
  }

  show(visibilityState) {
    this.#document.visibilityState = visibilityState;
    this.run(() => this.#document.dispatchEvent(new Event("visibilitychange")));
  }

  leave() {
    this.run(() => this.#window.dispatchEvent(new Event("pagehide")));
  }

  async sees() {
    await new Promise(setImmediate); // a lock is given back a moment later
    return this.run(() => this.attention.isAnywhere());
  }
}

const LOCKS = {
  async request(name, { mode }, callback) {
    assert.equal(mode, "shared");
    const lock = { name };
    held.add(lock);
    await callback();
    held.delete(lock);
  },
  query: async () => ({ held: [...held] }),
};

beforeEach(() => {
  held = new Set();
});

test("one tab that is looked at is enough, and all know of it", async () => {
  const [one, other] = [new Tab(), new Tab()];
  assert.equal(await one.sees(), false);
  other.focus(true);
  assert.equal(await one.sees(), true);
  assert.equal(await other.sees(), true);
  other.focus(false);
  assert.equal(await one.sees(), false);
});

test("nobody looks at a hidden tab, nor at one that has been left", async () => {
  const [one, other] = [new Tab(), new Tab()];
  other.focus(true);
  other.show("hidden");
  assert.equal(await one.sees(), false);
  other.show("visible");
  assert.equal(await one.sees(), true);
  other.leave();
  assert.equal(await one.sees(), false);
});

test("the focus goes from window to window: what both hold is given back once", async () => {
  const [one, other, hidden] = [new Tab(), new Tab(), new Tab()];
  one.focus(true);
  other.focus(true);
  other.focus(true);
  assert.equal(held.size, 2);
  one.focus(false);
  assert.equal(await hidden.sees(), true);
  other.focus(false);
  assert.equal(await hidden.sees(), false);
});

test("without locks a tab knows of itself", async () => {
  const tab = new Tab(null);
  assert.equal(await tab.sees(), false);
  tab.focus(true);
  assert.equal(await tab.sees(), true);
});
