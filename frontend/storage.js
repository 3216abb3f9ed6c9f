// storage.js: the tab's own storage, and what is kept for later visits: preferences, and a chat until its end.
// Either may throw (blocked, full). Then the page remembers for as long as it is open.
"use strict";

function storage(open, keyOf, memory = new Map()) {
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
  };
}

const store = {
  kept: storage(() => localStorage, (name) => "deskwire." + name),
  // Everything that concerns one desk is stored under its address: what one desk gave is sent to no other.
  tab: storage(() => sessionStorage, (name) => `deskwire.${name}@${deskAddress}`),
  browser: storage(() => localStorage, (name) => `deskwire.${name}@${deskAddress}`, null), // other tabs change it
};
