/**
 * Decides which of a browser's tabs holds the connection: the tab that holds the lock of that name.
 *
 * When the holder closes or crashes, the browser gives the lock to the next tab that waits.
 * https://developer.mozilla.org/docs/Web/API/Web_Locks_API
 */
export declare class Leadership {
    #private;
    /**
     * @param {string} name
     * @param {{elected: () => void, deposed: () => void}} callbacks deposed: another tab has seized
     * it
     */
    constructor(name: string, { elected, deposed }: {
        elected: () => void;
        deposed: () => void;
    });
    /** Wait for the lock. */
    campaign(): void;
    /** Take the lock from a leader that no longer responds. */
    seize(): void;
    resign(): void;
}
