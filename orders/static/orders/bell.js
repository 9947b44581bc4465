/**
 * The live half of the bell.
 *
 * The server renders the bell of one moment; this adds what the stream says after that. It holds
 * no words and no markup: they are in the page, in <template> elements where need be.
 *
 * @typedef {import("./bell_state.js").BellState} BellState
 * @typedef {import("./bell_state.js").StreamEvent} StreamEvent
 */
import { fullJitter } from "../realtime/backoff.js";
import { LiveStream } from "../realtime/live_stream.js";
import { announcer } from "./announcer.js";
import { BellRequests } from "./bell_requests.js";
import { BellSigns } from "./bell_signs.js";
import { applyEvent, countNew, initialState, stateOf, withBell } from "./bell_state.js";
import { NotificationLists } from "./notification_list.js";
import { onceAFrame } from "./once_a_frame.js";
import { RelativeTimes } from "./relative_times.js";
import { Toasts } from "./toasts.js";

/** A restored database resets every client at once; they must not all ask at once. */
const RESET_SPREAD_MS = 2_000;
/** While the panel is open, what arrives is seen; told to the server no more often than this. */
const BETWEEN_LOOKS_MS = 1_000;

class LiveBell {
  #panel;
  #state;
  #lists;
  #signs;
  #times;
  #requests;
  #announcer;
  #toasts;
  #stream;
  #renderSoon;
  /** @type {StreamEvent[]} orders that aren't shown yet */
  #arrived = [];
  /** @type {StreamEvent[] | undefined} what is said while the bell is rendered anew */
  #duringReset;
  #resets = 0;
  #isLooking = false;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#panel = find(root, "[data-bell-panel]");
    this.#state = initialState(root.dataset);
    this.#lists = new NotificationLists(document, root);
    this.#signs = new BellSigns(document, root);
    this.#times = new RelativeTimes(document.documentElement.lang || "en");
    this.#requests = new BellRequests(root);
    this.#announcer = announcer(
      find(root, "[data-bell-announcer]"),
      template(root, "[data-announcement]"),
    );
    this.#toasts = new Toasts(
      find(root, "[data-bell-toasts]"),
      template(root, "[data-toast]"),
      template(root, "[data-toast-more]"),
      find(root, "[data-bell-button]"),
    );
    this.#stream = LiveStream.from(root, { types: ["orders", "order-deleted", "bell"] });
    this.#renderSoon = onceAFrame(() => this.#render());
  }

  start() {
    this.#times.keep(document);
    this.#signs.showCount(this.#state);
    this.#signs.showConnection(this.#stream.state);
    this.#followTheStream();
    this.#listenToThePage();
    this.#stream.start();
  }

  /* ---- The stream ---- */

  #followTheStream() {
    this.#stream.on("event", (event) => this.#onEvent(event));
    this.#stream.on("reset", () => this.#onReset());
    this.#stream.on("state", ({ state }) => this.#signs.showConnection(state));
  }

  /** @param {StreamEvent} event */
  #onEvent(event) {
    if (this.#duringReset) this.#duringReset.push(event);
    else this.#apply(event);
  }

  /** @param {StreamEvent} event */
  #apply(event) {
    const state = applyEvent(this.#state, event);
    if (state === this.#state) return; // shown already
    this.#state = state;
    if (event.type === "orders") this.#arrived.push(event);
    this.#renderSoon();
  }

  /** The cursor can't be honoured: the server renders the bell anew, with another cursor. */
  async #onReset() {
    this.#resets += 1;
    if (this.#duringReset) return;
    let fresh;
    let resets;
    do {
      resets = this.#resets;
      this.#duringReset = [];
      await milliseconds(Math.random() * RESET_SPREAD_MS);
      fresh = await this.#freshRoot();
    } while (resets !== this.#resets); // once more meanwhile: this one may be older than that
    this.#showAnew(fresh);
    const said = this.#duringReset;
    this.#duringReset = undefined;
    for (const event of said) this.#apply(event);
  }

  /** @param {HTMLElement} fresh */
  #showAnew(fresh) {
    this.#state = initialState(fresh.dataset);
    this.#arrived = [];
    this.#lists.replace(fresh);
    this.#times.write(document);
    this.#renderSoon();
  }

  /** @returns {Promise<HTMLElement>} */
  async #freshRoot() {
    for (let attempt = 0; ; attempt++) {
      const response = await this.#requests.freshBell().catch(() => undefined);
      if (response?.ok) {
        const page = new DOMParser().parseFromString(await response.text(), "text/html");
        const root = page.querySelector("[data-bell]");
        if (root instanceof HTMLElement) return root;
        location.reload(); // nobody is signed in any more: the page says how to
      }
      await milliseconds(fullJitter(attempt));
    }
  }

  /* ---- The page ---- */

  #render() {
    const arrived = this.#arrived;
    this.#arrived = [];
    const items = arrived
      .slice(-this.#lists.kept)
      .map((event) => this.#lists.notification(event));
    for (const item of items) this.#times.write(item);
    this.#lists.add(items);
    this.#lists.showStates((position) => stateOf(this.#state, position));
    this.#signs.showCount(this.#state);
    this.#signs.showEmpty(this.#lists.isEmpty());
    this.#tellOf(arrived, items);
    this.#look();
  }

  /**
   * @param {readonly StreamEvent[]} arrived
   * @param {readonly HTMLElement[]} items the newest of them
   */
  #tellOf(arrived, items) {
    const isNew = (/** @type {number} */ position) => stateOf(this.#state, position) === "new";
    this.#toasts.keepOnly(isNew);
    const count = arrived.filter(({ position }) => isNew(position)).length;
    if (count === 0) return; // or seen in another window before it came here
    this.#signs.ring();
    if (document.visibilityState === "hidden") return;
    this.#announcer.add(count);
    if (this.#isOpen()) return; // it stands there already
    const newItems = items.filter((item) => isNew(Number(item.dataset.position)));
    this.#toasts.show(newItems.map(toastOf), count);
  }

  #listenToThePage() {
    // Also when it closes: it was looked at until then, and perhaps only between two frames.
    this.#panel.addEventListener("toggle", () => this.#look(true));
    document.addEventListener("visibilitychange", () => this.#look());
    document.addEventListener("click", (event) => this.#onClick(event));
    document.addEventListener("auxclick", (event) => this.#onClick(event));
    document.addEventListener("submit", (event) => this.#onSubmit(event));
  }

  #isOpen() {
    return this.#panel.matches(":popover-open");
  }

  #isLookedAt() {
    return this.#isOpen() && document.visibilityState === "visible";
  }

  /**
   * What stands in an open panel of a visible page has been seen, also what arrives meanwhile.
   *
   * @param {boolean} isLookedAt
   */
  async #look(isLookedAt = this.#isLookedAt()) {
    if (this.#isLooking) return;
    this.#isLooking = true;
    while (isLookedAt && countNew(this.#state) > 0) {
      const position = this.#state.cursor;
      if ((await this.#requests.seen(position)) !== "taken") break; // the next arrival tries again
      this.#confirm({ seen_position: position, read_position: 0, read_positions: [] });
      await milliseconds(BETWEEN_LOOKS_MS);
      isLookedAt = this.#isLookedAt();
    }
    this.#isLooking = false;
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    const link = event.target instanceof Element && event.target.closest("[data-bell-link]");
    const item = link && link.closest("[data-position]");
    if (event.button > 1 || !(item instanceof HTMLElement)) return; // the right button opens a menu
    this.#readOne(Number(item.dataset.position));
  }

  /** @param {SubmitEvent} event */
  #onSubmit(event) {
    const form = event.target;
    if (!(form instanceof HTMLFormElement)) return;
    if (form.matches("[data-bell-read-all]")) {
      event.preventDefault();
      this.#readAll(form);
    } else if (form.matches("[data-bell-read-one-form]")) {
      const button = event.submitter;
      if (!(button instanceof HTMLButtonElement)) return;
      event.preventDefault();
      focusLinkBeside(button);
      this.#readOne(Number(button.value));
    }
  }

  /** @param {number} position */
  async #readOne(position) {
    if (stateOf(this.#state, position) === "read") return;
    if ((await this.#requests.readOne(position)) === "taken") {
      this.#confirm({ seen_position: 0, read_position: 0, read_positions: [position] });
    }
  }

  /** @param {HTMLFormElement} form */
  async #readAll(form) {
    const position = this.#state.cursor; // what arrives during the request stays new
    const answer = await this.#requests.readAll(position);
    if (answer === "taken") {
      this.#confirm({ seen_position: position, read_position: position, read_positions: [] });
    } else if (answer === "refused") {
      const field = form.elements.namedItem("position");
      if (field instanceof HTMLInputElement) field.value = String(position);
      form.submit(); // the page that answers says what is wrong: signed out, form too old
    }
  }

  /**
   * What the server has taken. Its event says so too; but perhaps the stream is away just now.
   *
   * @param {import("./bell_state.js").BellData} data
   */
  #confirm(data) {
    this.#state = withBell(this.#state, data);
    this.#renderSoon();
  }
}

/**
 * @param {HTMLElement} item of a list
 * @returns {import("./toasts.js").ToastContent}
 */
function toastOf(item) {
  const content = document.createElement("div");
  content.className = item.className;
  content.dataset.position = item.dataset.position;
  content.append(.../** @type {HTMLElement} */ (item.cloneNode(true)).children);
  return { position: Number(item.dataset.position), content };
}

/**
 * A notification that is read has no button for it any more: the keyboard stays beside it.
 *
 * @param {HTMLButtonElement} button
 */
function focusLinkBeside(button) {
  const link = button.closest("[data-position]")?.querySelector("[data-bell-link]");
  if (link instanceof HTMLElement) link.focus();
}

/** @param {number} ms */
function milliseconds(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * @param {ParentNode} parent
 * @param {string} selector
 * @returns {HTMLElement}
 */
function find(parent, selector) {
  const element = parent.querySelector(selector);
  if (element instanceof HTMLElement) return element;
  throw new Error(`The bell's markup has no ${selector}: see templates/orders/bell_root.html.`);
}

/**
 * @param {ParentNode} parent
 * @param {string} selector
 * @returns {HTMLTemplateElement}
 */
function template(parent, selector) {
  return /** @type {HTMLTemplateElement} */ (find(parent, `template${selector}`));
}

const root = document.querySelector("[data-bell]");
if (root instanceof HTMLElement) new LiveBell(root).start();
