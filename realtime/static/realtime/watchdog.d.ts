/**
 * Calls back (“barks”) if something that was expected doesn't happen in time.
 *
 * @typedef {{
 *   now: () => number,
 *   setTimeout: (callback: () => void, milliseconds: number) => any,
 *   clearTimeout: (timer: any) => void,
 * }} Clock
 */
export type Clock = {
    now: () => number;
    setTimeout: (callback: () => void, milliseconds: number) => any;
    clearTimeout: (timer: any) => void;
};
/** @type {Clock} */
export declare const CLOCK: Clock;
export declare class Watchdog {
    #private;
    /**
     * @param {() => void} bark
     * @param {Clock} [clock]
     */
    constructor(bark: () => void, clock?: Clock);
    /**
     * Bark after so many milliseconds from now; an earlier deadline no longer counts.
     * @param {number} milliseconds
     */
    expect(milliseconds: number): void;
    /** Expect nothing. */
    rest(): void;
    /** Bark now if it is high time: a page that sleeps has its timers late. */
    check(): void;
}
