// embedded.js: the user's page in a frame of another site (widget.js): what it tells that site, and what it asks.
"use strict";

const isEmbedded = window.parent !== window;
let isShown = true; // whether the site shows the frame

// The policy of the desk says which sites may embed this page. What they are sent is no secret: a number, or to close.
const tellEmbedder = (message) => window.parent.postMessage(message, "*");

// The page that the widget stands on, for staff to see.
function embeddingPage() {
  const page = isEmbedded && new URLSearchParams(location.hash.slice(1)).get("page");
  return page ? page.slice(0, 300) : undefined;
}

// In a frame, the focus may be on the other site, where its reader is writing.
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
