// stored-chat.js: a chat in a storage, in pieces: its head, and each of its entries. So a message costs the same in a long
// chat as in a short one, and a draft costs next to nothing.
"use strict";

const ENTRIES_KEPT_MAX = 300; // of a chat; what is not sent yet is kept beyond that

// What a stored chat must look like, as far as anything depends on it.
const isTime = (value) => Number.isFinite(value) && Math.abs(value) <= 8.64e15; // the range of a Date
const isNumber = (value) => Number.isSafeInteger(value);
const isMessage = (entry) => entry.kind === "message" && isText(entry.text) && isNumber(entry.id ?? 0);
const isSystemLine = (entry) => entry.kind === "system" && isText(entry.what) && entry.values instanceof Object;
const isEntry = (entry) => entry instanceof Object && isTime(entry.at) && (isMessage(entry) || isSystemLine(entry));
const isHead = (head) =>
  head instanceof Object &&
  [head.ticketId, head.subject, head.state, head.draft].every(isText) &&
  [head.nextId, head.receivedSeq, head.confirmedSeq, head.deliveredSeq].every(isNumber) &&
  isListOfTexts(head.order);

// Under which name an entry is stored, and which version of it. The names of tabs differ, so that none writes into what
// another has.
const entryNames = new WeakMap();
const entryVersions = new WeakMap();
const tabName = newId().slice(5);
let lastName = 0;
let lastVersion = 0;

const touch = (entry) => entryVersions.set(entry, (lastVersion += 1));

function versionOf(entry) {
  if (!entryVersions.has(entry)) touch(entry);
  return entryVersions.get(entry);
}

function nameOf(entry) {
  if (!entryNames.has(entry)) entryNames.set(entry, `${tabName}-${(lastName += 1)}`);
  return entryNames.get(entry);
}

class StoredChat {
  #versions = new Map(); // of the entries that are stored, by name
  #isEmpty = false; // nothing is stored, and we know it

  constructor(storage, name) {
    Object.assign(this, { storage, name });
  }

  // Returns what a Conversation is made of, or null.
  load() {
    const head = this.storage.get(this.name, isHead);
    if (!head) return null;
    const { order, ...rest } = head;
    this.#versions.clear();
    return { ...rest, entries: order.flatMap((name) => this.#loadEntry(name)) };
  }

  #loadEntry(name) {
    const entry = this.storage.get(this.#keyOf(name), isEntry);
    if (!entry) return [];
    entryNames.set(entry, name);
    this.#versions.set(name, versionOf(entry));
    return [entry];
  }

  save({ host, entries, ...head }) {
    const first = entries.length - ENTRIES_KEPT_MAX;
    const kept = entries.filter((entry, index) => index >= first || isUnsent(entry));
    const order = kept.map(nameOf);
    for (const entry of kept) {
      const [name, version] = [nameOf(entry), versionOf(entry)];
      if (this.#versions.get(name) === version) continue;
      this.storage.set(this.#keyOf(name), entry);
      this.#versions.set(name, version);
    }
    this.storage.set(this.name, { ...head, order });
    this.#isEmpty = false;
    this.#keepOnly(new Set(order));
  }

  #keepOnly(names) {
    for (const name of this.#versions.keys()) {
      if (names.has(name)) continue;
      this.storage.set(this.#keyOf(name), null);
      this.#versions.delete(name);
    }
  }

  // Removes all of it, and what another tab has stored of it.
  remove() {
    if (this.#isEmpty) return;
    this.storage.set(this.name, null);
    this.storage.removeAll(this.#keyOf(""));
    this.#versions.clear();
    this.#isEmpty = true;
  }

  #keyOf(name) {
    return `${this.name}/${name}`;
  }
}
