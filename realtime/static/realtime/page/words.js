/** The page has all words in each of their plural forms; this shows the right one. */

/**
 * Shows the form for this number (`data-plural="one"`, `"other"` …), and hides the rest.
 *
 * @param {ParentNode} parent
 * @param {number} count
 */
export function showPlural(parent, count) {
  const category = new Intl.PluralRules(document.documentElement.lang || "en").select(count);
  for (const form of parent.querySelectorAll("[data-plural]")) {
    if (form instanceof HTMLElement) form.hidden = form.dataset.plural !== category;
  }
}
