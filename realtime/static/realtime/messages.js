/**
 * The messages of a stream, and how a tab classifies one by its own cursor.
 *
 * Each message that a tab passes on names the message it follows: between `after` and `id` there is
 * nothing else for this client. That is true whoever passes it on, however late and however often.
 * So two tabs may both believe that they lead, and a tab that has missed something notices it.
 *
 * @typedef {object} Message
 * @property {string} id its place in the stream, as the server gave it: the cursor after it
 * @property {string} type the event's name; "message" for one without a name
 * @property {string} text what was sent, as it is
 *
 * @typedef {Message & {after: string}} Delivery after: the cursor that this message follows
 */

/** Without text: the stream lives, and everything up to here has been told. */
export const HEARTBEAT = "heartbeat";
/** The cursor could not be honoured; the stream goes on from here, be it forward or back. */
export const RESET = "reset";
/** The type that a browser gives to an event without a name. */
export const UNNAMED = "message";

/**
 * Where an id stands in its stream.
 *
 * An id is opaque but for the number before its first “-”, by which ids are put in order.
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
 * The data of a text: what it is as JSON; the text itself, if it is no JSON, such as HTML.
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
 * What a LiveStream dispatches for a message.
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
