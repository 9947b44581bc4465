/** Work that is asked for two hundred times and done once, before the next picture is drawn. */

/** A hidden page draws no frames, but its title and its icon are looked at. */
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

  // A frame that was asked for before the page was hidden would come only when it is shown again.
  document.addEventListener("visibilitychange", () => {
    if (cancel) run();
  });
  return ask;
}
