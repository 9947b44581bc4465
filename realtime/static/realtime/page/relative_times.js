/**
 * “5 minutes ago”, in the page's language, kept true while the page is open. A tooltip has the full
 * time in the viewer's time zone. The server can only write times in UTC.
 *
 *     <time data-relative datetime="2026-03-09T17:41:00Z">    moves
 *     <time data-local datetime="2026-03-09T17:41:00Z">       is written once
 *
 * @typedef {{value: number, unit: Intl.RelativeTimeFormatUnit}} Age
 */

const SECOND = 1_000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
/** For an older time a date says more than a number of days. */
const LONGEST_AGE = 7 * DAY;
/** How often all times of the page are updated: “1 minute ago” may be late by this. */
const EVERY_MS = 10 * SECOND;

/**
 * The age in the largest unit of which at least one has passed; undefined if a date says more.
 *
 * @param {number} then in milliseconds, as `Date.now()` gives them
 * @param {number} now
 * @returns {Age | undefined}
 */
export function age(then, now) {
  const passed = now - then;
  if (passed < MINUTE) return { value: 0, unit: "second" }; // also negative: clocks differ a little
  if (passed < HOUR) return { value: -Math.floor(passed / MINUTE), unit: "minute" };
  if (passed < DAY) return { value: -Math.floor(passed / HOUR), unit: "hour" };
  if (passed < LONGEST_AGE) return { value: -Math.floor(passed / DAY), unit: "day" };
  return undefined;
}

/** Writes the times of a page, and updates them. */
export class RelativeTimes {
  #ago;
  #date;
  #full;
  #short;

  /** @param {string} language of the page, as in `<html lang>` */
  constructor(language) {
    const locale = supported(language);
    this.#ago = new Intl.RelativeTimeFormat(locale, { numeric: "auto" });
    this.#date = new Intl.DateTimeFormat(locale, { dateStyle: "medium" });
    this.#full = new Intl.DateTimeFormat(locale, { dateStyle: "full", timeStyle: "short" });
    this.#short = new Intl.DateTimeFormat(locale, { dateStyle: "medium", timeStyle: "short" });
  }

  /** @param {Document} page */
  keep(page) {
    this.write(page);
    setInterval(() => {
      if (page.visibilityState === "visible") this.write(page);
    }, EVERY_MS);
    page.addEventListener("visibilitychange", () => {
      if (page.visibilityState === "visible") this.write(page);
    });
  }

  /**
   * @param {ParentNode} parent
   * @param {number} now
   */
  write(parent, now = Date.now()) {
    for (const time of parent.querySelectorAll("time[data-relative], time[data-local]")) {
      if (time instanceof HTMLTimeElement && time.dateTime) this.#writeOne(time, now);
    }
  }

  /**
   * @param {HTMLTimeElement} time
   * @param {number} now
   */
  #writeOne(time, now) {
    const then = new Date(time.dateTime);
    const text = "local" in time.dataset ? this.#short.format(then) : this.text(then, now);
    if (time.textContent !== text) time.textContent = text;
    time.title = this.#full.format(then);
  }

  /**
   * @param {Date} then
   * @param {number} now
   */
  text(then, now) {
    const ago = age(then.getTime(), now);
    return ago ? this.#ago.format(ago.value, ago.unit) : this.#date.format(then);
  }
}

/**
 * The language in which to format: the viewer's own if it is a variant of the page's (“en-GB” of
 * “en”), because it decides how dates are written; otherwise the page's.
 *
 * @param {string} language
 * @param {readonly string[]} preferred
 */
export function supported(language, preferred = globalThis.navigator?.languages ?? []) {
  const [spoken] = language.split("-");
  return preferred.find((tag) => tag === language || tag.split("-")[0] === spoken) ?? language;
}
