/**
 * Which of a browser's tabs holds the connection: the one that holds the lock of that name.
 *
 * The browser gives the lock to the next who waits when its holder closes or crashes.
 * https://developer.mozilla.org/docs/Web/API/Web_Locks_API
 */
export declare class Leadership {
    #private;
    /**
     * @param {string} name
     * @param {{elected: () => void, deposed: () => void}} callbacks deposed: another has seized it
     */
    constructor(name: string, { elected, deposed }: {
        elected: () => void;
        deposed: () => void;
    });
    /** Wait for one's turn. */
    campaign(): void;
    /** Take it from a leader who no longer does anything. */
    seize(): void;
    resign(): void;
}
