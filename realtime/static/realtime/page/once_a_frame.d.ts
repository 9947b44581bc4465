/** Work that is asked for two hundred times and done once, before the next picture is drawn. */
/**
 * @param {() => void} work
 * @returns {() => void} asks for it
 */
export declare function onceAFrame(work: () => void): () => void;
