/** How long to wait before the next attempt. */

export const FIRST_RETRY_MS = 1_000;
export const LONGEST_RETRY_MS = 30_000;

/**
 * Full jitter: any time up to a limit that doubles with each failure. Browsers that lost their
 * server together don't come back together.
 * https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
 *
 * @param {number} failures how often it has failed before
 * @param {() => number} [random]
 * @returns {number} milliseconds
 */
export function fullJitter(failures, random = Math.random) {
  return random() * Math.min(LONGEST_RETRY_MS, FIRST_RETRY_MS * 2 ** failures);
}
