// conversation.js: the chat of one ticket as data: its messages, what is still to be sent, what is confirmed.
"use strict";

const RESEND_MS_FIRST = 1000; // after rate_limited the message is sent again
const RESEND_MS_MAX = 10000;
const HOLD_SHOWN_MS = 5000; // a wait that is longer is explained
const RECEIPT_MS = 100; // a burst is confirmed by a few receipts: one for each message would be too many for the desk
const RECEIPT_AGAIN_MS = 2000;
const DRAFT_MS = 300;
const IDS_APART = 2 ** 20; // two pages choose the same id with a chance of one in so many; 2^33 messages use all ids up

const drafts = new Map(); // the timers of the chats whose draft is not written down yet
window.addEventListener("pagehide", () => {
  for (const chat of [...drafts.keys()]) chat.saveDraft();
});

// Refused for now: the message waits and is sent by itself. Any other refusal is shown at the message.
const HOLD_CODES = new Set(["rate_limited", "unread_limit"]);

const isUnsent = (entry) => entry.state === "queued" || entry.state === "sending";

// Why the messages of a chat wait. `unread_limit` ends with the other side's next receipt, `rate_limited` after a while.
class Hold {
  // Calls onEnd() when messages may be sent again, and onChange() when `shown` has changed.
  constructor({ onEnd, onChange }) {
    this.code = null;
    this.shown = null; // the code, once the wait is long
    this.onChange = onChange;
    this.backoff = new Backoff(onEnd, RESEND_MS_FIRST, RESEND_MS_MAX);
  }

  get isOn() {
    return this.backoff.isWaiting || this.code === "unread_limit";
  }

  begin(code) {
    if (code !== this.code) {
      this.end();
      this.code = code;
      this.timer = setTimeout(() => this.show(code), HOLD_SHOWN_MS);
    }
    if (code === "rate_limited") this.backoff.wait();
  }

  // A message was accepted. The code stays, for the next one may be too fast again.
  accepted() {
    this.backoff.reset();
  }

  end() {
    this.backoff.reset();
    clearTimeout(this.timer);
    this.code = null;
    this.show(null);
  }

  show(code) {
    if (this.shown === code) return;
    this.shown = code;
    this.onChange();
  }
}

// A message of ours is "queued" (not sent yet), "sending", "sent", "delivered" or "failed" (with `why`).
// `host` is the page; what it must offer is seen in user.js.
class Conversation {
  #inFlight = null; // the message that has no answer yet
  #repeat = null; // one that was accepted: sent again to learn its seq
  #hold = new Hold({ onEnd: () => this.sendNext(), onChange: () => this.host.holdChanged() });
  #receiptTimer = null; // until it ends, receipts are gathered

  constructor(host, saved) {
    this.ticketId = "";
    this.subject = "";
    this.entries = [];
    this.nextId = 1;
    this.receivedSeq = 0; // the highest seq that we have shown
    this.confirmedSeq = 0; // the highest that we have confirmed
    this.deliveredSeq = 0; // the highest that the other side has confirmed
    this.draft = "";
    Object.assign(this, saved);
    // Unanswered when the page was left: the next resume() finds out whether it arrived.
    for (const entry of this.entries) if (entry.state === "sending") entry.state = "queued";
    this.host = host;
  }

  // Why messages have been waiting for long, or null.
  get heldBy() {
    return this.#hold.shown;
  }

  send(text) {
    this.append({ kind: "message", from: "me", text, at: deskNow(), state: "queued" });
    this.sendNext();
  }

