/**
 * The live half of the bell.
 *
 * The server renders the bell of one moment; this script applies the later events of the stream.
 * bell_state.js updates counts and states at once. The server renders the rows again, so that all
 * words and markup stay in its templates.
 *
 * @typedef {import("./bell_state.js").BellState} BellState
 * @typedef {import("./bell_state.js").Change} Change
 * @typedef {import("./bell_state.js").StreamEvent} StreamEvent
 */
import { LiveStream } from "../live_stream.js";
import { announcement, announcer } from "../page/announcer.js";
import { find, findAll, findTemplate } from "../page/elements.js";
import { onceAFrame } from "../page/once_a_frame.js";
import { freshPage, Refresher } from "../page/refresher.js";
import { RelativeTimes } from "../page/relative_times.js";
import { AlertChoices } from "./alert_choices.js";
import { AlertControls } from "./alert_controls.js";
import { Alerts } from "./alerts.js";
import { Attention } from "./attention.js";
import {
  CHANGE,
  FORGOTTEN,
  NOTIFICATION,
  TYPES,
  applyEvent,
  countNew,
  initialState,
  isIncomplete,
  isNew,
  isTold,
  stateOf,
  withChange,
} from "./bell_state.js";
import { writeDays } from "./days.js";
import { guardKeptPage } from "./kept_page.js";
import { listenToKeys } from "./keys.js";
import { BellRequests } from "./requests.js";
import { ROW, focusRow, hideRows, replaceRows, rowsIn, showStates, subjectOf } from "./rows.js";
import { BellSigns } from "./signs.js";
import { Toasts } from "./toasts.js";
import { Undo } from "./undo.js";

/** A restored database resets all clients at once; their requests are spread over this time. */
const RESET_SPREAD_MS = 2_000;
/** How often at most the server is told that the user has seen what arrives while they look. */
const BETWEEN_LOOKS_MS = 1_000;
/** Arrivals within this time share one desktop alert. Those that are seen by then get none. */
const GATHER_ALERTS_MS = 500;
/** After these changes the server has to render the rows again. */
const MOVES_ROWS = ["archive", "unarchive", "unread"];

class LiveBell {
  #root;
  #panel;
  /** The element that shows the inbox, if this page is the inbox. */
  #inbox;
  #state;
  #signs;
  #times;
  #requests;
  #announcer;
  #toasts;
  #undo;
  #alerts;
  #alertControls;
  #attention = new Attention();
  #stream;
  #renderSoon;
  #rows = new Refresher(() => this.#refreshRows());
  /** Whether the rows are older than the last event. */
  #areRowsOld = false;
  /** @type {StreamEvent[]} notifications that haven't been announced yet */
  #arrived = [];
  /** @type {Map<string, number>} their newest positions by subject, until their rows are rendered */
  #toToast = new Map();
  #alertRows = new Refresher(() => this.#alert());
  /** @type {Map<string, number>} the newest positions for desktop alerts, by subject */
  #toAlert = new Map();
  /** @type {StreamEvent[] | undefined} events that arrive while the state is fetched again */
  #duringReset;
  #resets = 0;
  #isLooking = false;

