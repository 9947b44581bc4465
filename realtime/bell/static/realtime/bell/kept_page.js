/**
 * A private page in the browser's back/forward cache: it is hidden when it is put there, and shown
 * again only once the server has said that its reader is still signed in. kept_pages.py lets browsers
 * keep pages for which this has run.
 */

const COOKIE = "realtime_kept_pages";

/** @param {() => Promise<boolean>} isStillTheirs asks the server whose session it is now */
export function guardKeptPage(isStillTheirs) {
  document.cookie = `${COOKIE}=1; path=/; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;
  addEventListener("pagehide", ({ persisted }) => {
    if (persisted) hide(true);
  });
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted || cameBack()) showIf(isStillTheirs);
  });
}

/** A browser without room for the page may have kept its text, and takes it without asking. */
function cameBack() {
  const [navigation] = performance.getEntriesByType("navigation");
  return navigation instanceof PerformanceNavigationTiming && navigation.type === "back_forward";
}

/** @param {() => Promise<boolean>} isStillTheirs */
async function showIf(isStillTheirs) {
  hide(true);
  const isTheirs = await isStillTheirs().catch(() => false);
  if (isTheirs) hide(false);
  else location.reload(); // to the login, to the next reader's page, or to what the browser says offline
}

/** @param {boolean} isHidden */
function hide(isHidden) {
  document.documentElement.toggleAttribute("data-bell-kept", isHidden);
}
