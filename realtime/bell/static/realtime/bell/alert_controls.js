/**
 * The controls by which a user chooses how to be alerted while they look elsewhere. The browser
 * asks for permission only when the user ticks one.
 *
 * @typedef {import("./alert_choices.js").AlertChoices} AlertChoices
 * @typedef {import("./alert_choices.js").Way} Way
 */
import { find, findAll } from "../page/elements.js";
import { notificationOf, permission } from "./alerts.js";
import { Tone } from "./tone.js";

export class AlertControls {
  #element;
  #choices;
  #tone;
  /** @type {{box: HTMLInputElement, way: Way}[]} */
  #boxes;

  /**
   * @param {HTMLElement} element with `data-bell-alerts`
   * @param {AlertChoices} choices
   * @param {{play: () => unknown}} [tone]
   */
  constructor(element, choices, tone = new Tone()) {
    this.#element = element;
    this.#choices = choices;
    this.#tone = tone;
    this.#boxes = findAll(element, "[data-bell-alert]").map((box) => ({
      box: /** @type {HTMLInputElement} */ (box),
      way: /** @type {Way} */ (box.dataset.bellAlert),
    }));
  }

  start() {
    this.#element.hidden = false;
    for (const { box, way } of this.#boxes) {
      box.addEventListener("change", () => this.#choose(box, way));
    }
    addEventListener("storage", () => this.#show()); // chosen in another tab
    addEventListener("pageshow", () => this.#show()); // after the browser has restored the form
    this.#show();
    this.#say(permission() === "unsupported" || this.#isRefused ? permission() : "");
  }

  /** Whether the user wants desktop alerts, but the browser forbids them now. */
  get #isRefused() {
    return permission() === "denied" && this.#choices.wants("desktop");
  }

  #show() {
    for (const { box, way } of this.#boxes) {
      box.checked = this.#choices.wants(way) && (way !== "desktop" || permission() === "granted");
      box.disabled = way === "desktop" && permission() === "unsupported";
    }
  }

  /**
   * @param {HTMLInputElement} box
   * @param {Way} way
   */
  async #choose(box, way) {
    const problem = box.checked ? await this.#tryOut(way) : "";
    const isKept = problem ? this.#choices.choose(way, false) : this.#choices.choose(way, box.checked);
    this.#show();
    this.#say(problem || (isKept ? "" : "not-kept"));
  }

  /**
   * Shows or plays a sample of what the user has chosen.
   *
   * @param {Way} way
   * @returns {Promise<string>} the problem that prevents it; empty: there is none
   */
  async #tryOut(way) {
    if (way === "sound") {
      this.#tone.play();
      return "";
    }
    const answer = await Notification.requestPermission();
    if (answer !== "granted") return answer;
    const title = find(this.#element, "[data-bell-alert-sample]").textContent ?? "";
    return notificationOf({ subject: "", title, body: "" }) ? "" : "unsupported";
  }

  /** @param {string} problem empty: there is none */
  #say(problem) {
    for (const words of findAll(this.#element, "[data-when]")) {
      words.hidden = words.dataset.when !== problem;
    }
  }
}
