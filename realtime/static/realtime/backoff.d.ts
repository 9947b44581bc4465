/** How long to wait before the next attempt. */
export declare const FIRST_RETRY_MS = 1000;
export declare const LONGEST_RETRY_MS = 30000;
/**
 * Full jitter: any time up to a limit that doubles with each failure. Browsers that lost their
 * server together don't come back together.
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 *
 * @param {number} failures how often it has failed before
 * @param {() => number} [random]
 * @returns {number} milliseconds
 */
export declare function fullJitter(failures: number, random?: () => number): number;
