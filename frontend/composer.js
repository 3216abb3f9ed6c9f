// composer.js: where a message is written: sends on Enter, keeps the draft, tells that one is typing, locks with a reason.
"use strict";

const TEXT_MAX = 4000; // characters
const TEXT_BYTES_MAX = 16200; // as JSON; the desk closes on a frame over 16 KiB
const TYPING_RENEW_MS = 3000; // "typing" holds for 6 s at the other side
const TYPING_HOLD_MS = 6000;

class Composer {
  // onSend(text), onTyping(active), onDraft(text)
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
    this.text.focus(); // the button was clicked: the next message is written at once
  }

  changed() {
    const text = this.text.value;
    this.onDraft(text);
    this.fits(text);
    if (!text.trim()) return this.stopTyping();
    if (Date.now() - this.typingSince < TYPING_RENEW_MS) return;
    this.typingSince = Date.now();
    this.onTyping(true);
  }

  stopTyping() {
    if (!this.typingSince) return;
    this.typingSince = 0;
    this.onTyping(false);
  }

  // Too long is said while it is written; nothing is cut off.
  fits(text) {
    const over = lengthOf(text) - TEXT_MAX;
    const bytes = new TextEncoder().encode(JSON.stringify(text)).length;
    const fine = over <= 0 && bytes <= TEXT_BYTES_MAX;
    setError(this.text, fine ? "" : t("too-long", { count: Math.max(over, 1) }));
    return fine;
  }

  set(text) {
    this.text.value = text;
    this.fits(text);
  }

  // Locked, a draft is kept and can be read and copied; nothing is sent. `code` null: open.
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

// The other side's "typing": shown, and cleared by itself when nobody renews it.
class TypingSign {
  constructor(element) {
    this.element = element;
  }

  set(text) {
    clearTimeout(this.timer);
    setText(this.element, text);
    if (text) this.timer = setTimeout(() => setText(this.element, ""), TYPING_HOLD_MS);
  }
}

// Messages that wait for long: why, in words.
function drawHold(code, name) {
  setText(byId("hold"), code ? t("hold-" + code, { name }) : "");
}
