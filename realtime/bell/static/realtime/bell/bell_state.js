/**
 * The state of one bell, and how an event of the stream changes it. Nothing here touches the page.
 *
 * The server gives out the state of one position of the stream; that state and the events after
 * that position make the state that the server would give out now. So it doesn't matter whether a
 * page has been open for a week, was loaded a moment ago or is in another window. inbox.py has the
 * same rules; the cases of tests/bell_cases.json test that they agree.
 *
 * @typedef {object} BellState
 * @property {number} cursor the position up to which everything has been applied
 * @property {number} seenPosition notifications up to here have been seen, so none of them is new
 * @property {ReadonlyMap<string, number>} unread the position of the newest notification of each
 *   unread thread, by its subject; no more than one above mostCounted, the newest
 * @property {boolean} hasMore whether there may be older unread threads than those
 * @property {number} mostCounted a count above it is shown as “99+”
 * @property {ReadonlySet<string>} muted the kinds that the user isn't told of
 *
 * @typedef {"new" | "seen" | "read"} ThreadState
 *
 * @typedef {(
 *   | {action: "see", through: number}
 *   | {action: "read" | "archive", subject: string | null, through: number}
 *   | {action: "unread", subject: string, last: number}
 *   | {action: "unarchive", subject: string, last: number, read: number}
 *   | {action: "choose", choices: Record<string, boolean>}
 * )} Change what a user has done: the data of an event of the type “bell.change”
 *
 * @typedef {{position: number, type: string, data: any}} StreamEvent
 */

export const NOTIFICATION = "bell.notification";
export const FORGOTTEN = "bell.forgotten";
export const CHANGE = "bell.change";
export const TYPES = [NOTIFICATION, FORGOTTEN, CHANGE];

/**
 * The state that the server has rendered.
 *
 * @param {Readonly<Record<string, string | undefined>>} dataset of the element with `data-bell`
 * @returns {BellState}
 */
export function initialState(dataset) {
  const mostCounted = Number(text(dataset, "mostCounted"));
  const unread = new Map(/** @type {[string, number][]} */ (JSON.parse(text(dataset, "unread"))));
  return {
    cursor: Number.parseInt(text(dataset, "liveCursor"), 10),
    seenPosition: Number(text(dataset, "seenPosition")),
    unread,
    hasMore: unread.size > mostCounted,
    mostCounted,
    muted: new Set(JSON.parse(text(dataset, "muted"))),
  };
}

/**
 * The state after an event; the same object, if the event has been applied before.
 *
 * @param {BellState} state
 * @param {StreamEvent} event
 * @returns {BellState}
 */
export function applyEvent(state, { position, type, data }) {
  if (position <= state.cursor) return state;
  const moved = { ...state, cursor: position };
  if (type === NOTIFICATION) return isTold(state, data) ? withUnread(moved, data.subject, position) : moved;
  if (type === FORGOTTEN) return without(moved, data.subject, Infinity);
  if (type === CHANGE) return withChange(moved, data);
  return moved;
}

/**
 * Whether the user is told of a notification.
 *
 * @param {BellState} state
 * @param {{kind: string}} data
 */
export function isTold(state, { kind }) {
  return !state.muted.has(kind);
}

/**
 * The state after its user has done something, here or in another window.
 *
 * @param {BellState} state
 * @param {Change} change
 * @returns {BellState}
 */
export function withChange(state, change) {
  switch (change.action) {
    case "see":
      return { ...state, seenPosition: Math.max(state.seenPosition, change.through) };
    case "read":
    case "archive":
      return without(state, change.subject, change.through);
    case "unread":
      return withUnread(state, change.subject, change.last);
    case "unarchive":
      return change.last > change.read ? withUnread(state, change.subject, change.last) : state;
    case "choose":
      return withChoices(state, change.choices);
    default:
      return state;
  }
}

/**
 * @param {BellState} state
 * @param {string} subject
 * @param {number} position
 * @returns {BellState}
 */
function withUnread(state, subject, position) {
  const unread = new Map(state.unread);
  unread.set(subject, Math.max(position, unread.get(subject) ?? position));
  // One more than is counted is enough to know that there are more.
  if (unread.size <= state.mostCounted + 1) return { ...state, unread };
  const newest = [...unread].sort(([, one], [, other]) => other - one);
  return { ...state, unread: new Map(newest.slice(0, state.mostCounted + 1)), hasMore: true };
}

/**
 * @param {BellState} state
 * @param {string | null} subject null: all
 * @param {number} through
 * @returns {BellState}
 */
function without(state, subject, through) {
  const isOut = (/** @type {[string, number]} */ [of, position]) =>
    (subject === null || of === subject) && position <= through;
  const unread = new Map([...state.unread].filter((one) => !isOut(one)));
  // Unlisted threads are older than all listed ones.
  const oldest = Math.min(...state.unread.values());
  const hasMore = state.hasMore && !(subject === null && oldest <= through);
  return { ...state, unread, hasMore };
}

/**
 * @param {BellState} state
 * @param {Record<string, boolean>} choices
 * @returns {BellState}
 */
function withChoices(state, choices) {
  const muted = new Set(state.muted);
  for (const [kind, isWanted] of Object.entries(choices)) {
    if (isWanted) muted.delete(kind);
    else muted.add(kind);
  }
  return { ...state, muted };
}

/**
 * @param {BellState} state
 * @param {string} subject
 * @returns {ThreadState}
 */
export function stateOf(state, subject) {
  const position = state.unread.get(subject);
  if (position === undefined) return "read";
  return position > state.seenPosition ? "new" : "seen";
}

/**
 * Whether the notification at a position is still new, even if not all unread threads are listed.
 *
 * @param {BellState} state
 * @param {string} subject
 * @param {number} position
 */
export function isNew(state, subject, position) {
  if (state.unread.has(subject)) return stateOf(state, subject) === "new";
  const isListed = !state.hasMore || position >= Math.min(...state.unread.values());
  return !isListed && position > state.seenPosition;
}

/**
 * How many threads are unread; one more than `mostCounted` stands for any number above it.
 *
 * @param {BellState} state
 */
export function countUnread(state) {
  return state.hasMore ? state.mostCounted + 1 : state.unread.size;
}

/**
 * How many of the listed threads came after the user last looked.
 *
 * @param {BellState} state
 */
export function countNew(state) {
  return [...state.unread.values()].filter((position) => position > state.seenPosition).length;
}

/**
 * The count as it is shown: “3”, “99+”.
 *
 * @param {BellState} state
 */
export function unreadText(state) {
  const count = countUnread(state);
  return count > state.mostCounted ? `${state.mostCounted}+` : String(count);
}

/**
 * Whether only the server knows how many are unread: some of more than are listed were read.
 *
 * @param {BellState} state
 */
export function isIncomplete(state) {
  return state.hasMore && state.unread.size <= state.mostCounted;
}

/**
 * @param {Readonly<Record<string, string | undefined>>} dataset
 * @param {string} name
 */
function text(dataset, name) {
  const value = dataset[name];
  if (value === undefined) throw new Error(`The bell's root has no data attribute ${name}.`);
  return value;
}
