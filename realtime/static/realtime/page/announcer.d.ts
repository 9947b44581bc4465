/** Collects arrivals, and announces their number with pauses between. */
export declare class Gatherer {
    #private;
    /**
     * @param {(count: number) => void} tell
     * @param {{now: () => number, setTimeout: (end: () => void, ms: number) => any}} clock
     */
    constructor(tell: (count: number) => void, clock?: {
        now: () => number;
        setTimeout: (end: () => void, ms: number) => any;
    });
    /** @param {number} count */
    add(count: number): void;
}
/**
 * A polite live region that says “12 new notifications”.
 *
 * @param {HTMLElement} region
 * @param {HTMLTemplateElement} template the sentence, in each of its plural forms
 * @returns {Gatherer}
 */
export declare function announcer(region: HTMLElement, template: HTMLTemplateElement): Gatherer;
/**
 * “12 new notifications”.
 *
 * @param {HTMLTemplateElement} template the sentence, in each of its plural forms
 * @param {number} count
 * @returns {DocumentFragment}
 */
export declare function announcement(template: HTMLTemplateElement, count: number): DocumentFragment;
