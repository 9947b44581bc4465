/** How somebody is told who looks elsewhere: what they have chosen, and what is done about it. */

import assert from "node:assert/strict";
import { beforeEach, test } from "node:test";

import { AlertChoices } from "../../realtime/bell/static/realtime/bell/alert_choices.js";
import { Alerts } from "../../realtime/bell/static/realtime/bell/alerts.js";

/** Those that stand on the desktop. */
let desktop;
let played;
let storage;

class FakeNotification extends EventTarget {
  static permission = "granted";

  constructor(title, options) {
    super();
    Object.assign(this, { title, ...options });
    desktop = [...desktop.filter(({ tag }) => tag !== this.tag), this];
  }

  close() {
    desktop = desktop.filter((one) => one !== this);
    this.dispatchEvent(new Event("close"));
  }
}

function fakeStorage() {
  const items = new Map();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => items.set(key, value),
  };
}

function alertOf(number) {
  return { subject: `order:${number}`, position: number, title: `Shipped · ${number}`, body: "", url: `/${number}/` };
}

const SUM = { subject: "", position: 0, title: "4 new notifications", body: "", url: "/all/" };

function alertsFor(choices, follow = () => {}) {
  return new Alerts(choices, follow, { play: () => (played += 1) });
}

function titles() {
  return desktop.map(({ title }) => title);
}

beforeEach(() => {
  desktop = [];
  played = 0;
  storage = fakeStorage();
  FakeNotification.permission = "granted";
  Object.assign(globalThis, { Notification: FakeNotification, isSecureContext: true });
});

test("nothing is wanted until it is chosen, by each user for themselves", () => {
  const alice = new AlertChoices("auth.user:1", () => storage);
  const bob = new AlertChoices("auth.user:2", () => storage);
  assert.ok(!alice.wants("desktop") && !alice.wants("sound"));
  assert.ok(alice.choose("desktop", true));
  assert.ok(new AlertChoices("auth.user:1", () => storage).wants("desktop"));
  assert.ok(!alice.wants("sound"));
  assert.ok(!bob.wants("desktop"));
  alice.choose("sound", true);
  alice.choose("desktop", false);
  assert.ok(!alice.wants("desktop") && alice.wants("sound"));
});

test("a browser that keeps nothing wants nothing, and says so", () => {
  const choices = new AlertChoices("auth.user:1", () => {
    throw new DOMException("Access is denied.", "SecurityError");
  });
  assert.equal(choices.choose("desktop", true), false);
  assert.ok(!choices.wants("desktop"));
});

test("what somebody else has written there is taken for nothing", () => {
  for (const text of ["null", "no JSON", "[]", '{"desktop": "yes"}']) {
    assert.ok(!new AlertChoices("", () => ({ getItem: () => text })).wants("desktop"), text);
  }
});

test("without a choice nothing is shown nor heard", () => {
  const alerts = alertsFor(new AlertChoices("", () => storage));
  alerts.show([alertOf(1)], () => SUM);
  assert.ok(!alerts.areWanted);
  assert.deepEqual(titles(), []);
  assert.equal(played, 0);
});

test("desktop and sound are chosen each for itself", () => {
  const choices = new AlertChoices("", () => storage);
  const alerts = alertsFor(choices);
  choices.choose("desktop", true);
  alerts.show([alertOf(1)], () => SUM);
  assert.deepEqual([titles(), played], [["Shipped · 1"], 0]);
  assert.ok(desktop[0].silent);
  choices.choose("desktop", false);
  choices.choose("sound", true);
  assert.ok(alerts.areWanted);
  alerts.show([alertOf(2)], () => SUM);
  assert.deepEqual([titles(), played], [["Shipped · 1"], 1]);
});

test("a permission that was taken away is not asked for again", () => {
  const choices = new AlertChoices("", () => storage);
  choices.choose("desktop", true);
  FakeNotification.permission = "denied";
  const alerts = alertsFor(choices);
  assert.ok(!alerts.areWanted);
  alerts.show([alertOf(1)], () => SUM);
  assert.deepEqual(titles(), []);
});

test("three are shown, the newest on top; more are a number, and one sound", () => {
  const choices = new AlertChoices("", () => storage);
  choices.choose("desktop", true);
  choices.choose("sound", true);
  const alerts = alertsFor(choices);
  alerts.show([3, 2, 1].map(alertOf), () => SUM);
  assert.deepEqual(titles(), ["Shipped · 1", "Shipped · 2", "Shipped · 3"]);
  alerts.show([7, 6, 5, 4].map(alertOf), () => SUM);
  assert.equal(titles().at(-1), "4 new notifications");
  assert.equal(desktop.length, 4);
  assert.equal(played, 2);
});

test("of one subject the newest stands there, and it goes once it is seen anywhere", () => {
  const choices = new AlertChoices("", () => storage);
  choices.choose("desktop", true);
  const alerts = alertsFor(choices);
  alerts.show([alertOf(1)], () => SUM);
  alerts.show([{ ...alertOf(1), title: "Delivered · 1" }], () => SUM);
  alerts.show([alertOf(2)], () => SUM);
  assert.deepEqual(titles(), ["Delivered · 1", "Shipped · 2"]);
  alerts.keepOnly((subject, position) => subject === "order:2" && position === 2);
  assert.deepEqual(titles(), ["Shipped · 2"]);
});

test("a click leads to what it is about", () => {
  const choices = new AlertChoices("", () => storage);
  choices.choose("desktop", true);
  const followed = [];
  alertsFor(choices, (alert) => followed.push(alert)).show([alertOf(1)], () => SUM);
  desktop[0].dispatchEvent(new Event("click"));
  assert.deepEqual(followed, [alertOf(1)]);
  assert.deepEqual(titles(), []);
});

test("a phone that can't show one is no error", () => {
  const choices = new AlertChoices("", () => storage);
  choices.choose("desktop", true);
  choices.choose("sound", true);
  globalThis.Notification = class {
    static permission = "granted";

    constructor() {
      throw new TypeError("Illegal constructor. Use ServiceWorkerRegistration.showNotification() instead.");
    }
  };
  alertsFor(choices).show([alertOf(1)], () => SUM);
  assert.equal(played, 1);
});
