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
 * What the tabs of a browser say to one another about one stream.
 *
 * @typedef {import("./messages.js").Delivery} Delivery
 * @typedef {import("./connection.js").State} State
 * @typedef {(
 *   | { kind: "hello", types: readonly string[] }
 *   | { kind: "status", cursor: string, state: State, types: readonly string[] }
 *   | { kind: "delivery", delivery: Delivery }
 * )} TabMessage
 *   hello: somebody has come who follows these events, and asks the leader how it stands; status: that,
 *   which events the leader hears of, and also how it shows that it is there; delivery: what the stream
 *   has told the leader
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