  // Sends the next message. Only one is on its way at a time: so a refused one never hides behind a later one that
  // was accepted, and the other side reads them in the order in which they were written.
  sendNext() {
    const open = this.host.canSend();
    const unsent = this.unsent();
    for (const entry of unsent) if (entry !== this.#inFlight) this.mark(entry, open ? "sending" : "queued");
    // From now on it has this id, in a copy of this tab as well: whichever of them sends it, it is relayed once.
    if (open) for (const entry of unsent.filter((entry) => !entry.id)) this.giveId(entry);
    const next = this.#repeat ?? unsent[0];
    if (!next) this.#hold.end();
    if (!open || !next || this.#inFlight || this.#hold.isOn) return this.host.save();
    this.#inFlight = next;
    this.#repeat = null;
    this.host.save(); // before sending: after a reload the id must be known
    this.host.transmit({ type: "message", ticket_id: this.ticketId, id: next.id, text: next.text });
  }

  giveId(entry) {
    entry.id = this.newId();
    touch(entry);
  }

  // Another tab or a colleague may send on our side, and counts on from the same number. Had two messages one id, the
  // receipt of one would be taken for the other's.
  newId() {
    const id = this.nextId + (crypto.getRandomValues(new Uint32Array(1))[0] % IDS_APART);
    this.nextId = id + 1;
    return id;
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
    touch(entry);
    this.mark(entry, entry.seq && entry.seq <= this.deliveredSeq ? "delivered" : "sent");
    this.sendNext();
  }

  // Nothing was sent behind the one that was refused, so whatever is done with it, the order stays.
  refused({ id, code }) {
    const entry = this.ownById(id);
    if (!entry) return;
    if (this.#inFlight === entry) this.#inFlight = null;
    const isHeld = HOLD_CODES.has(code);
    if (isHeld) this.#hold.begin(code);
    if (!isUnsent(entry)) this.#repeat = isHeld ? entry : null; // accepted before, and it stays so
    else if (!isHeld) this.markFailed(entry, code);
    this.sendNext();
  }

  // The other side has everything up to `seq` on its screen.
  confirmed(seq) {
    this.deliveredSeq = Math.max(this.deliveredSeq, seq);
    for (const entry of this.entries) {
      if (entry.state === "sent" && entry.seq && entry.seq <= this.deliveredSeq) this.mark(entry, "delivered");
    }
    if (this.#hold.code === "unread_limit") this.#hold.end();
    this.sendNext();
  }

  // It was never accepted, so a new id cannot double it. It moves to the end, where the other side will read it.
  retry(entry) {
    this.remove(entry);
    this.send(entry.text);
  }

  remove(entry) {
    this.entries.splice(this.entries.indexOf(entry), 1);
    this.host.removed(entry);
    this.host.save();
  }

  ownById(id) {
    return this.entries.find((entry) => entry.from === "me" && entry.id === id);
  }

  // Nothing is in flight any more.
  stopSending() {
    this.#inFlight = null;
    this.#repeat = null;
    this.#hold.end();
  }

  // The connection is lost: an unanswered message is queued again.
  disconnected() {
    this.stopSending();
    this.sendNext();
  }

  // Connected again, or picked again: the desk says how far it has come. What was sent on this connection is still going
  // to be answered; sent twice, it could be refused once and accepted once.
  resume({ last_id, last_seq, delivered_seq }) {
    this.#repeat = null;
    this.#hold.end();
    this.nextId = Math.max(this.nextId, last_id + 1);
    const unanswered = this.unsent().filter((entry) => entry !== this.#inFlight);
    for (const entry of unanswered.filter((entry) => entry.id && entry.id <= last_id)) {
      if (entry.id < last_id) {
        this.markFailed(entry, "unsure"); // another page has sent on our side: a copy of this tab, it may have been this
        continue;
      }
      entry.seq = last_seq; // at most; the ack of the repeated message says exactly, and it is not relayed twice
      this.mark(entry, "sent");
      this.#repeat = entry;
    }
    this.confirmed(delivered_seq);
  }

  // What is not sent yet never will be, but its text stays.
  close() {
    this.stopSending();
    for (const entry of this.unsent()) this.markFailed(entry, "closed");
    this.host.save();
  }

  // Returns true if it is new. After a lost connection the desk sends again what was not confirmed.
  receive({ seq, sender_id, sender_name, text, at }) {
    const isNew = seq > this.receivedSeq;
    if (isNew) {
      const isFirstUnread = !this.host.onScreen() && this.confirmedSeq >= this.receivedSeq;
      this.receivedSeq = seq;
      const sender = visibleOr(sender_name, sender_id);
      this.append({ kind: "message", from: "them", sender, senderId: sender_id, text, at, seq }, isFirstUnread);
    } else {
      this.confirmedSeq = Math.min(this.confirmedSeq, seq - 1); // our receipt was lost as well
      this.host.save();
    }
    this.sendReceipt();
    return isNew;
  }

  // Confirms only what is on the screen: nothing in a hidden tab or in a chat that is not shown.
  sendReceipt() {
    if (this.receivedSeq <= this.confirmedSeq || this.#receiptTimer || !this.host.onScreen()) return;
    if (!this.host.transmit({ type: "delivered", ticket_id: this.ticketId, seq: this.receivedSeq })) return;
    this.confirmedSeq = this.receivedSeq;
    this.sendReceiptIn(RECEIPT_MS);
    this.host.save();
  }

  sendReceiptIn(ms) {
    clearTimeout(this.#receiptTimer);
    this.#receiptTimer = setTimeout(() => {
      this.#receiptTimer = null;
      this.sendReceipt();
    }, ms);
  }

  // The desk refused a frame that has no id. It may have been a receipt for which the other side waits; one receipt
  // too many does no harm.
  receiptRefused() {
    if (this.receivedSeq === 0) return;
    this.confirmedSeq = Math.min(this.confirmedSeq, this.receivedSeq - 1);
    this.host.save();
    this.sendReceiptIn(RECEIPT_AGAIN_MS);
  }

  // Adds a system line. Its text is looked up when it is drawn, in the language of that moment.
  addLine(what, values = {}, at = deskNow()) {
    this.append({ kind: "system", what, values, at });
  }

  // A draft changes with every key, and a long chat takes long to be written down: it is written when the keys rest.
  keepDraft(text) {
    this.draft = text;
    clearTimeout(drafts.get(this));
    drafts.set(this, setTimeout(() => this.saveDraft(), DRAFT_MS));
  }

  saveDraft() {
    this.stopSavingDraft();
    this.host.save();
  }

  stopSavingDraft() {
    clearTimeout(drafts.get(this));
    drafts.delete(this);
  }

  append(entry, isFirstUnread = false) {
    this.entries.push(entry);
    this.host.appended(entry, isFirstUnread);
    this.host.save();
  }

  markFailed(entry, why) {
    entry.why = why;
    entry.id = null;
    this.mark(entry, "failed");
  }

  mark(entry, state) {
    if (entry.state === state) return;
    entry.state = state;
    touch(entry);
    this.host.changed(entry);
  }
}
