/**
 * A browser with tabs, and a server, in one process: what goes from one to another waits until
 * a test delivers it. So a test decides in which order things happen, and each order can be had.
 */

import { AsyncLocalStorage } from "node:async_hooks";

import { positionOf } from "../../realtime/static/realtime/messages.js";

/** The id that the server's log has given to a position. */
export function idAt(position) {
  return position === 0 ? "0" : `${position}-${(position * 7919).toString(16)}`;
}

/** What is under way to one receiver in a tab, in order. */
class Line {
  #waiting = [];

  constructor(tab) {
    this.tab = tab;
    tab.lines.add(this);
  }

  get isBusy() {
    return this.#waiting.length > 0 && !this.tab.hangs;
  }

  close() {
    this.tab.lines.delete(this);
  }

  put(arrive) {
    this.#waiting.push(arrive);
  }

  deliver() {
    this.tab.run(this.#waiting.shift());
  }

  lose() {
    this.#waiting.shift();
  }

  clear() {
    this.#waiting = [];
  }
}

/** The server's log, and the streams that are open. */
class FakeServer {
  /** How it answers a request for a stream. */
  status = 200;
  position = 0;
  /** How often it was asked for a stream. */
  asked = 0;
  /** What is published for the user of this browser: positions and types. */
  own = [];
  sources = new Set();

  publish({ isOwn, type = "orders" }) {
    this.position += 1;
    if (!isOwn) return;
    this.own.push({ position: this.position, type });
    for (const source of this.#following()) source.send(type, this.position);
  }

  beat() {
    for (const source of this.#following()) source.send("heartbeat", this.position);
  }

  #following() {
    return [...this.sources].filter((source) => source.follow && source.isAnswered);
  }

  /** Answer a request for a stream. */
  answer(source, cursor) {
    this.asked += 1;
    if (this.status !== 200) {
      source.refuse();
      return;
    }
    source.isAnswered = true;
    source.send("heartbeat", cursor);
    for (const { position, type } of this.own) if (position > cursor) source.send(type, position);
    source.send("heartbeat", this.position);
    if (!source.follow) source.end();
  }
}

/** A timer's callback is a task of the tab that has set it, unless it is cleared meanwhile. */
function timers(set) {
  return (callback, milliseconds) => {
    const { tasks } = running.getStore();
    const timer = { isCleared: false };
    set(() => tasks.put(() => timer.isCleared || callback()), milliseconds);
    return timer;
  };
}

function clearTimer(timer) {
  if (timer) timer.isCleared = true;
}

/** Whose script runs now, and whose what it has started is. */
const running = new AsyncLocalStorage();

class Tab {
  window = new EventTarget();
  document = Object.assign(new EventTarget(), { visibilityState: "visible" });
  /** Its script stands still: nothing arrives. */
  hangs = false;
  isFrozen = false;
  lines = new Set();
  /** What the browser itself has for it. */
  tasks = new Line(this);

  run(script) {
    return running.run(this, script);
  }
}

export class FakeBrowser {
  server = new FakeServer();
  /** Those that are open. */
  tabs = [];
  #channels = new Set();
  #lock = { holder: null, waiting: [] };

