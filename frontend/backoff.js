// backoff.js: waits before something is tried again, each time twice as long as before.
"use strict";

// Calls `act` at the end of each wait.
class Backoff {
  constructor(act, firstMs, maxMs) {
    Object.assign(this, { act, firstMs, maxMs, nextMs: firstMs, timer: null });
  }

  get isWaiting() {
    return this.timer !== null;
  }

  wait() {
    clearTimeout(this.timer);
    // Jitter: clients that were refused together do not come back together.
    this.timer = setTimeout(() => this.now(), this.nextMs * (1 + Math.random() / 4));
    this.nextMs = Math.min(this.nextMs * 2, this.maxMs);
  }

  now() {
    clearTimeout(this.timer);
    this.timer = null;
    this.act();
  }

  reset() {
    clearTimeout(this.timer);
    this.timer = null;
    this.nextMs = this.firstMs;
  }
}
