import { mock } from "node:test";

/** A clock that a test moves on by `mock.timers.tick(ms)`. */
export function movedByHand() {
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "Date"] });
  return {
    now: () => Date.now(),
    setTimeout: (end, ms) => setTimeout(end, ms),
    clearTimeout: (timer) => clearTimeout(timer),
    pass: (ms) => mock.timers.tick(ms),
  };
}
