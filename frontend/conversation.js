// conversation.js: one ticket's chat as data: what was said, what is still to be sent, what is confirmed.
"use strict";

const ENTRIES_KEPT_MAX = 300; // of a conversation, in the tab's storage; what is not sent yet is kept beyond that
const REFUSED_MS_FIRST = 1000; // after `rate_limited` the message is sent again
const REFUSED_MS_MAX = 10000;
const HELD_TOLD_MS = 5000; // a wait that is longer is explained
const RECEIPT_MS = 100; // a burst is confirmed by a few receipts: one for each message would be too many for the desk
const RECEIPT_AGAIN_MS = 2000;

// Refused for now: the message waits and is sent by itself. Any other refusal is told at the message.
const HOLD_CODES = new Set(["rate_limited", "unread_limit"]);

const isUnsent = (entry) => entry.state === "queued" || entry.state === "sending";

// What a stored chat must look like, as far as anything depends on it.
const isTime = (value) => Number.isFinite(value) && Math.abs(value) <= 8.64e15; // the range of a Date
const isNumber = (value) => Number.isSafeInteger(value);
const isMessage = (entry) => entry.kind === "message" && isText(entry.text) && isNumber(entry.id ?? 0);
const isSystemLine = (entry) => entry.kind === "system" && isText(entry.what) && entry.values instanceof Object;
const isEntry = (entry) => entry instanceof Object && isTime(entry.at) && (isMessage(entry) || isSystemLine(entry));
const isChat = (chat) =>
  chat instanceof Object &&
  [chat.ticketId, chat.subject, chat.state, chat.draft].every(isText) &&
  [chat.nextId, chat.heardSeq, chat.confirmedSeq, chat.deliveredSeq].every(isNumber) &&
  Array.isArray(chat.entries) &&
  chat.entries.every(isEntry);

// Why the messages of a chat wait. `unread_limit` ends with the other side's next receipt, `rate_limited` after a while.
class Hold {
  // onEnd() is called when the messages may go on, onTold() when what there is to tell has changed.
  constructor({ onEnd, onTold }) {
    this.code = null;
    this.told = null; // the code, once it takes long
    this.onTold = onTold;
    this.backoff = new Backoff(onEnd, REFUSED_MS_FIRST, REFUSED_MS_MAX);
  }

  get isOn() {
    return this.backoff.isWaiting || this.code === "unread_limit";
  }

  begin(code) {
    if (code !== this.code) {
      this.end();
      this.code = code;
      this.timer = setTimeout(() => this.tell(code), HELD_TOLD_MS);
    }
    if (code === "rate_limited") this.backoff.wait();
  }

  // One was accepted. That we are too fast may stay true until all are sent.
  accepted() {
    this.backoff.reset();
  }

  end() {
    this.backoff.reset();
    clearTimeout(this.timer);
    this.code = null;
    this.tell(null);
  }

  tell(code) {
    if (this.told === code) return;
    this.told = code;
    this.onTold();
  }
}

// A message of ours is "queued" (not sent yet), "sending", "sent", "delivered" or "failed" (with `why`).
// `host` is the page; what it must offer is seen in user.js.
class Conversation {
  #inFlight = null; // the one message that is on its way
  #repeat = null; // one that was accepted: sent again to learn its seq
  #hold = new Hold({ onEnd: () => this.pump(), onTold: () => this.host.holdChanged() });
  #receiptTimer = null; // until it ends, receipts are gathered

  constructor(host, saved) {
    this.ticketId = "";
    this.subject = "";
    this.entries = [];
    this.nextId = 1;
    this.heardSeq = 0; // the highest that we have shown
    this.confirmedSeq = 0; // the highest that we said we have shown
    this.deliveredSeq = 0; // the highest that the other side said it has shown
    this.draft = "";
    Object.assign(this, saved);
    // What was on its way when the page went away: the next resume() tells whether it arrived.
    for (const entry of this.entries) if (entry.state === "sending") entry.state = "queued";
    this.host = host;
  }

  toJSON() {
    const { host, ...kept } = this;
    const first = this.entries.length - ENTRIES_KEPT_MAX;
    return { ...kept, entries: this.entries.filter((entry, index) => index >= first || isUnsent(entry)) };
  }

  // Why messages have been waiting for long, or null.
  get heldBy() {
    return this.#hold.told;
  }

  say(text) {
    this.append({ kind: "message", from: "me", text, at: deskNow(), state: "queued" });
    this.pump();
  }

