/** Work that may be requested many times, and is done once before the next frame is drawn. */

/** A hidden page draws no frames, but its title and icon are visible, so a timer does the work. */
const WHILE_HIDDEN_MS = 250;

/**
 * @param {() => void} work
 * @returns {() => void} asks for it
 */
export function onceAFrame(work) {
  /** @type {(() => void) | undefined} */
  let cancel;

  const run = () => {
    cancel?.();
    cancel = undefined;
    work();
  };

  const ask = () => {
    if (cancel) return;
    if (document.visibilityState === "hidden") {
      const timer = setTimeout(run, WHILE_HIDDEN_MS);
      cancel = () => clearTimeout(timer);
    } else {
      const frame = requestAnimationFrame(run);
      cancel = () => cancelAnimationFrame(frame);
    }
  };

  // A frame requested before the page was hidden would only come when the page is shown again.
  document.addEventListener("visibilitychange", () => {
    if (cancel) run();
  });
  return ask;
}
