// @ts-check
/** The page of imports and exports: each event says how one of them stands, and the newest counts. */
import { LiveStream } from "../realtime/live_stream.js";
import { find } from "../realtime/page/elements.js";
import { itemOf, showTransfer } from "./transfer.js";

const root = find(document, "[data-transfers]");

const stream = LiveStream.from(root, { types: ["transfer"] });
stream.on("event", ({ type, data }) => {
  if (type === "transfer") showTransfer(itemOf(root, data.transfer), data);
});
stream.on("reset", () => location.reload());
stream.start();
