// embedded.js: the user's page in a frame of another site: the messages between it and widget.js on that site.
"use strict";

const isEmbedded = window.parent !== window;
let isShown = true; // whether the site shows the frame

// The desk's policy says which sites may embed this page. The messages to them hold no secrets: a number, or "close".
const tellEmbedder = (message) => window.parent.postMessage(message, "*");

// The page that the widget is on, for staff to see.
function embeddingPage() {
  const page = isEmbedded && new URLSearchParams(location.hash.slice(1)).get("page");
  return page ? page.slice(0, 300) : undefined;
}

// In a frame, the focus may be on the other site, where the reader is typing.
const mayTakeFocus = () => !isEmbedded || document.hasFocus();

if (isEmbedded) {
  alerts.isHidden = () => document.hidden || !isShown;
  alerts.onCount = (count) => tellEmbedder({ deskwire: "unread", count });
  document.addEventListener("keydown", ({ key, defaultPrevented }) => {
    const isFree = !defaultPrevented && !document.querySelector("dialog[open]");
    if (key === "Escape" && isFree) tellEmbedder({ deskwire: "close" });
  });
  window.addEventListener("message", ({ source, data }) => {
    if (source !== window.parent) return;
    if (data?.deskwire === "hidden") isShown = false;
    if (data?.deskwire === "shown") isShown = true;
    if (alerts.isHidden()) return;
    alerts.setCount(0);
    chat?.sendReceipt();
    focusStart();
  });
}
