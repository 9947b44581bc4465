// @ts-check
/**
 * Makes Swagger UI accessible: it nests links in buttons, skips a level of headings, and leaves its
 * title outside of the landmarks. It renders again during use, so this repairs it after each
 * change.
 */
const content = /** @type {HTMLElement} */ (document.getElementById("content"));

function mend() {
  // The button opens what the link in it would lead to.
  for (const link of content.querySelectorAll("button.opblock-summary-control a[href]")) {
    link.removeAttribute("href");
  }
  for (const heading of content.querySelectorAll("h3.opblock-tag, .models > h4")) {
    set(heading, "aria-level", "2");
  }
  for (const information of content.querySelectorAll(".information-container")) {
    set(information, "role", "region");
    set(information, "aria-label", information.querySelector("h2")?.textContent ?? "");
  }
  for (const link of content.querySelectorAll("h3.opblock-tag a[href]")) link.removeAttribute("href");
}

/**
 * @param {Element} element
 * @param {string} name
 * @param {string} value
 */
function set(element, name, value) {
  if (element.getAttribute(name) !== value) element.setAttribute(name, value);
}

new MutationObserver(mend).observe(content, { childList: true, subtree: true });
mend();
