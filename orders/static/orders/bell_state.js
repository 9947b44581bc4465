/**
 * What one bell knows, and how an event of the stream changes it. Nothing here touches the page.
 *
 * The server gives out the state of one position of the stream; that state and the events after
 * that position make the state that the server would give out now. So it doesn't matter whether a
 * page has been open for a week, was loaded a moment ago or stands in another window.
 *
 * @typedef {object} BellState
 * @property {number} cursor the position up to which everything has been applied
 * @property {number} seenPosition the bell has been opened since: nothing up to here is new
 * @property {number} readPosition everything up to here has been read
 * @property {ReadonlySet<number>} readPositions what has been read one by one, above readPosition
 * @property {readonly number[]} newPositions the newest above seenPosition, ascending
 * @property {number} mostCounted a count above it is told as “99+”
 *
 * @typedef {"new" | "seen" | "read"} NotificationState
 *
 * @typedef {object} BellData what an event of the type “bell” holds
 * @property {number} seen_position
 * @property {number} read_position
 * @property {number[]} read_positions
 *
 * @typedef {{position: number, type: string, data: any}} StreamEvent
 */

/**
 * The state that the server has rendered.
 *
 * @param {Readonly<Record<string, string | undefined>>} dataset of the element with `data-bell`
 * @returns {BellState}
 */
export function initialState(dataset) {
  return {
    cursor: number(dataset, "cursor"),
    seenPosition: number(dataset, "seenPosition"),
    readPosition: number(dataset, "readPosition"),
    readPositions: new Set(numbers(dataset, "readPositions")),
    newPositions: numbers(dataset, "newPositions"),
    mostCounted: number(dataset, "mostCounted"),
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
  if (type === "orders") return withNew(moved, position);
  if (type === "bell") return withBell(moved, data);
  return moved;
}

/**
 * The state after something was seen or read. Nothing becomes unseen or unread by it: the server
 * may have rendered a change whose event is still to come, after the events of earlier changes.
 *
 * @param {BellState} state
 * @param {BellData} data
 * @returns {BellState}
 */
export function withBell(state, data) {
  const seenPosition = Math.max(state.seenPosition, data.seen_position);
  const readPosition = Math.max(state.readPosition, data.read_position);
  const read = [...state.readPositions, ...data.read_positions];
  return {
    ...state,
    seenPosition,
    readPosition,
    readPositions: new Set(read.filter((position) => position > readPosition)),
    newPositions: state.newPositions.filter((position) => position > seenPosition),
  };
}

/**
 * @param {BellState} state
 * @param {number} position
 * @returns {BellState}
 */
function withNew(state, position) {
  if (position <= state.seenPosition) return state; // seen elsewhere before it came here
  // One more than is counted is enough to know that there are more.
  const newPositions = [...state.newPositions, position].slice(-(state.mostCounted + 1));
  return { ...state, newPositions };
}

/**
 * @param {BellState} state
 * @param {number} position
 * @returns {NotificationState}
 */
export function stateOf(state, position) {
  if (position <= state.readPosition || state.readPositions.has(position)) return "read";
  return position <= state.seenPosition ? "seen" : "new";
}

/**
 * How many are new; one more than `mostCounted` stands for any number above it.
 *
 * @param {BellState} state
 */
export function countNew(state) {
  // Of a full list those read one by one are not taken off: neither here nor on the server is it
  // known how many more there are.
  if (state.newPositions.length > state.mostCounted) return state.mostCounted + 1;
  return state.newPositions.filter((position) => stateOf(state, position) === "new").length;
}

/**
 * The count as it is shown: “3”, “99+”.
 *
 * @param {BellState} state
 */
export function newCountText(state) {
  const count = countNew(state);
  return count > state.mostCounted ? `${state.mostCounted}+` : String(count);
}

/**
 * @param {Readonly<Record<string, string | undefined>>} dataset
 * @param {string} name
 */
function number(dataset, name) {
  return Number(text(dataset, name));
}

/**
 * @param {Readonly<Record<string, string | undefined>>} dataset
 * @param {string} name
 */
function numbers(dataset, name) {
  return text(dataset, name).split(" ").filter(Boolean).map(Number);
}

/**
 * @param {Readonly<Record<string, string | undefined>>} dataset
 * @param {string} name
 */
function text(dataset, name) {
  const value = dataset[name];
  if (value === undefined) throw new Error(`The bell's markup gives its root no ${name}.`);
  return value;
}