  // Sends the next message. Only one is on its way at a time: so a refused one never hides behind a later one that
  // was accepted, and the other side reads them in the order in which they were written.
  pump() {
    const open = this.host.canSend();
    const unsent = this.unsent();
    for (const entry of unsent) if (entry !== this.#inFlight) this.mark(entry, open ? "sending" : "queued");
    // One with an id was on its way before: it goes first, under the same id, so that it is never relayed twice.
    const next = this.#repeat ?? unsent.find((entry) => entry.id) ?? unsent[0];
    if (!next) this.#hold.end();
    if (!open || !next || this.#inFlight || this.#hold.isOn) return this.host.save();
    next.id ??= this.nextId++;
    this.#inFlight = next;
    this.#repeat = null;
    this.host.save(); // before sending: after a reload the id must be known
    this.host.transmit({ type: "message", ticket_id: this.ticketId, id: next.id, text: next.text });
  }

  unsent() {
    return this.entries.filter(isUnsent);
  }

  acknowledged({ id, seq }) {
    const entry = this.ownById(id);
    if (!entry) return;
    if (this.#inFlight === entry) this.#inFlight = null;
    this.#hold.accepted();
    entry.seq = seq ?? entry.seq;
    this.mark(entry, entry.seq && entry.seq <= this.deliveredSeq ? "delivered" : "sent");
    this.pump();
  }

  // Nothing was sent behind the one that was refused, so whatever is done with it, the order stays.
  refused({ id, code }) {
    const entry = this.ownById(id);
    if (!entry) return;
    if (this.#inFlight === entry) this.#inFlight = null;
    const isHeld = HOLD_CODES.has(code);
    if (isHeld) this.#hold.begin(code);
    if (!isUnsent(entry)) this.#repeat = isHeld ? entry : null; // accepted before, and it stays so
    else if (isHeld) entry.id = null; // never accepted, so a new id cannot double it
    else this.fail(entry, code);
    this.pump();
  }

  // The other side has everything up to `seq` on its screen.
  delivered(seq) {
    this.deliveredSeq = Math.max(this.deliveredSeq, seq);
    for (const entry of this.entries) {
      if (entry.state === "sent" && entry.seq && entry.seq <= this.deliveredSeq) this.mark(entry, "delivered");
    }
    if (this.#hold.code === "unread_limit") this.#hold.end();
    this.pump();
  }

  // It was never accepted, so a new id cannot double it. It moves to the end, where the other side will read it.
  retry(entry) {
    this.remove(entry);
    this.say(entry.text);
  }

  remove(entry) {
    this.entries.splice(this.entries.indexOf(entry), 1);
    this.host.removed(entry);
    this.host.save();
  }

  ownById(id) {
    return this.entries.find((entry) => entry.from === "me" && entry.id === id);
  }

  // Nothing is on its way any more.
  stopSending() {
    this.#inFlight = null;
    this.#repeat = null;
    this.#hold.end();
  }

  // The line is dead: what was on its way waits again.
  cut() {
    this.stopSending();
    this.pump();
  }

  // Connected again, or picked again: the desk says how far it has come.
  resume({ last_id, last_seq, delivered_seq }) {
    this.stopSending();
    this.nextId = Math.max(this.nextId, last_id + 1);
    for (const entry of this.unsent().filter((entry) => entry.id && entry.id <= last_id)) {
      if (entry.id < last_id) {
        this.fail(entry, "unsure"); // we never have two on their way, so somebody else spoke on our side
        continue;
      }
      entry.seq = last_seq; // at most; sending it again tells exactly, and is not relayed twice
      this.mark(entry, "sent");
      this.#repeat = entry;
    }
    this.delivered(delivered_seq);
  }

  // Somebody else speaks on our side now (another tab, a colleague): ids tell nothing of our last message.
  doubt() {
    this.stopSending();
    for (const entry of this.unsent()) if (entry.id) this.fail(entry, "unsure");
    this.pump();
  }

  // What was not sent never will be, but its text stays.
  end() {
    this.stopSending();
    for (const entry of this.unsent()) this.fail(entry, "closed");
    this.host.save();
  }

  // True if it was new. After a cut the desk sends again what it is not sure of.
  hear({ seq, sender_id, text, at }) {
    const isNew = seq > this.heardSeq;
    if (isNew) {
      this.heardSeq = seq;
      this.append({ kind: "message", from: "them", sender: sender_id, text, at, seq });
    } else {
      this.confirmedSeq = Math.min(this.confirmedSeq, seq - 1); // our receipt was lost, too
    }
    this.confirm();
    return isNew;
  }

  // "On my screen" is said only when it is true: not for a hidden tab, not for a chat that is not shown.
  confirm() {
    if (this.heardSeq <= this.confirmedSeq || this.#receiptTimer || !this.host.onScreen()) return;
    if (!this.host.transmit({ type: "delivered", ticket_id: this.ticketId, seq: this.heardSeq })) return;
    this.confirmedSeq = this.heardSeq;
    this.confirmIn(RECEIPT_MS);
    this.host.save();
  }

  confirmIn(ms) {
    clearTimeout(this.#receiptTimer);
    this.#receiptTimer = setTimeout(() => {
      this.#receiptTimer = null;
      this.confirm();
    }, ms);
  }

  // The desk refused something that bears no id. It may have been a receipt, and the other side may be held until it
  // has one; a receipt too many harms nobody.
  receiptRefused() {
    if (this.heardSeq === 0) return;
    this.confirmedSeq = Math.min(this.confirmedSeq, this.heardSeq - 1);
    this.confirmIn(RECEIPT_AGAIN_MS);
  }

  // A line of the desk's own; its words are found when it is drawn.
  note(what, values = {}, at = deskNow()) {
    this.append({ kind: "system", what, values, at });
  }

  append(entry) {
    this.entries.push(entry);
    this.host.appended(entry);
    this.host.save();
  }

  fail(entry, why) {
    entry.why = why;
    entry.id = null;
    this.mark(entry, "failed");
  }

  mark(entry, state) {
    if (entry.state === state) return;
    entry.state = state;
    this.host.changed(entry);
  }
}
