/** The days of the inbox in the viewer's time zone: the server only knows its own. */
import { supported } from "../page/relative_times.js";
import { ROW } from "./rows.js";

const DAY = ".bell-day";

/**
 * Names the days, and moves each row under its day. Rows that are already there don't move, so that
 * the focus stays.
 *
 * @param {ParentNode} place
 * @param {string} language of the page
 * @param {Date} now
 */
export function writeDays(place, language, now = new Date()) {
  const locale = supported(language);
  let section = /** @type {HTMLElement | null} */ (place.querySelector(DAY));
  /** @type {string | undefined} */
  let current;
  for (const row of [...place.querySelectorAll(`${DAY} ${ROW}`)]) {
    const then = timeOf(row);
    if (!section || !then) return;
    const day = then.toDateString();
    if (current === undefined) {
      current = day;
    } else if (day !== current) {
      current = day;
      const theirs = /** @type {HTMLElement} */ (row.closest(DAY));
      section = theirs === section ? afterwards(section) : theirs;
    }
    if (row.closest(DAY) !== section) section.querySelector(".bell-list")?.append(row);
    const heading = section.querySelector("h2");
    const name = nameOf(then, now, locale);
    if (heading && heading.textContent !== name) heading.textContent = name;
  }
  for (const empty of place.querySelectorAll(DAY)) {
    if (!empty.querySelector(ROW)) empty.remove();
  }
}

/** @param {Element} row */
function timeOf(row) {
  const time = row.querySelector("time");
  return time?.dateTime ? new Date(time.dateTime) : null;
}

/**
 * Makes an empty section for the next day.
 *
 * @param {HTMLElement} section
 */
function afterwards(section) {
  const next = /** @type {HTMLElement} */ (section.cloneNode(true));
  next.querySelector(".bell-list")?.replaceChildren();
  const heading = next.querySelector("h2");
  if (heading) next.setAttribute("aria-labelledby", (heading.id += "-next"));
  section.after(next);
  return next;
}

/**
 * @param {Date} then
 * @param {Date} now
 * @param {string} locale
 */
function nameOf(then, now, locale) {
  const days = Math.round((midnight(now) - midnight(then)) / 86_400_000);
  if (days > 1) return new Intl.DateTimeFormat(locale, { dateStyle: "long" }).format(then);
  const name = new Intl.RelativeTimeFormat(locale, { numeric: "auto" }).format(-Math.max(days, 0), "day");
  return name.charAt(0).toLocaleUpperCase(locale) + name.slice(1);
}

/** @param {Date} time */
function midnight(time) {
  return new Date(time.getFullYear(), time.getMonth(), time.getDate()).getTime();
}
