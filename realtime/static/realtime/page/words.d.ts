/** The page holds all words, in each of their plural forms; here the right one is shown. */
/**
 * Shows the form for this number (`data-plural="one"`, `"other"` …), and hides the rest.
 *
 * @param {ParentNode} parent
 * @param {number} count
 */
export declare function showPlural(parent: ParentNode, count: number): void;
