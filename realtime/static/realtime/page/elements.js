/** Finds elements and settings that the template has to have. */

/**
 * @param {ParentNode} parent
 * @param {string} selector
 * @returns {HTMLElement}
 */
export function find(parent, selector) {
  const element = parent.querySelector(selector);
  if (element instanceof HTMLElement) return element;
  throw new Error(`There is no ${selector} in this page: see the template of the element around it.`);
}

/**
 * @param {ParentNode} parent
 * @param {string} selector
 * @returns {HTMLTemplateElement}
 */
export function findTemplate(parent, selector) {
  return /** @type {HTMLTemplateElement} */ (find(parent, `template${selector}`));
}

/**
 * @param {ParentNode} parent
 * @param {string} selector
 * @returns {HTMLElement[]}
 */
export function findAll(parent, selector) {
  return [...parent.querySelectorAll(selector)].filter((found) => found instanceof HTMLElement);
}

/**
 * The value of a data attribute.
 *
 * @param {HTMLElement | Readonly<Record<string, string | undefined>>} element or its dataset
 * @param {string} name
 * @returns {string}
 */
export function setting(element, name) {
  const dataset = element instanceof HTMLElement ? element.dataset : element;
  const value = dataset[name];
  if (value === undefined) throw new Error(`The template's root has no data attribute ${name}.`);
  return value;
}
