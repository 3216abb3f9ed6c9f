// composer.js: the field for writing a message: sends on Enter, keeps the draft, sends typing notices, and can be
// locked.
"use strict";

const TEXT_MAX = 4000; // characters
const TEXT_BYTES_MAX = 16200; // as JSON; the desk closes on a frame over 16 KiB
const UNIT_BYTES_MAX = 6; // as JSON, of one unit of a string
const TYPING_RENEW_MS = 3000; // the other side shows the notice for 6 s
const TYPING_HOLD_MS = 6000;

class Composer {
  // Calls onSend(text), onTyping(active) and onDraft(text).
  constructor({ onSend, onTyping, onDraft }) {
    Object.assign(this, { onSend, onTyping, onDraft });
    this.form = byId("composer");
    this.text = byId("text");
    this.sendButton = byId("send");
    this.typingSince = 0;
    this.form.addEventListener("submit", (event) => this.submit(event));
    this.text.addEventListener("keydown", (event) => this.key(event));
    this.text.addEventListener("input", () => this.changed());
    this.text.addEventListener("blur", () => this.stopTyping());
  }

  key(event) {
    // The Enter that ends a word in an input method belongs to that method (229: older Safari).
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    this.submit(event);
  }

  submit(event) {
    event.preventDefault();
    const text = wellFormed(this.text.value).trimEnd();
    if (this.locked || !text.trim() || !this.fits(text)) return;
    this.set("");
    this.stopTyping();
    this.onDraft("");
    this.onSend(text);
    this.text.focus(); // after a click on the button, so that the next message can be typed
  }

  changed() {
    const text = this.text.value;
    this.onDraft(text);
    this.fits(text);
    if (!text.trim()) return this.stopTyping();
    if (elapsedMs(this.typingSince) < TYPING_RENEW_MS) return;
    this.typingSince = Date.now();
    this.onTyping(true);
  }

  stopTyping() {
    if (!this.typingSince) return;
    this.typingSince = 0;
    this.onTyping(false);
  }

  // Shows while the reader types that the text is too long. Nothing is cut off.
  fits(text) {
    const isShort = text.length * UNIT_BYTES_MAX < TEXT_BYTES_MAX; // and need not be counted with each key
    const over = isShort ? 0 : lengthOf(text) - TEXT_MAX;
    const bytes = isShort ? 0 : new TextEncoder().encode(JSON.stringify(text)).length;
    const fine = over <= 0 && bytes <= TEXT_BYTES_MAX;
    setError(this.text, fine ? "" : t("too-long", { count: Math.max(over, 1) }));
    return fine;
  }

  set(text) {
    this.text.value = text;
    this.fits(text);
  }

  // Locks the field, or unlocks it if `code` is null. A locked draft is kept and can be copied; nothing is sent.
  lock(code, reason) {
    this.locked = code;
    if (code) this.form.dataset.locked = code;
    else delete this.form.dataset.locked;
    this.text.readOnly = Boolean(code);
    this.sendButton.disabled = Boolean(code);
    setText(byId("lock-reason"), code ? reason : "");
    if (code) this.typingSince = 0;
  }
}

// Shows that the other side is typing, until its notice is not renewed in time.
class TypingIndicator {
  constructor(element) {
    this.element = element;
  }

  set(text) {
    clearTimeout(this.timer);
    setText(this.element, text);
    if (text) this.timer = setTimeout(() => setText(this.element, ""), TYPING_HOLD_MS);
  }
}

// Explains why messages have been waiting for a long time.
function drawHold(code, name) {
  setText(byId("hold"), code ? t("hold-" + code, { name }) : "");
}
