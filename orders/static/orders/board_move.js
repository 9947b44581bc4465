// @ts-check
/** “Mark as paid” in a row. The stream brings the result, to this board and to all others. */

/**
 * @param {HTMLFormElement} form to which the buttons of all rows belong
 * @param {HTMLElement} problem where it says why an order could not be moved on
 */
export function moveInPlace(form, problem) {
  form.addEventListener("submit", async (event) => {
    const button = event.submitter;
    if (!(button instanceof HTMLButtonElement)) return;
    event.preventDefault();
    button.setAttribute("aria-busy", "true");
    problem.hidden = true;
    problem.textContent = await move(new FormData(form, button), button);
    problem.hidden = problem.textContent === "";
    button.removeAttribute("aria-busy");
  });
}

/**
 * @param {FormData} body
 * @param {HTMLButtonElement} button
 * @returns {Promise<string>} why it failed; empty, if it has not
 */
async function move(body, button) {
  try {
    // As text, because a request for HTML would be redirected to the board.
    const headers = { Accept: "text/plain" };
    const response = await fetch(button.formAction, { method: "POST", body, headers });
    return response.ok ? "" : await response.text();
  } catch {
    return button.form?.dataset.offline ?? "";
  }
}
