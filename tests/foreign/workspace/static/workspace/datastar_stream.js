// Datastar's own `sse()` ends for good when a server ends a stream, as it does before a restart, and keeps the cursor
// to itself. So LiveStream holds the connection, and what it hears is handed to Datastar.
import { LiveStream } from "../realtime/live_stream.js";

/** "selector #a\nfragments <p>\nfragments </p>" → {selector: "#a", fragments: "<p>\n</p>"} */
function args(text) {
  const lines = {};
  for (const line of text.split("\n")) {
    const [name] = line.split(" ", 1);
    (lines[name] ??= []).push(line.slice(name.length + 1));
  }
  return Object.fromEntries(Object.entries(lines).map(([name, parts]) => [name, parts.join("\n")]));
}

const stream = LiveStream.from(document.getElementById("stream"), {
  types: ["datastar-merge-fragments", "datastar-merge-signals", "datastar-remove-fragments"],
});
stream.on("event", ({ type, text }) => {
  const detail = { type, argsRaw: args(text) };
  document.dispatchEvent(new CustomEvent("datastar-sse", { detail }));
});
stream.on("reset", () => location.reload());
stream.start();
