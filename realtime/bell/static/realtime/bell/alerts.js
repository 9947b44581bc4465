/**
 * What arrives while nobody looks at the site: on the desktop, and by a sound, if its user wants that.
 * A few at a time; the rest of a storm is a number.
 *
 * @typedef {import("./alert_choices.js").AlertChoices} AlertChoices
 *
 * @typedef {object} Alert
 * @property {string} subject empty: all that is new
 * @property {number} position of the newest that it tells of; 0: of all
 * @property {string} title
 * @property {string} body
 * @property {string} url where a click leads, if anywhere
 */
import { Tone } from "./tone.js";

const MOST_AT_A_TIME = 3;

export class Alerts {
  #choices;
  #follow;
  #tone;
  /** @type {Map<string, {notification: Notification, position: number}>} those that are shown, by subject */
  #shown = new Map();

  /**
   * @param {AlertChoices} choices
   * @param {(alert: Alert) => void} follow somebody has clicked on it
   * @param {{play: () => unknown}} [tone]
   */
  constructor(choices, follow, tone = new Tone()) {
    this.#choices = choices;
    this.#follow = follow;
    this.#tone = tone;
  }

  get areWanted() {
    return this.#isDesktopWanted || this.#choices.wants("sound");
  }

  get #isDesktopWanted() {
    return this.#choices.wants("desktop") && permission() === "granted";
  }

  /**
   * @param {readonly Alert[]} alerts the newest first
   * @param {() => Alert} sum what is shown instead of more than a few
   */
  show(alerts, sum) {
    if (alerts.length === 0) return;
    if (this.#isDesktopWanted) {
      const shown = alerts.length > MOST_AT_A_TIME ? [sum()] : [...alerts].reverse();
      for (const alert of shown) this.#show(alert);
    }
    if (this.#choices.wants("sound")) this.#tone.play();
  }

  /**
   * Takes away those that have been seen meanwhile, here or anywhere else.
   *
   * @param {(subject: string, position: number) => boolean} isNew
   */
  keepOnly(isNew) {
    for (const [subject, { notification, position }] of this.#shown) {
      if (!isNew(subject, position)) notification.close();
    }
  }

  /** @param {Alert} alert */
  #show(alert) {
    const notification = notificationOf(alert);
    if (!notification) return;
    this.#shown.set(alert.subject, { notification, position: alert.position });
    notification.addEventListener("click", () => {
      notification.close();
      this.#follow(alert);
    });
    notification.addEventListener("close", () => {
      if (this.#shown.get(alert.subject)?.notification === notification) this.#shown.delete(alert.subject);
    });
  }
}

/** What the user has answered; “unsupported” where a page can't ask. */
export function permission() {
  return "Notification" in globalThis && isSecureContext ? Notification.permission : "unsupported";
}

/**
 * Shows it, if this browser can: on a phone a page may have the permission and still not be able to.
 *
 * @param {Pick<Alert, "subject" | "title" | "body">} alert
 * @returns {Notification | undefined}
 */
export function notificationOf({ subject, title, body }) {
  try {
    // Of one subject there is one on the desktop, the newest; the sound is a choice of its own.
    return new Notification(title, { body, tag: `realtime bell ${subject}`, silent: true, dir: "auto" });
  } catch {
    return undefined;
  }
}
