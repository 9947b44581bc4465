/**
 * A private page in the browser's back/forward cache: it is hidden when it goes there, and shown
 * again only once the server has confirmed that its reader is still signed in. kept_pages.py lets
 * browsers keep pages only if this script has run in them.
 */

const COOKIE = "realtime_kept_pages";

/** @param {() => Promise<boolean>} isStillTheirs asks the server whether the same user is signed in */
export function guardKeptPage(isStillTheirs) {
  document.cookie = `${COOKIE}=1; path=/; samesite=lax${location.protocol === "https:" ? "; secure" : ""}`;
  addEventListener("pagehide", ({ persisted }) => {
    if (persisted) hide(true);
  });
  addEventListener("pageshow", ({ persisted }) => {
    if (persisted || cameBack()) showIf(isStillTheirs);
  });
}

/** A browser may drop the page from that cache, and take its HTML from the HTTP cache instead. */
function cameBack() {
  const [navigation] = performance.getEntriesByType("navigation");
  return navigation instanceof PerformanceNavigationTiming && navigation.type === "back_forward";
}

/** @param {() => Promise<boolean>} isStillTheirs */
async function showIf(isStillTheirs) {
  hide(true);
  const isTheirs = await isStillTheirs().catch(() => false);
  if (isTheirs) hide(false);
  else location.reload(); // shows the login, the next reader's page, or the browser's offline page
}

/** @param {boolean} isHidden */
function hide(isHidden) {
  document.documentElement.toggleAttribute("data-bell-kept", isHidden);
}
