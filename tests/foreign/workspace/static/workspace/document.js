import { LiveStream } from "../realtime/live_stream.js";

const article = document.querySelector("article");
const stream = LiveStream.from(article, { types: ["body"] });
stream.on("event", ({ text }) => { article.innerHTML = text; });
stream.on("reset", () => location.reload());
stream.on("state", ({ state }) => { article.dataset.state = state; });
stream.start();
