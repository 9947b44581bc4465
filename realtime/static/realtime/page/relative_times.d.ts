/**
 * “5 minutes ago”, in the page's language, kept true while the page is open. A tooltip has the full
 * time in the viewer's time zone. The server can only write times in UTC.
 *
 *     <time data-relative datetime="2026-03-09T17:41:00Z">    moves
 *     <time data-local datetime="2026-03-09T17:41:00Z">       is written once
 *
 * @typedef {{value: number, unit: Intl.RelativeTimeFormatUnit}} Age
 */
export type Age = {
    value: number;
    unit: Intl.RelativeTimeFormatUnit;
};
/**
 * The age in the largest unit of which at least one has passed; undefined if a date says more.
 *
 * @param {number} then in milliseconds, as `Date.now()` gives them
 * @param {number} now
 * @returns {Age | undefined}
 */
export declare function age(then: number, now: number): Age | undefined;
/** Writes the times of a page, and updates them. */
export declare class RelativeTimes {
    #private;
    /** @param {string} language of the page, as in `<html lang>` */
    constructor(language: string);
    /** @param {Document} page */
    keep(page: Document): void;
    /**
     * @param {ParentNode} parent
     * @param {number} now
     */
    write(parent: ParentNode, now?: number): void;
    /**
     * @param {Date} then
     * @param {number} now
     */
    text(then: Date, now: number): string;
}
/**
 * The language in which to format: the viewer's own if it is a variant of the page's (“en-GB” of
 * “en”), because it decides how dates are written; otherwise the page's.
 *
 * @param {string} language
 * @param {readonly string[]} preferred
 */
export declare function supported(language: string, preferred?: readonly string[]): string;
