import { LiveStream } from "../realtime/live_stream.js";

const bar = document.querySelector("progress");
// From the beginning: of what was told with `latest` only the newest is left, and that is the state of now.
const stream = LiveStream.from(bar, { types: ["progress"] });
stream.on("event", ({ data }) => { bar.value = data.done; });
stream.start();
