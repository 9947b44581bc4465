/** Parts of a page that the server renders anew, so that all words and markup stay in templates. */
/** Does some work for each time it is asked, once for all that ask meanwhile, until it succeeds. */
export declare class Refresher {
    #private;
    /** @param {() => Promise<void>} work what throws is tried again, later each time */
    constructor(work: () => Promise<void>);
    ask(): Promise<void>;
}
/**
 * The page at an address as the server renders it now. Throws where it can't just now.
 *
 * @param {string} url
 * @returns {Promise<{page: Document, status: number}>}
 */
export declare function freshPage(url: string): Promise<{
    page: Document;
    status: number;
}>;
