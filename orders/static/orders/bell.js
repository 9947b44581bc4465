// @ts-check
/**
 * The live half of the bell.
 *
 * The server renders the list, the count and the cursor of one moment; this adds what comes after
 * that cursor. It holds no wording and no markup: both are in the page's <template> elements, and
 * what an event says goes in through `textContent`.
 *
 * @typedef {{
 *   order: number, status: string, product: string, quantity: number, unit_price: string,
 *   total: string, customer: string, placed_at: string,
 * }} OrderEvent
 * @typedef {"connecting" | "live" | "reconnecting" | "offline" | "signed-out"} Connection
 */

const FIRST_RETRY_MS = 1_000;
const LONGEST_RETRY_MS = 30_000;
/** A restored database resets every client at once; they must not all reload at once. */
const RELOAD_SPREAD_MS = 2_000;
/** A page hidden for longer may come back with a dead stream that never says so. */
const LONGEST_TRUSTED_ABSENCE_MS = 30_000;

const bell = find(document, "#bell");
const bellIcon = find(bell, ".bell-icon svg");
const list = find(bell, "[data-notifications]");
const seenForm = /** @type {HTMLFormElement} */ (find(bell, "form[data-seen]"));
const streamUrl = setting("streamUrl");
const kept = Number(setting("kept"));
const mostCounted = Number(setting("mostCounted"));

let cursor = Number(setting("cursor"));
let newCount = Number(setting("newCount"));
/** @type {EventSource | undefined} */
let source;
let failures = 0;
/** @type {ReturnType<typeof setTimeout> | undefined} */
let retryTimer;
let hiddenSince = 0;

localizeTimes(list);
find(bell, "[data-connection]").hidden = false;
listenToThePage();
connect();

/* ---- The stream ---- */

/** Opens the stream after the last event shown, in place of the one open until now. */
function connect() {
  disconnect();
  source = new EventSource(`${streamUrl}?last_event_id=${cursor}`);
  source.addEventListener("open", onOpen);
  source.addEventListener("error", onError);
  source.addEventListener("orders", onOrder);
  source.addEventListener("reset", onReset);
}

function disconnect() {
  clearTimeout(retryTimer);
  source?.close();
}

function onOpen() {
  failures = 0;
  showConnection("live");
}

function onError() {
  showConnection(navigator.onLine ? "reconnecting" : "offline");
  if (source?.readyState === EventSource.CLOSED) afterGivingUp(source);
}

/**
 * EventSource gives up for good on any answer but 200, and does not say which one it was.
 * @param {EventSource} closed
 */
async function afterGivingUp(closed) {
  const signedOut = await isSignedOut();
  if (source !== closed) return; // the page came back in the meantime and has connected anew
  if (signedOut) showConnection("signed-out");
  else retryTimer = setTimeout(connect, fullJitter(failures++));
}

async function isSignedOut() {
  try {
    return (await fetch(streamUrl, { method: "HEAD" })).status === 401;
  } catch {
    return false; // no network, so nothing is known
  }
}

/** @param {number} attempt */
function fullJitter(attempt) {
  return Math.random() * Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** attempt);
}

/** @param {MessageEvent<string>} message */
function onOrder(message) {
  const position = Number(message.lastEventId);
  if (position <= cursor) return; // shown already
  /** @type {OrderEvent} */
  const order = JSON.parse(message.data);
  if (order.customer !== setting("username")) {
    // Someone else has signed in, in another tab of this browser: this page is not theirs.
    disconnect();
    location.reload();
    return;
  }
  cursor = position;
  showNotification(order);
  showNewCount(newCount + 1);
  ring();
}

/** The cursor can't be honoured: the page that the server renders now has list and cursor anew. */
function onReset() {
  disconnect();
  showConnection("reconnecting");
  retryTimer = setTimeout(() => location.reload(), Math.random() * RELOAD_SPREAD_MS);
}

/* ---- The page ---- */

function listenToThePage() {
  seenForm.addEventListener("submit", onMarkAllAsSeen);
  bellIcon.addEventListener("animationend", () => bellIcon.removeAttribute("data-ringing"));
  addEventListener("online", connect);
  addEventListener("offline", () => showConnection("offline"));
  addEventListener("pagehide", disconnect);
  addEventListener("pageshow", (event) => {
    if (event.persisted) connect();
  });
  document.addEventListener("visibilitychange", onVisibilityChange);
}

