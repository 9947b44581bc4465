/** Fetches parts of a page from the server, so that words and markup stay in templates. */
/** Does some work until it succeeds. If it is asked meanwhile, it does the work once more. */
export declare class Refresher {
    #private;
    /** @param {() => Promise<void>} work what throws is tried again, later each time */
    constructor(work: () => Promise<void>);
    ask(): Promise<void>;
}
/**
 * The page at an address as the server renders it now. Throws if the server can't render it now.
 *
 * @param {string} url
 * @returns {Promise<{page: Document, status: number}>}
 */
export declare function freshPage(url: string): Promise<{
    page: Document;
    status: number;
}>;
