/**
 * The rows of a page: those of the panel, and of the inbox if the page shows it.
 *
 * The server renders them again after a change; only their states are updated at once. What the
 * user is
 * working with stays: the focus, and rows that are unfolded.
 *
 * @typedef {import("./bell_state.js").ThreadState} ThreadState
 */
import { findAll } from "../page/elements.js";

export const ROW = "[data-bell-row]";

/**
 * Replaces the rows of each place by those that the server has rendered for it.
 *
 * @param {Document} page
 * @param {string} place "panel" or "inbox"
 * @param {ParentNode} fresh
 */
export function replaceRows(page, place, fresh) {
  const selector = `[data-bell-rows="${place}"]`;
  const here = page.querySelector(selector);
  const there = fresh.querySelector(selector);
  if (!here || !there) return;
  const restore = keep(page, here);
  here.replaceChildren(...there.childNodes);
  restore();
}

/**
 * Remembers the focus and the unfolded rows.
 *
 * @param {Document} page
 * @param {Element} place
 * @returns {() => void} restores them
 */
function keep(page, place) {
  const open = findAll(place, "details[open]").map(subjectOf);
  const focused = page.activeElement;
  const subject = focused && place.contains(focused) ? subjectOf(focused) : undefined;
  const index = subject === undefined ? -1 : rowsIn(place).findIndex((row) => subjectOf(row) === subject);
  const control = focused instanceof HTMLElement ? focused.dataset.bellAct : undefined;
  return () => {
    for (const row of rowsIn(place)) {
      const story = row.querySelector("details");
      if (story && open.includes(subjectOf(row))) story.open = true;
    }
    if (index < 0) return;
    const rows = rowsIn(place);
    const row = rows.find((one) => subjectOf(one) === subject) ?? rows[Math.min(index, rows.length - 1)];
    if (row) focusRow(row, control);
  };
}

/**
 * @param {HTMLElement} row
 * @param {string} [control] the action of a button; the row's link, if there is no such button
 */
export function focusRow(row, control) {
  const button = control && row.querySelector(`[data-bell-act="${control}"]`);
  const target = button || row.querySelector("[data-bell-link]");
  if (target instanceof HTMLElement) target.focus();
}

/**
 * Hides rows at once whose threads were archived or are gone.
 *
 * @param {Document} page
 * @param {{subject: string | null, through?: number}} gone
 */
export function hideRows(page, { subject, through = Infinity }) {
  for (const row of findAll(page, `${ROW}:not([data-archived])`)) {
    const isIt = subject === null || subjectOf(row) === subject;
    if (isIt && Number(row.dataset.position) <= through) row.hidden = true;
  }
}

/**
 * Shows each row as new, seen or read: by the bell's state, or by the server's where that is newer.
 *
 * @param {Document} page
 * @param {number} cursor
 * @param {(subject: string) => ThreadState} stateOf
 */
export function showStates(page, cursor, stateOf) {
  for (const row of findAll(page, `${ROW}:not([data-archived])`)) {
    if (Number(row.dataset.position) > cursor) continue;
    const state = stateOf(subjectOf(row));
    if (row.dataset.state !== state) row.dataset.state = state;
  }
}

/**
 * @param {ParentNode} place
 * @returns {HTMLElement[]}
 */
export function rowsIn(place) {
  return findAll(place, ROW).filter((row) => !row.hidden);
}

/**
 * @param {Element} element a row, or an element in one
 * @returns {string}
 */
export function subjectOf(element) {
  const row = element.closest("[data-subject]");
  return row instanceof HTMLElement ? (row.dataset.subject ?? "") : "";
}
