// address.js: the address of the desk.
"use strict";

// A page that was served connects to the host that served it and to no other: no link and nothing in storage can make
// it send a secret elsewhere. A page opened from disk has no host, so its reader chooses one.
const isServed = location.protocol !== "file:";
const DEFAULT_ADDRESS = "ws://127.0.0.1:8000";

// Accepts what people type: "host:8000", "http://host", "ws://host/".
function tidyAddress(typed) {
  const address = typed.trim().replace(/\/+$/, "").replace(/^http/i, "ws");
  return address && !/^wss?:/i.test(address) ? "ws://" + address : address || DEFAULT_ADDRESS;
}

function isAddress(address) {
  try {
    const { protocol, hostname, search, hash } = new URL(address);
    return /^wss?:$/.test(protocol) && !hostname.includes("%") && !search && !hash; // some browsers escape a space
  } catch {
    return false;
  }
}

// The desk's address is relative to the page, so that a proxy may serve the desk under a path: the sockets of /support/
// are in /support/ws/.
function ownAddress() {
  const { protocol, host, pathname } = new URL(".", location.href);
  return protocol.replace("http", "ws") + "//" + host + pathname.replace(/\/$/, "");
}

// `?ws=` in the link takes precedence over what is stored.
function chosenAddress() {
  const linked = new URLSearchParams(location.search).get("ws");
  return tidyAddress(linked ?? store.kept.get("address", isAddress, ""));
}

const deskAddress = isServed ? ownAddress() : chosenAddress();

// Reloads the page, so that nothing from one desk stays in memory for another.
function switchTo(address) {
  if (address === deskAddress) return;
  store.kept.set("address", address);
  location.replace("?ws=" + encodeURIComponent(address));
}
