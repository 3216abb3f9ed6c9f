// storage.js: the tab's own storage, and what is kept for later visits: preferences, and a chat until its end.
// Either may throw (blocked, full). Then the page remembers for as long as it is open.
"use strict";

// The names of what concerns one desk end with its address: what one desk gave is sent to no other.
const ofDesk = () => "@" + deskAddress;

function storage(open, end, memory = new Map()) {
  const keyOf = (name) => `deskwire.${name}${end()}`;
  return {
    // A stored value may be anything. One that `isValid` refuses counts as absent.
    get(name, isValid, fallback = null) {
      if (memory?.has(name)) return memory.get(name) ?? fallback;
      try {
        const value = JSON.parse(open().getItem(keyOf(name)));
        return isValid(value) ? value : fallback;
      } catch {
        return fallback;
      }
    },
    set(name, value) {
      memory?.set(name, value);
      try {
        if (value === null) open().removeItem(keyOf(name));
        else open().setItem(keyOf(name), JSON.stringify(value));
      } catch {}
    },
    // Removes all whose names begin like this.
    removeAll(start) {
      for (const name of [...(memory?.keys() ?? [])]) if (name.startsWith(start)) memory.delete(name);
      try {
        const isOne = (key) => key.startsWith("deskwire." + start) && key.endsWith(end());
        for (const key of Object.keys(open()).filter(isOne)) open().removeItem(key);
      } catch {}
    },
  };
}

const store = {
  kept: storage(() => localStorage, () => ""),
  tab: storage(() => sessionStorage, ofDesk),
  browser: storage(() => localStorage, ofDesk, null), // other tabs change it
};
