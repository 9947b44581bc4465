/**
 * Alerts for notifications that arrive while nobody looks at the site: on the desktop, and by a
 * sound, if the user wants that. It shows a few at a time, and of many others only the number.
 *
 * @typedef {import("./alert_choices.js").AlertChoices} AlertChoices
 *
 * @typedef {object} Alert
 * @property {string} subject empty: the alert is for everything new
 * @property {number} position the position of its newest notification; 0: it is for everything new
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
  /** @type {Map<string, {notification: Notification, position: number}>} the alerts on screen, by subject */
  #shown = new Map();

  /**
   * @param {AlertChoices} choices
   * @param {(alert: Alert) => void} follow called when the user clicks on an alert
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
   * @param {() => Alert} sum the alert that is shown instead of more than a few
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
   * Closes the alerts whose notifications have been seen meanwhile, here or on another device.
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

/** The permission that the user has given; “unsupported” if the page can't ask for it. */
export function permission() {
  return "Notification" in globalThis && isSecureContext ? Notification.permission : "unsupported";
}

/**
 * Shows an alert, if this browser can: on a phone a page may have the permission and still be
 * unable to.
 *
 * @param {Pick<Alert, "subject" | "title" | "body">} alert
 * @returns {Notification | undefined}
 */
export function notificationOf({ subject, title, body }) {
  try {
    // The tag keeps one alert a subject, the newest. Silent, because the sound is a choice of its
    // own.
    return new Notification(title, { body, tag: `realtime bell ${subject}`, silent: true, dir: "auto" });
  } catch {
    return undefined;
  }
}
