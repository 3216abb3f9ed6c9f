// wire.js: one WebSocket kept alive: it connects, notices when it is lost or silent, and tries again for ever.
"use strict";

const RETRY_MS_FIRST = 500;
const RETRY_MS_MAX = 15000;
const ANSWER_MS_MAX = 8000; // an answer that takes longer is no answer
const SILENCE_MS_MAX = 25000; // then we ask whether the desk is still there
const CHECK_MS = 1000;

// Trying again would end the same, or have two tabs fight over one id.
const STOP_REASONS = { 4401: "refused", 4403: "not-yours", 4409: "elsewhere" };
// The desk said why it closed: we try again as after any other loss, and say so, too.
const RETRY_REASONS = { 1011: "failed", 1012: "restarting", 1013: "full" };
const RESTART_TRIES = 4; // so often nobody answers while the desk restarts; then it counts as lost
// The desk does not answer these, so silence after them means nothing.
const UNANSWERED = new Set(["delivered", "typing"]);

class Wire {
  // target() gives { url, secret }; onState(state, reason, before) and onFrame(frame) are told what happens.
  // state: "stopped", "connecting" (the first time), "retrying" (after a loss), "open" (welcomed).
  constructor({ target, onState, onFrame }) {
    Object.assign(this, { target, onState, onFrame });
    this.state = "stopped";
    this.reason = null;
    this.socket = null;
    this.failures = 0;
    this.heardAt = 0;
    this.askedAt = null; // since when an answer is owed to us
    window.addEventListener("online", () => this.nudge());
    window.addEventListener("offline", () => this.nudge());
    document.addEventListener("visibilitychange", () => document.hidden || this.nudge());
  }

  start() {
    this.detach();
    this.failures = 0;
    this.become("connecting");
    this.connect();
  }

  stop(reason = null) {
    this.detach();
    this.become("stopped", reason);
  }

  send(frame) {
    if (this.state !== "open") return false;
    this.socket.send(JSON.stringify(frame));
    if (!UNANSWERED.has(frame.type)) this.askedAt ??= Date.now();
    return true;
  }

  // The network, the visibility, a click: do not wait for the timer.
  nudge() {
    if (this.state === "retrying" && !this.socket) this.connect();
    else if (this.state === "open" && Date.now() - this.heardAt > CHECK_MS) this.probe();
  }

  connect() {
    clearTimeout(this.retryTimer);
    const { url, secret } = this.target();
    const protocols = secret ? ["deskwire.v1", "secret." + secret] : ["deskwire.v1"];
    try {
      this.socket = new WebSocket(url, protocols);
    } catch {
      return this.stop("bad-address"); // not an address at all, or one that this page may not use
    }
    this.askedAt = Date.now(); // the welcome is owed
    this.socket.onmessage = (event) => this.hear(event.data);
    this.socket.onclose = (event) => this.lost(event.code);
    this.checkTimer = setInterval(() => this.check(), CHECK_MS);
  }

  hear(text) {
    const frame = JSON.parse(text);
    this.heardAt = Date.now();
    this.askedAt = null;
    // Only a welcome is success: a refused secret is closed after an upgrade that looked fine.
    if (frame.type === "welcome") {
      this.failures = 0;
      this.become("open");
    }
    this.onFrame(frame);
  }

  check() {
    const now = Date.now();
    if (this.askedAt && now - this.askedAt > ANSWER_MS_MAX) this.lost(1006);
    else if (this.state === "open" && now - this.heardAt > SILENCE_MS_MAX) this.probe();
  }

  // Scripts cannot see the protocol's own pings, so a dead line looks like a quiet one. The answer is a `pong`; any
  // other frame is as good a sign of life.
  probe() {
    if (!this.askedAt) this.send({ type: "ping" });
  }

  lost(code) {
    this.detach();
    if (code in STOP_REASONS) return this.become("stopped", STOP_REASONS[code]);
    const restarts = this.reason === "restarting" && this.failures < RESTART_TRIES;
    const wait = Math.min(RETRY_MS_MAX, RETRY_MS_FIRST * 2 ** this.failures);
    this.failures = Math.min(this.failures + 1, 10);
    // Jitter: after a restart not everybody comes back in the same moment.
    this.retryTimer = setTimeout(() => this.connect(), wait * (0.5 + Math.random() / 2));
    this.become("retrying", RETRY_REASONS[code] ?? (restarts ? "restarting" : "lost"));
  }

  // Forgets the socket at once: on a dead line the browser would report its end only minutes later.
  detach() {
    clearTimeout(this.retryTimer);
    clearInterval(this.checkTimer);
    this.askedAt = null;
    if (!this.socket) return;
    this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
    this.socket = null;
  }

  become(state, reason = null) {
    if (state === this.state && reason === this.reason) return;
    const before = this.state;
    this.state = state;
    this.reason = reason;
    this.onState(state, reason, before);
  }
}
