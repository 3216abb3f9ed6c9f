// address.js: where the desk is.
"use strict";

// A page that was served connects to the host that served it and to no other: no link and nothing in storage can make
// it send a secret elsewhere. One that was opened from disk has no host; its reader chooses.
const isServed = location.protocol !== "file:";
const DEFAULT_ADDRESS = "ws://127.0.0.1:8000";

// As people type it: "host:8000", "http://host", a slash too many.
function tidyAddress(typed) {
  const address = typed.trim().replace(/\/+$/, "").replace(/^http/i, "ws");
  return address && !/^wss?:/i.test(address) ? "ws://" + address : address || DEFAULT_ADDRESS;
}

// Beside the page itself, so that a proxy may serve the desk under a path: /support/ has its sockets in /support/ws/.
function ownAddress() {
  const { protocol, host, pathname } = new URL(".", location.href);
  return protocol.replace("http", "ws") + "//" + host + pathname.replace(/\/$/, "");
}

// A link's `?ws=` goes before what is stored.
function chosenAddress() {
  const linked = new URLSearchParams(location.search).get("ws");
  return tidyAddress(linked ?? store.kept.get("address", isText, ""));
}

const deskAddress = isServed ? ownAddress() : chosenAddress();

// Loads the page anew, so that nothing of the one desk is left in memory for the other.
function moveTo(address) {
  if (address === deskAddress) return;
  store.kept.set("address", address);
  location.replace("?ws=" + encodeURIComponent(address));
}
