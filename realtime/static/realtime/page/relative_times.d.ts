/**
 * “5 minutes ago”, in the page's language, for as long as the page is open; and the full time, in
 * the viewer's own zone, for whoever points at it. The server can only write times in UTC.
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
 * How long ago, in the largest unit that fills; undefined, if a date says it better.
 *
 * @param {number} then in milliseconds, as `Date.now()` gives them
 * @param {number} now
 * @returns {Age | undefined}
 */
export declare function age(then: number, now: number): Age | undefined;
/** Writes the times of a page, and keeps them true. */
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
 * The page's language; and where the viewer's own is a form of it (“en-GB” of “en”), theirs, for it
 * tells how they write dates.
 *
 * @param {string} language
 * @param {readonly string[]} preferred
 */
export declare function supported(language: string, preferred?: readonly string[]): string;
