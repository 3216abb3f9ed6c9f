// wire.js: one WebSocket that is kept open: notices when it is lost or silent, and reconnects, however often it takes.
"use strict";

const RETRY_MS_FIRST = 500;
const RETRY_MS_MAX = 15000;
const ANSWER_MS_MAX = 8000; // then the connection counts as lost
const SILENCE_MS_MAX = 25000; // then we send a ping
const CHECK_MS = 1000;

// No retry after these codes: it would fail in the same way, or two tabs would fight over one id.
const STOP_REASONS = { 4401: "refused", 4403: "not-yours", 4409: "elsewhere" };
// Codes with which the desk gives a reason: the page shows it and retries.
const RETRY_REASONS = { 1011: "failed", 1012: "restarting", 1013: "full" };
const CANT_KEEP = "the desk can't keep anything just now"; // 1013, too, but it is not full
const RESTART_TRIES = 4; // tries that may fail during a restart; after that the desk counts as lost
// The desk does not answer these frames, so silence after them means nothing.
const UNANSWERED = new Set(["delivered", "typing", "recap", "rate_ticket"]);

class Wire {
  // target() returns { url, secret }. Calls onState(state, reason, before) and onFrame(frame).
  // state: "stopped", "connecting" (the first time), "retrying" (after a loss), "open" (welcomed).
  constructor({ target, onState, onFrame }) {
    Object.assign(this, { target, onState, onFrame });
    this.state = "stopped";
    this.reason = null;
    this.socket = null;
    this.failures = 0;
    this.receivedAt = 0;
    this.awaitingSince = null; // the time since which an answer is due
    window.addEventListener("online", () => this.checkNow());
    window.addEventListener("offline", () => this.checkNow());
    document.addEventListener("visibilitychange", () => document.hidden || this.checkNow());
  }

  start() {
    this.closeSocket();
    this.failures = 0;
    this.setState("connecting");
    this.connect();
  }

  stop(reason = null) {
    this.closeSocket();
    this.setState("stopped", reason);
  }

  send(frame) {
    if (this.state !== "open") return false;
    this.socket.send(JSON.stringify(frame));
    if (!UNANSWERED.has(frame.type)) this.awaitingSince ??= Date.now();
    return true;
  }

  // Does not wait for the timer when the network came or went, the page was shown, or the reader clicked.
  checkNow() {
    if (this.state === "retrying" && !this.socket) this.connect();
    else if (this.state === "open" && elapsedMs(this.receivedAt) > CHECK_MS) this.ping();
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
    this.awaitingSince = Date.now(); // the welcome is due
    this.socket.onmessage = (event) => this.receive(event.data);
    this.socket.onclose = ({ code, reason }) => this.disconnected(reason === CANT_KEEP ? 1011 : code);
    this.checkTimer = setInterval(() => this.check(), CHECK_MS);
  }

  receive(text) {
    const frame = JSON.parse(text);
    this.receivedAt = Date.now();
    this.awaitingSince = null;
    // Only a welcome is success: a wrong secret is refused after the handshake, by a close code.
    if (frame.type === "welcome") {
      this.failures = 0;
      this.setState("open");
    }
    this.onFrame(frame);
  }

  check() {
    if (this.awaitingSince && elapsedMs(this.awaitingSince) > ANSWER_MS_MAX) this.disconnected(1006);
    else if (this.state === "open" && elapsedMs(this.receivedAt) > SILENCE_MS_MAX) this.ping();
  }

  // Scripts do not see WebSocket pings, so a dead connection looks like a silent one. The answer is a `pong`; any
  // other frame counts as well.
  ping() {
    if (!this.awaitingSince) this.send({ type: "ping" });
  }

  disconnected(code) {
    this.closeSocket();
    if (code in STOP_REASONS) return this.setState("stopped", STOP_REASONS[code]);
    const restarts = this.reason === "restarting" && this.failures < RESTART_TRIES;
    const wait = Math.min(RETRY_MS_MAX, RETRY_MS_FIRST * 2 ** this.failures);
    this.failures = Math.min(this.failures + 1, 10);
    // Jitter, so that not everybody reconnects at the same moment after a restart.
    this.retryTimer = setTimeout(() => this.connect(), wait * (0.5 + Math.random() / 2));
    this.setState("retrying", RETRY_REASONS[code] ?? (restarts ? "restarting" : "lost"));
  }

  // Drops the socket without waiting for its close event, which may come minutes later on a dead connection.
  closeSocket() {
    clearTimeout(this.retryTimer);
    clearInterval(this.checkTimer);
    this.awaitingSince = null;
    if (!this.socket) return;
    this.socket.onmessage = this.socket.onclose = null;
    this.socket.close();
    this.socket = null;
  }

  setState(state, reason = null) {
    if (state === this.state && reason === this.reason) return;
    const before = this.state;
    this.state = state;
    this.reason = reason;
    this.onState(state, reason, before);
  }
}
