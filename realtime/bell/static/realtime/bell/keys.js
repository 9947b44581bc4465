/** The keys of the inbox, the same as in GitHub and Linear: j k e u ?; Enter follows the link. */
import { focusRow, rowsIn } from "./rows.js";

/**
 * @param {HTMLElement} inbox
 * @param {HTMLElement} help a popover that lists the keys
 * @param {(action: string, row: HTMLElement) => void} act
 */
export function listenToKeys(inbox, help, act) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (event.key === "?") help.togglePopover();
    else if (event.key === "j") step(inbox, 1);
    else if (event.key === "k") step(inbox, -1);
    else if (event.key === "e") actOnFocused(inbox, (row) => act("archive", row));
    else if (event.key === "u") {
      actOnFocused(inbox, (row) => act(row.dataset.state === "read" ? "unread" : "read", row));
    } else return;
    event.preventDefault();
  });
}

/** @param {EventTarget | null} target */
function isTyping(target) {
  return target instanceof Element && target.matches("input:not([type=checkbox]), textarea, select, [contenteditable]");
}

/**
 * @param {HTMLElement} inbox
 * @param {1 | -1} direction
 */
function step(inbox, direction) {
  const rows = rowsIn(inbox);
  const here = rows.findIndex((row) => row.contains(document.activeElement));
  const next = here < 0 ? rows.at(direction === 1 ? 0 : -1) : rows[here + direction];
  if (!next) return;
  focusRow(next);
  next.scrollIntoView({ block: "nearest" });
}

/**
 * @param {HTMLElement} inbox
 * @param {(row: HTMLElement) => void} act
 */
function actOnFocused(inbox, act) {
  const row = rowsIn(inbox).find((one) => one.contains(document.activeElement));
  if (row) act(row);
}
