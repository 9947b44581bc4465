// @ts-check
/**
 * Amounts in the viewer's format: “€4,943.60”, “4.943,60 €”. The server only knows the format of
 * the page's language.
 *
 *     <data data-money="EUR" value="4943.60">
 */
import { supported } from "./relative_times.js";

const locale = supported(document.documentElement.lang);
/** @type {Map<string, Intl.NumberFormat>} */
const formats = new Map();

/** @param {ParentNode} parent */
export function writeMoney(parent) {
  for (const amount of parent.querySelectorAll("data[data-money]")) {
    if (amount instanceof HTMLDataElement && amount.value) {
      amount.textContent = inMoney(amount.value, amount.dataset.money ?? "");
    }
  }
}

/**
 * @param {string} amount
 * @param {string} currency
 */
function inMoney(amount, currency) {
  let format = formats.get(currency);
  if (!format) {
    format = new Intl.NumberFormat(locale, { style: "currency", currency });
    formats.set(currency, format);
  }
  return format.format(Number(amount));
}
