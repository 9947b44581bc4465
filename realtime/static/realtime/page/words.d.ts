/** The page has all words in each of their plural forms; this shows the right one. */
/**
 * Shows the form for this number (`data-plural="one"`, `"other"` …), and hides the rest.
 *
 * @param {ParentNode} parent
 * @param {number} count
 */
export declare function showPlural(parent: ParentNode, count: number): void;
