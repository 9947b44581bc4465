/** Work that may be requested many times, and is done once before the next frame is drawn. */
/**
 * @param {() => void} work
 * @returns {() => void} asks for it
 */
export declare function onceAFrame(work: () => void): () => void;
