// elements.js: makes and fills elements. Texts from peers only ever become text nodes.
"use strict";

const byId = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function button(text, attributes, action) {
  const element = make("button", { type: "button", ...attributes }, text);
  element.addEventListener("click", action);
  return element;
}

const onClick = (id, action) => byId(id).addEventListener("click", action);

// Makes these the rows of a list. Rows that stay are moved only where they have to be, so that the focus stays as well.
function placeRows(list, rows) {
  const shown = new Set(rows);
  for (const row of [...list.children]) if (!shown.has(row)) row.remove();
  rows.forEach((row, index) => {
    if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
  });
}

// Has the browser save a file.
function saveFile(name, type, text) {
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type })), download: name });
  link.click();
}

// Changes the text only where it differs, so that a live region is read out once.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Shows an error under its field: announced (role=alert) and tied to it.
function setError(field, text) {
  setText(byId(field.id + "-error"), text);
  if (text) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

// Has a text read out by screen readers, once.
function announce(text) {
  setText(byId("alert"), "");
  setTimeout(() => setText(byId("alert"), text), 50);
}

// Has news read out when nothing else is, no more often than this: of several about one thing the newest.
const NEWS_MS = 5000;
let newsTimer = null;
let newsAt = 0;
const news = new Map();
function announceNews(about, text) {
  news.set(about, text);
  newsTimer ??= setTimeout(() => {
    newsTimer = null;
    newsAt = Date.now();
    byId("news").textContent = [...news.values()].join("\n"); // even if it is the same: it has happened again
    news.clear();
  }, Math.max(50, NEWS_MS - elapsedMs(newsAt)));
}

// A second click at one place is meant for what was there a moment ago: a double click, or a list that has just moved.
// What has taken that place ignores it.
const SETTLE_MS = 500;
const SAME_PLACE_PX = 12;
let lastClick = null;
document.addEventListener(
  "click",
  (event) => {
    if (!event.detail) return; // a click by key is meant for what has the focus
    const { clientX: x, clientY: y, timeStamp: at, target } = event;
    const control = target.closest("label")?.control ?? target.closest("button, a, input, select, textarea");
    const isNear = lastClick && at - lastClick.at < SETTLE_MS && Math.hypot(x - lastClick.x, y - lastClick.y) < SAME_PLACE_PX;
    if (isNear && control !== lastClick.control && control?.matches("button, a")) {
      event.preventDefault();
      event.stopImmediatePropagation();
    } else {
      lastClick = { x, y, at, control };
    }
  },
  true,
);

// What has the focus, or had it until it was hidden, disabled, moved or removed. The reader has not left it then.
let focused = null;
const canHaveFocus = (element) => element?.isConnected && element.checkVisibility() && !element.disabled;
document.addEventListener("focusin", ({ target }) => (focused = target));
document.addEventListener(
  "click",
  () => (focused = document.activeElement === document.body ? null : document.activeElement), // a click beside leaves it
  true,
);

// If the next frame takes the focus away from what has it, gives it back, or to the first of these that can have it, or of
// the page's own NEXT_FOCUS.
let focusFrame = null;
let firstFocus = [];
function keepFocus(...ids) {
  firstFocus.push(...ids);
  focusFrame ??= requestAnimationFrame(() => {
    focusFrame = null;
    const candidates = [focused, ...[...firstFocus, ...NEXT_FOCUS].map(byId)];
    firstFocus = [];
    const { activeElement } = document;
    const isLost = activeElement === document.body || !canHaveFocus(activeElement);
    const isElsewhere = window.parent !== window && !document.hasFocus(); // on the site around this frame
    if (focused && isLost && !isElsewhere) candidates.find(canHaveFocus)?.focus();
  });
}
document.addEventListener("close", () => keepFocus(), true); // of a dialog whose opener is gone
