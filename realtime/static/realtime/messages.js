/**
 * The messages of a stream, and how a tab classifies one by its own cursor.
 *
 * Each message that a tab passes on names the message before it: between `after` and `id` there is
 * nothing else for this client. That stays true however late and however often it is passed on, and
 * by whichever tab. So two tabs may both believe that they lead, and a tab notices what it has
 * missed.
 *
 * @typedef {object} Message
 * @property {string} id the server's id of it, which is the cursor after it
 * @property {string} type the event's name; "message" for one without a name
 * @property {string} text the data as it was sent
 *
 * @typedef {Message & {after: string}} Delivery after: the cursor that this message follows
 */

/** It has no text: the stream is alive, and everything up to here has been sent. */
export const HEARTBEAT = "heartbeat";
/** The cursor could not be honoured; the stream goes on from here, perhaps from before the cursor. */
export const RESET = "reset";
/** The type that a browser gives to an event without a name. */
export const UNNAMED = "message";

/**
 * The position of an id in its stream.
 *
 * An id is opaque, except that ids are ordered by the number before the first “-”.
 *
 * @param {string} id such as "930-5f3a"
 * @returns {number}
 */
export function positionOf(id) {
  return Number(id.split("-", 1)[0]);
}

/**
 * @param {string} cursor the id up to which this tab has been told everything
 * @param {Delivery} delivery
 * @returns {"next" | "known" | "gap"} gap: something between the cursor and this is missing
 */
export function classify(cursor, { type, id, after }) {
  if (type === RESET) return "next";
  if (positionOf(id) <= positionOf(cursor)) return "known";
  return positionOf(after) <= positionOf(cursor) ? "next" : "gap";
}

/**
 * The data of a text: its value as JSON, or the text itself if it isn't JSON, such as HTML.
 *
 * @param {string} text
 * @returns {any}
 */
export function dataOf(text) {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
}

/**
 * The DOM event that a LiveStream dispatches for a message.
 *
 * @param {Message} message
 * @returns {CustomEvent} "event", "reset" or "moved"
 */
export function eventOf({ id, type, text }) {
  const position = positionOf(id);
  if (type === HEARTBEAT) return new CustomEvent("moved", { detail: { id, position } });
  const data = dataOf(text);
  if (type === RESET) {
    return new CustomEvent("reset", { detail: { id, position, reason: data.reason } });
  }
  return new CustomEvent("event", { detail: { id, position, type, data, text } });
}
