/** Finds elements and settings that the template has to have. */
/**
 * @param {ParentNode} parent
 * @param {string} selector
 * @returns {HTMLElement}
 */
export declare function find(parent: ParentNode, selector: string): HTMLElement;
/**
 * @param {ParentNode} parent
 * @param {string} selector
 * @returns {HTMLTemplateElement}
 */
export declare function findTemplate(parent: ParentNode, selector: string): HTMLTemplateElement;
/**
 * @param {ParentNode} parent
 * @param {string} selector
 * @returns {HTMLElement[]}
 */
export declare function findAll(parent: ParentNode, selector: string): HTMLElement[];
/**
 * The value of a data attribute.
 *
 * @param {HTMLElement | Readonly<Record<string, string | undefined>>} element or its dataset
 * @param {string} name
 * @returns {string}
 */
export declare function setting(element: HTMLElement | Readonly<Record<string, string | undefined>>, name: string): string;
