// conversation.js: one ticket's chat as data: what was said, what is still to be sent, what is confirmed.
"use strict";

const ENTRIES_KEPT_MAX = 300; // of a conversation, in the tab's storage

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

// A message of ours is "queued" (not sent yet), "sending", "sent", "delivered" or "failed" (with `why`).
// `host` is the page; what it must offer is seen in user.js.
class Conversation {
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
    this.inFlight = null; // the one message that is on its way
  }

  toJSON() {
    const { host, inFlight, ...kept } = this;
    return { ...kept, entries: this.entries.slice(-ENTRIES_KEPT_MAX) };
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
    for (const entry of unsent) if (entry !== this.inFlight) this.mark(entry, open ? "sending" : "queued");
    if (!open || this.inFlight || !unsent.length) return this.host.save();
    // One with an id was on its way before: it goes first, under the same id, so that it is never relayed twice.
    const next = unsent.find((entry) => entry.id) ?? unsent[0];
    next.id ??= this.nextId++;
    this.inFlight = next;
    this.host.save(); // before sending: after a reload the id must be known
    this.transmitMessage(next);
  }

  unsent() {
    return this.entries.filter((entry) => entry.state === "queued" || entry.state === "sending");
  }

  transmitMessage(entry) {
    this.host.transmit({ type: "message", ticket_id: this.ticketId, id: entry.id, text: entry.text });
  }

  acknowledged({ id, seq }) {
    const entry = this.ownById(id);
    if (!entry) return;
    if (this.inFlight === entry) this.inFlight = null;
    entry.seq = seq ?? entry.seq;
    this.mark(entry, entry.seq && entry.seq <= this.deliveredSeq ? "delivered" : "sent");
    this.pump();
  }

  refused({ id, code }) {
    const entry = this.ownById(id);
    if (!entry) return;
    if (this.inFlight === entry) this.inFlight = null;
    this.fail(entry, code);
    this.pump();
  }

  // The other side has everything up to `seq` on its screen.
  delivered(seq) {
    this.deliveredSeq = Math.max(this.deliveredSeq, seq);
    for (const entry of this.entries) {
      if (entry.state === "sent" && entry.seq && entry.seq <= this.deliveredSeq) this.mark(entry, "delivered");
    }
    this.host.save();
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

  // The line is dead: what was on its way waits again.
  cut() {
    this.inFlight = null;
    this.pump();
  }

  // Connected again, or picked again: the desk says how far it has come.
  resume({ last_id, last_seq, delivered_seq }) {
    this.inFlight = null;
    this.nextId = Math.max(this.nextId, last_id + 1);
    for (const entry of this.unsent().filter((entry) => entry.id && entry.id <= last_id)) {
      if (entry.id < last_id) {
        this.fail(entry, "unsure"); // we never have two on their way, so somebody else spoke on our side
        continue;
      }
      entry.seq = last_seq; // at most; sending it again tells exactly, and is not relayed twice
      this.mark(entry, "sent");
      if (this.host.canSend()) this.transmitMessage(entry);
    }
    this.delivered(delivered_seq);
    this.pump();
  }

  // Somebody else speaks on our side now (another tab, a colleague): ids tell nothing of our last message.
  doubt() {
    this.inFlight = null;
    for (const entry of this.unsent()) if (entry.id) this.fail(entry, "unsure");
    this.pump();
  }

  // What was not sent never will be, but its text stays.
  end() {
    this.inFlight = null;
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
    if (this.heardSeq <= this.confirmedSeq || !this.host.onScreen()) return;
    if (!this.host.transmit({ type: "delivered", ticket_id: this.ticketId, seq: this.heardSeq })) return;
    this.confirmedSeq = this.heardSeq;
    this.host.save();
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