function onVisibilityChange() {
  if (document.visibilityState === "hidden") {
    hiddenSince = Date.now();
  } else if (Date.now() - hiddenSince > LONGEST_TRUSTED_ABSENCE_MS) {
    connect();
  }
}

/** @param {SubmitEvent} event */
async function onMarkAllAsSeen(event) {
  event.preventDefault();
  const counted = newCount; // what arrives during the request stays new
  const shown = [...list.querySelectorAll("[data-new]")];
  /** @type {Response} */
  let response;
  try {
    response = await fetch(seenForm.action, {
      method: "POST",
      headers: { Accept: "application/json" },
      body: new FormData(seenForm),
    });
  } catch {
    return; // no network: nothing has changed, and the connection's state says why
  }
  if (!response.ok || response.redirected) {
    seenForm.submit(); // the page that answers says what is wrong: signed out, form too old
    return;
  }
  for (const notification of shown) notification.removeAttribute("data-new");
  showNewCount(newCount - counted);
}

/** @param {OrderEvent} order */
function showNotification(order) {
  const notification = fromTemplate(order.status);
  notification.dataset.position = String(cursor);
  notification.setAttribute("data-new", "");
  for (const field of notification.querySelectorAll("[data-field]")) {
    const name = /** @type {HTMLElement} */ (field).dataset.field;
    const text = String(order[/** @type {keyof OrderEvent} */ (name)]);
    if (field instanceof HTMLTimeElement) field.dateTime = text;
    else field.textContent = text;
  }
  localizeTimes(notification);
  list.prepend(notification);
  while (list.children.length > kept) list.lastElementChild?.remove();
  find(bell, "[data-empty]").hidden = true;
}

/**
 * @param {string} status
 * @returns {HTMLElement}
 */
function fromTemplate(status) {
  const templates = /** @type {HTMLTemplateElement[]} */ ([...bell.querySelectorAll("template")]);
  const forAnyStatus = templates.find((template) => template.dataset.status === "");
  const template = templates.find((template) => template.dataset.status === status);
  const content = /** @type {HTMLTemplateElement} */ (template ?? forAnyStatus).content;
  return /** @type {HTMLElement} */ (find(content, "li").cloneNode(true));
}

/** @param {number} count */
function showNewCount(count) {
  newCount = count;
  const text = count > mostCounted ? `${mostCounted}+` : String(count);
  const title = setting("title");
  document.title = count ? `(${text}) ${title}` : title;
  find(bell, "[data-new-badge]").textContent = text;
  find(bell, "[data-new-count-text]").textContent = text;
  for (const element of [find(bell, "[data-new-badge]"), find(bell, "[data-some-new]"), seenForm]) {
    element.hidden = count === 0;
  }
  find(bell, "[data-none-new]").hidden = count > 0;
  /** @type {HTMLInputElement} */ (seenForm.elements.namedItem("position")).value = String(cursor);
}

/** @param {Connection} state */
function showConnection(state) {
  const connection = find(bell, "[data-connection]");
  connection.dataset.connection = state;
  for (const text of connection.querySelectorAll("[data-when]")) {
    const line = /** @type {HTMLElement} */ (text);
    line.hidden = line.dataset.when !== state;
  }
}

/** The stylesheet swings the bell, unless the viewer asked for less motion. */
function ring() {
  bellIcon.setAttribute("data-ringing", "");
}

/**
 * The server writes times in UTC; only the browser knows the viewer's zone and habits.
 * @param {ParentNode} parent
 */
function localizeTimes(parent) {
  const format = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });
  for (const time of parent.querySelectorAll("time")) {
    time.textContent = format.format(new Date(time.dateTime));
  }
}

/**
 * @param {ParentNode} parent
 * @param {string} selector
 * @returns {HTMLElement}
 */
function find(parent, selector) {
  const element = parent.querySelector(selector);
  if (!element) throw new Error(`templates/orders/bell.html has no ${selector}.`);
  return /** @type {HTMLElement} */ (element);
}

/** @param {string} name */
function setting(name) {
  const value = bell.dataset[name];
  if (value === undefined) throw new Error(`templates/orders/bell.html gives #bell no ${name}.`);
  return value;
}
