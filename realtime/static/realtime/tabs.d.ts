export type Delivery = import("./messages.js").Delivery;
export type State = import("./connection.js").State;
export type TabMessage = ({
    kind: "hello";
    types: readonly string[];
} | {
    kind: "status";
    cursor: string;
    state: State;
    types: readonly string[];
} | {
    kind: "delivery";
    delivery: Delivery;
});
/**
 * The messages between the tabs of a browser about one stream.
 *
 * @typedef {import("./messages.js").Delivery} Delivery
 * @typedef {import("./connection.js").State} State
 * @typedef {(
 *   | { kind: "hello", types: readonly string[] }
 *   | { kind: "status", cursor: string, state: State, types: readonly string[] }
 *   | { kind: "delivery", delivery: Delivery }
 * )} TabMessage
 *   hello: a new tab names the types that it follows, and asks for the leader's status; status: the
 *   leader's cursor, state and types, which also shows that it is alive; delivery: a message that
 * the
 *   leader received from the stream
 */
export declare class Tabs {
    #private;
    /**
     * @param {string} name
     * @param {(message: TabMessage) => void} hear
     */
    constructor(name: string, hear: (message: TabMessage) => void);
    join(): void;
    leave(): void;
    /** @param {TabMessage} message */
    tell(message: TabMessage): void;
}
