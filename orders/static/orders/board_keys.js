// @ts-check
/**
 * Each row has one tab stop. The arrow keys move to its other links and to other rows, as in a grid
 * (https://www.w3.org/WAI/ARIA/apg/practices/keyboard-interface/#kbd_roving_tabindex).
 */

/**
 * The first link of a row is its tab stop.
 * @param {HTMLElement} row
 */
export function keepOneStop(row) {
  for (const [index, stop] of stopsOf(row).entries()) stop.tabIndex = index === 0 ? 0 : -1;
}

/** @param {HTMLElement} list of rows */
export function moveByKeys(list) {
  list.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
    const next = nextStop(list, event);
    if (!next) return;
    event.preventDefault();
    next.focus();
  });
}

/**
 * @param {HTMLElement} list
 * @param {KeyboardEvent} event
 * @returns {HTMLElement | undefined}
 */
function nextStop(list, { key, target }) {
  const row = target instanceof Element ? target.closest("tr") : null;
  if (!row || !(target instanceof HTMLElement)) return undefined;
  const rows = /** @type {HTMLElement[]} */ ([...list.querySelectorAll(":scope > tr")]);
  const [stops, place] = [stopsOf(row), rows.indexOf(row)];
  const column = stops.indexOf(target);
  const forward = getComputedStyle(list).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
  switch (key) {
    case "ArrowLeft":
    case "ArrowRight":
      return stops[column + (key === forward ? 1 : -1)];
    case "ArrowDown":
    case "ArrowUp":
      return inRow(rows[place + (key === "ArrowDown" ? 1 : -1)], column);
    case "Home":
      return inRow(rows[0], column);
    case "End":
      return inRow(rows.at(-1), column);
  }
  return undefined;
}

/**
 * @param {HTMLElement | undefined} row
 * @param {number} column
 */
function inRow(row, column) {
  if (!row) return undefined;
  const stops = stopsOf(row);
  return stops[Math.min(column, stops.length - 1)];
}

/**
 * @param {HTMLElement} row
 * @returns {HTMLElement[]}
 */
function stopsOf(row) {
  return [...row.querySelectorAll("a, button")].filter((stop) => stop instanceof HTMLElement);
}