  /** @param {HTMLElement} root */
  constructor(root) {
    this.#root = root;
    this.#panel = find(root, "[data-bell-panel]");
    this.#inbox = findAll(document, '[data-bell-rows="inbox"]').at(0);
    this.#state = initialState(root.dataset);
    this.#signs = new BellSigns(document, root);
    this.#times = new RelativeTimes(document.documentElement.lang || "en");
    this.#requests = new BellRequests(root);
    this.#announcer = announcer(
      find(root, "[data-bell-announcer]"),
      findTemplate(root, "[data-announcement]"),
    );
    this.#toasts = new Toasts(
      find(root, "[data-bell-toasts]"),
      findTemplate(root, "[data-toast]"),
      findTemplate(root, "[data-toast-more]"),
      find(root, "[data-bell-button]"),
    );
    this.#undo = new Undo(find(root, "[data-bell-undo]"), findTemplate(root, "[data-undo]"));
    const choices = new AlertChoices(root.dataset.user ?? "");
    this.#alerts = new Alerts(choices, (alert) => this.#follow(alert));
    this.#alertControls = findAll(document, "[data-bell-alerts]").map((one) => new AlertControls(one, choices));
    this.#stream = LiveStream.from(root, { types: TYPES });
    this.#renderSoon = onceAFrame(() => this.#render());
  }

  start() {
    this.#times.keep(document);
    if (this.#inbox) writeDays(this.#inbox, document.documentElement.lang);
    this.#signs.showCount(this.#state);
    this.#signs.showConnection(this.#stream.state);
    this.#stream.on("event", (event) => this.#onEvent(event));
    this.#stream.on("reset", () => this.#fetchState());
    this.#stream.on("state", ({ state }) => this.#signs.showConnection(state));
    this.#listenToThePage();
    this.#attention.keep();
    guardKeptPage(async () => (await this.#rootNow())?.dataset.user === this.#root.dataset.user);
    for (const controls of this.#alertControls) controls.start();
    this.#stream.start();
    this.#look();
  }

  /* ---- The stream ---- */

  /** @param {StreamEvent} event */
  #onEvent(event) {
    if (this.#duringReset) this.#duringReset.push(event);
    else this.#apply(event);
  }

  /** @param {StreamEvent} event */
  #apply(event) {
    const state = applyEvent(this.#state, event);
    if (state === this.#state) return; // already applied
    const { type, data, position } = event;
    const isNews = type === NOTIFICATION && isTold(this.#state, data);
    this.#state = state;
    if (isNews) this.#arrived.push(event);
    if (isNews && this.#stream.isLeader && this.#alerts.areWanted) {
      this.#toAlert.set(data.subject, position);
      this.#alertRows.ask();
    }
    const hasMoved = type === CHANGE ? MOVES_ROWS.includes(data.action) : isNews || type !== NOTIFICATION;
    this.#areRowsOld ||= hasMoved;
    if (type === FORGOTTEN || data.action === "archive") hideRows(document, data);
    this.#renderSoon();
    if (isIncomplete(state)) this.#fetchState();
  }

  /** For when only the server knows the state: after a reset, or if not all unread is listed here. */
  async #fetchState() {
    this.#resets += 1;
    if (this.#duringReset) return;
    let fresh;
    let resets;
    do {
      resets = this.#resets;
      this.#duringReset = [];
      await milliseconds(Math.random() * RESET_SPREAD_MS);
      fresh = await this.#freshRoot();
    } while (resets !== this.#resets); // another reset came meanwhile: this state may be too old
    if (!fresh) {
      location.reload(); // nobody is signed in any more: the new page leads to the login
      return;
    }
    this.#state = initialState(fresh.dataset);
    this.#arrived = [];
    this.#areRowsOld = true;
    const said = this.#duringReset;
    this.#duringReset = undefined;
    for (const event of said) this.#apply(event);
    this.#renderSoon();
  }

  /** @returns {Promise<HTMLElement | null>} */
  #freshRoot() {
    return new Promise((resolve) => {
      new Refresher(async () => resolve(await this.#rootNow())).ask();
    });
  }

  /** The bell as the server renders it now; null, if nobody is signed in any more. */
  async #rootNow() {
    const { page, status } = await freshPage(this.#root.dataset.stateUrl ?? "");
    if (status === 401) return null;
    const root = page.querySelector("[data-bell]");
    if (!(root instanceof HTMLElement)) throw new Error("There is no bell in the answer.");
    return root;
  }

  /* ---- The page ---- */

  #render() {
    const arrived = this.#arrived;
    this.#arrived = [];
    this.#showStates();
    this.#signs.showCount(this.#state);
    this.#tellOf(arrived);
    this.#look();
    this.#refreshIfVisible();
  }

  #showStates() {
    showStates(document, this.#state.cursor, (subject) => stateOf(this.#state, subject));
  }

  #refreshIfVisible() {
    if (!this.#areRowsOld || document.visibilityState === "hidden") return;
    this.#areRowsOld = false;
    this.#rows.ask();
  }

  async #refreshRows() {
    const arrived = this.#toToast; // later arrivals may not be in the answer
    this.#toToast = new Map();
    const root = await this.#rootNow();
    if (!root) return; // the connection line shows that
    const inbox = this.#inbox && (await freshPage(location.href)).page;
    replaceRows(document, "panel", root);
    if (inbox) {
      writeDays(inbox, document.documentElement.lang);
      replaceRows(document, "inbox", inbox);
    }
    this.#times.write(document);
    this.#showStates();
    this.#signs.showCount(this.#state); // the new rows of the inbox may also show the count
    this.#toast(arrived);
  }

  /** @param {readonly StreamEvent[]} arrived */
  #tellOf(arrived) {
    /** @type {(subject: string, position: number) => boolean} */
    const isStillNew = (subject, position) => isNew(this.#state, subject, position);
    this.#toasts.keepOnly(isStillNew);
    this.#alerts.keepOnly((subject, position) => {
      return subject === "" ? countNew(this.#state) > 0 : isStillNew(subject, position);
    });
    const news = arrived.filter(({ data, position }) => {
      return isStillNew(data.subject, position) && !this.#isInView(data.subject);
    });
    if (news.length === 0) return; // for example seen in another window already
    this.#signs.ring();
    if (document.visibilityState === "hidden") return;
    this.#announcer.add(news.length);
    if (this.#isListInView()) return; // the list on the screen shows it
    for (const { data, position } of news) this.#toToast.set(data.subject, position);
  }

  /**
   * Shows recent arrivals in the corner, once their rows are rendered.
   *
   * @param {ReadonlyMap<string, number>} arrived the newest position of each subject
   */
  #toast(arrived) {
    const news = new Map(
      [...arrived].filter(([subject, position]) => isNew(this.#state, subject, position)),
    );
    const rows = rowsIn(this.#panel).filter((row) => news.has(subjectOf(row)));
    this.#toasts.show(rows.map(toastOf), news);
  }

  /** Alerts on the desktop, once for all tabs, while the user looks at none of them. */
  async #alert() {
    await milliseconds(GATHER_ALERTS_MS);
    const arrived = new Map(this.#toAlert);
    const isLookedAt = await this.#attention.isAnywhere();
    const root = isLookedAt ? null : await this.#rootNow();
    for (const [subject, position] of arrived) {
      if (this.#toAlert.get(subject) === position) this.#toAlert.delete(subject);
    }
    if (!root) return; // no alert is needed, or nobody is signed in any more
    const isToBeTold = (/** @type {string} */ subject) => {
      const position = arrived.get(subject);
      return position !== undefined && isNew(this.#state, subject, position);
    };
    const subjects = [...arrived.keys()].filter(isToBeTold);
    const alerts = rowsIn(find(root, "[data-bell-panel]"))
      .filter((row) => isToBeTold(subjectOf(row)))
      .map((row) => alertOf(row, arrived.get(subjectOf(row)) ?? 0));
    this.#alerts.show(alerts, () => this.#sumOf(subjects.length));
  }

  /**
   * The alert “12 new notifications”.
   *
   * @param {number} count
   * @returns {import("./alerts.js").Alert}
   */
  #sumOf(count) {
    const title = announcement(findTemplate(this.#root, "[data-announcement]"), count).textContent ?? "";
    const url = this.#root.dataset.inboxUrl ?? "";
    return { subject: "", position: 0, title: title.trim(), body: "", url };
  }

  /**
   * Follows a clicked alert: to this tab if the page is about its subject; otherwise to a new tab,
   * because this one may have a form that the user has begun to fill in.
   *
   * @param {import("./alerts.js").Alert} alert
   */
  #follow({ subject, url }) {
    if (url === "" || subjectsOfPage().includes(subject)) focus();
    else open(url, "_blank", "noopener");
    if (this.#state.unread.has(subject)) {
      this.#do({ action: "read", subject, through: this.#state.cursor });
    }
  }

  #listenToThePage() {
    // Also when it closes: the user looked at it until then, and perhaps only between two frames.
    this.#panel.addEventListener("toggle", () => this.#look(true));
    document.addEventListener("visibilitychange", () => {
      this.#look();
      this.#refreshIfVisible();
    });
    document.addEventListener("click", (event) => this.#onClick(event));
    document.addEventListener("auxclick", (event) => this.#onClick(event));
    document.addEventListener("submit", (event) => this.#onSubmit(event));
    const help = findAll(document, "[data-bell-keys]").at(0);
    if (!this.#inbox || !help) return;
    for (const button of findAll(document, "[data-bell-keys-button]")) button.hidden = false;
    listenToKeys(this.#inbox, help, (action, row) => this.#act(action, row));
  }

  /** Whether a list with the newest notifications is on the screen. */
  #isListInView() {
    return this.#panel.matches(":popover-open") || (this.#inbox?.hasAttribute("data-bell-newest") ?? false);
  }

  /**
   * Whether this page is about the subject.
   *
   * @param {string} subject
   */
  #isInView(subject) {
    return document.visibilityState === "visible" && subjectsOfPage().includes(subject);
  }

  /**
   * Marks as seen what a visible list shows, including new arrivals, and marks as read the subjects
   * of the page itself.
   *
   * @param {boolean} isListInView
   */
  async #look(isListInView = this.#isListInView()) {
    if (this.#isLooking) return;
    this.#isLooking = true;
    while (document.visibilityState === "visible") {
      const through = this.#state.cursor;
      /** @type {Extract<Change, {through: number}>[]} */
      const changes = [...new Set(subjectsOfPage())]
        .filter((subject) => this.#state.unread.has(subject))
        .map((subject) => ({ action: "read", subject, through }));
      if (changes.length === 0 && isListInView && countNew(this.#state) > 0) {
        changes.push({ action: "see", through });
      }
      if (changes.length === 0 || !(await this.#doAll(changes))) break; // the next arrival tries again
      await milliseconds(BETWEEN_LOOKS_MS);
      isListInView = this.#isListInView();
    }
    this.#isLooking = false;
  }

  /** @param {MouseEvent} event */
  #onClick(event) {
    const link = event.target instanceof Element && event.target.closest("a[data-bell-link]");
    if (event.button > 1 || !link) return; // the right button opens a menu
    const subject = subjectOf(link);
    if (this.#state.unread.has(subject)) {
      this.#do({ action: "read", subject, through: this.#state.cursor });
    }
  }

  /** @param {SubmitEvent} event */
  async #onSubmit(event) {
    const button = event.submitter;
    if (!(event.target instanceof HTMLFormElement) || !event.target.matches("[data-bell-change]")) return;
    if (!(button instanceof HTMLButtonElement)) return;
    event.preventDefault();
    const row = button.closest(ROW);
    if (row instanceof HTMLElement) {
      await this.#act(button.dataset.bellAct ?? "", row);
    } else if (button.value === "read") {
      const change = /** @type {const} */ ({ action: "read", subject: null });
      // What arrives during the request stays unread.
      await this.#do({ ...change, through: this.#state.cursor }, event.target, button);
    } else {
      await this.#restore(button, event.target);
    }
  }

  /**
   * Archive a row, bring it back, or mark it as read or unread.
   *
   * @param {string} action
   * @param {HTMLElement} row
   */
  async #act(action, row) {
    const subject = subjectOf(row);
    const through = Math.max(this.#state.cursor, Number(row.dataset.position));
    const isLeaving = action === "archive" || action === "unarchive";
    if (isLeaving) leave(row);
    else if (row.contains(document.activeElement)) focusRow(row); // the focused button was replaced
    if ((await this.#requests.change(action, subject, through)) !== "taken") {
      row.hidden = false;
      return;
    }
    if (action === "archive") this.#undo.offer(subject, row.querySelector("[data-bell-title]")?.textContent ?? "");
    if (action === "read" || action === "archive") this.#confirm({ action, subject, through });
    if (action === "unread") this.#confirm({ action, subject, last: Number(row.dataset.position) });
  }

  /**
   * @param {HTMLButtonElement} button
   * @param {HTMLFormElement} form
   */
  async #restore(button, form) {
    const [action, subject] = button.value.split(" ", 2);
    if ((await this.#requests.change(action, subject, this.#state.cursor)) === "refused") {
      submitFor(form, button);
    }
    this.#undo.take();
    for (const note of findAll(document, "[data-bell-undone]")) note.remove();
  }

  /**
   * Sends changes one after the other, until the server doesn't accept one.
   *
   * @param {readonly (Change & {through: number})[]} changes
   */
  async #doAll(changes) {
    for (const change of changes) {
      if (!(await this.#do(change))) return false;
    }
    return true;
  }

  /**
   * @param {Change & {through: number, subject?: string | null}} change
   * @param {HTMLFormElement} [form] is submitted in the usual way if the server refuses
   * @param {HTMLButtonElement} [button]
   */
  async #do(change, form, button) {
    const { action, through, subject = null } = change;
    const answer = await this.#requests.change(action, subject, through);
    if (answer === "taken") this.#confirm(change);
    else if (answer === "refused" && form && button) submitFor(form, button);
    return answer === "taken";
  }

  /**
   * Applies a change that the server has accepted. Its event follows, but the stream may be down
   * now.
   *
   * @param {Change} change
   */
  #confirm(change) {
    this.#state = withChange(this.#state, change);
    this.#renderSoon();
  }
}

/**
 * Submits the form in the usual way, so that the new page shows what is wrong: signed out, for
 * example.
 *
 * @param {HTMLFormElement} form
 * @param {HTMLButtonElement} button
 */
function submitFor(form, button) {
  const field = document.createElement("input");
  Object.assign(field, { type: "hidden", name: button.name, value: button.value });
  form.append(field);
  form.submit();
}

/**
 * Removes a row; the focus moves to the next row, or to the one before.
 *
 * @param {HTMLElement} row
 */
function leave(row) {
  const place = row.closest("[data-bell-rows]");
  const rows = place ? rowsIn(place) : [];
  const index = rows.indexOf(row);
  const next = rows[index + 1] ?? rows[index - 1];
  const hasFocus = row.contains(document.activeElement);
  row.hidden = true;
  if (hasFocus && next) focusRow(next);
}

/** The subjects that this page is about: `{% bell_subject order %}`. */
function subjectsOfPage() {
  return findAll(document, "[data-bell-subject]").map(({ dataset }) => dataset.bellSubject ?? "");
}

/**
 * @param {HTMLElement} row
 * @returns {import("./toasts.js").ToastContent}
 */
function toastOf(row) {
  const content = document.createElement("div");
  content.className = row.className;
  content.dataset.subject = row.dataset.subject;
  content.append(.../** @type {HTMLElement} */ (row.cloneNode(true)).children);
  for (const part of content.querySelectorAll(".bell-tags, .bell-details")) part.remove();
  return { subject: subjectOf(row), content };
}

/**
 * @param {HTMLElement} row
 * @param {number} position
 * @returns {import("./alerts.js").Alert}
 */
function alertOf(row, position) {
  const text = (/** @type {string} */ selector) => {
    return (row.querySelector(selector)?.textContent ?? "").replace(/\s+/g, " ").trim();
  };
  return {
    subject: subjectOf(row),
    position,
    title: text("[data-bell-link]"),
    body: text(".bell-sentence"),
    url: row.querySelector("a[data-bell-link]")?.getAttribute("href") ?? "",
  };
}

/** @param {number} ms */
function milliseconds(ms) {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const root = document.querySelector("[data-bell]");
if (root instanceof HTMLElement) new LiveBell(root).start();