  /** Put it in the place of what Node has, or lacks. */
  install() {
    const browser = this;
    const globals = {
      setTimeout: timers(globalThis.setTimeout),
      setInterval: timers(globalThis.setInterval),
      clearTimeout: clearTimer,
      clearInterval: clearTimer,
      location: { href: "http://localhost/" },
      navigator: { onLine: true, locks: { request: (...args) => this.#request(...args) } },
      addEventListener: (...args) => running.getStore().window.addEventListener(...args),
      fetch: async () => ({ status: this.server.status, headers: new Headers() }),

      BroadcastChannel: class extends EventTarget {
        constructor() {
          super();
          this.line = new Line(running.getStore());
          browser.#channels.add(this);
        }

        postMessage(data) {
          for (const channel of browser.#channels) {
            if (channel === this) continue;
            const event = Object.assign(new Event("message"), { data: structuredClone(data) });
            channel.line.put(() => channel.dispatchEvent(event));
          }
        }

        close() {
          browser.#channels.delete(this);
          this.line.close();
        }
      },

      EventSource: class extends EventTarget {
        CLOSED = 2;
        readyState = 0;

        constructor(url) {
          super();
          this.follow = url.searchParams.get("follow") !== "no";
          this.cursor = positionOf(url.searchParams.get("last_event_id"));
          this.line = new Line(running.getStore());
          browser.server.sources.add(this);
          this.#ask();
        }

        /** By itself it comes back with the last id. */
        breakOff() {
          this.line.clear();
          this.end();
        }

        /** EventSource gives up for good. */
        refuse() {
          this.close();
          this.dispatchEvent(new Event("error"));
        }

        end() {
          this.isAnswered = false;
          this.line.put(() => {
            this.dispatchEvent(new Event("error"));
            if (this.readyState !== this.CLOSED) this.#ask();
          });
        }

        send(type, position) {
          this.line.put(() => {
            this.cursor = position;
            const data = type === "heartbeat" ? "" : String(position);
            const fields = { lastEventId: idAt(position), data };
            this.dispatchEvent(Object.assign(new Event(type), fields));
          });
        }

        close() {
          this.readyState = this.CLOSED;
          browser.server.sources.delete(this);
          this.line.close();
        }

        #ask() {
          this.line.put(() => browser.server.answer(this, this.cursor));
        }
      },
    };
    for (const [name, value] of Object.entries(globals)) {
      Object.defineProperty(globalThis, name, { value, configurable: true, writable: true });
    }
    Object.defineProperty(globalThis, "document", {
      get: () => running.getStore().document,
      configurable: true,
    });
  }

  open() {
    const tab = new Tab();
    this.tabs.push(tab);
    return tab;
  }

  close(tab) {
    tab.run(() => tab.window.dispatchEvent(new Event("pagehide")));
    this.crash(tab);
  }

  /** It is gone without a word; the browser clears up after it. */
  crash(tab) {
    this.tabs.splice(this.tabs.indexOf(tab), 1);
    tab.hangs = true;
    const isIts = ({ line }) => line.tab === tab;
    for (const source of [...this.server.sources].filter(isIts)) source.close();
    for (const channel of [...this.#channels].filter(isIts)) channel.close();
    this.#lock.waiting = this.#lock.waiting.filter((request) => request.tab !== tab);
    if (this.#lock.holder?.tab === tab) this.#release();
  }

  freeze(tab) {
    tab.isFrozen = true;
    tab.run(() => tab.document.dispatchEvent(new Event("freeze")));
  }

  resume(tab) {
    tab.isFrozen = false;
    tab.run(() => tab.document.dispatchEvent(new Event("resume")));
  }

  /** The lines on which something could arrive now. */
  get busy() {
    return this.tabs.flatMap((tab) => [...tab.lines].filter((line) => line.isBusy));
  }

  /** The lines from tab to tab. */
  get channels() {
    return [...this.#channels].map((channel) => channel.line);
  }

  /** The streams that go on. */
  get streams() {
    return [...this.server.sources].filter((source) => source.follow);
  }

  /** The requests that end when all has been said. */
  get questions() {
    return [...this.server.sources].filter((source) => !source.follow);
  }

  /* https://w3c.github.io/web-locks/, as far as one lock is concerned. */
  #request(name, { signal, steal }, callback) {
    return new Promise((resolve, reject) => {
      const request = { tab: running.getStore(), callback, resolve, reject };
      if (steal) {
        const robbed = this.#lock.holder;
        robbed?.tab.tasks.put(() => robbed.reject(new DOMException("stolen", "AbortError")));
        this.#grant(request);
        return;
      }
      this.#lock.waiting.push(request);
      signal.addEventListener("abort", () => {
        const place = this.#lock.waiting.indexOf(request);
        if (place === -1) return; // it was granted
        this.#lock.waiting.splice(place, 1);
        reject(signal.reason);
      });
      this.#grantNext();
    });
  }

  #grantNext() {
    if (!this.#lock.holder && this.#lock.waiting.length) this.#grant(this.#lock.waiting.shift());
  }

  #grant(request) {
    this.#lock.holder = request;
    request.tab.tasks.put(async () => {
      await request.callback();
      request.resolve();
      if (this.#lock.holder === request) this.#release();
    });
  }

  #release() {
    this.#lock.holder = null;
    this.#grantNext();
  }
}
