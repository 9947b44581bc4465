/** @param {ParentNode} parent */
export declare function writeMoney(parent: ParentNode): void;
