/**
 * What a stream says, and what a tab makes of it that stands at a cursor.
 *
 * Each says what it follows on: between `after` and `position` there is nothing else for this
 * recipient. That stays true whoever passes it on, however late and however often. So it does no
 * harm that two tabs take themselves for the leader for a moment, and a tab that has missed
 * something notices by itself.
 *
 * @typedef {{position: number, type: string, data: any}} Message
 * @typedef {Message & {after: number}} Said
 */

/** Without data: the stream lives, and has told everything up to here. */
export const HEARTBEAT = "heartbeat";
/** The cursor could not be honoured; the stream goes on from here, be it forward or back. */
export const RESET = "reset";

/**
 * @param {number} cursor the position up to which this tab has been told everything
 * @param {Said} said
 * @returns {"next" | "known" | "gap"} gap: something between the cursor and this is missing
 */
export function verdict(cursor, said) {
  if (said.type === RESET) return "next";
  if (said.position <= cursor) return "known";
  return said.after <= cursor ? "next" : "gap";
}
