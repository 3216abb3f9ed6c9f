// staff-keys.js: single keys for every action, and their help.
"use strict";

// Only what can be seen is pressed, or what a small screen has behind a button that can be seen.
const press = (id) => () => {
  const element = byId(id);
  const place = element.closest("[popover]")?.parentElement ?? element;
  if (!element.hidden && place.getClientRects().length) element.click();
};

// Each key with the name of the text that the help shows, and with what it does.
const KEYS = {
  n: ["key-n", press("pick-next")],
  j: ["key-j", () => chats.step(1)],
  k: ["key-k", () => chats.step(-1)],
  u: ["key-u", () => chats.nextUnread()],
  m: ["write-message", () => byId("text").focus()],
  "/": ["canned", () => canned.open()],
  s: ["search", () => openSearch()],
  p: ["key-p", press("pick-again")],
  a: ["key-a", press("pick-mine")],
  t: ["transfer", press("transfer")],
  r: ["release", press("release")],
  c: ["close-ticket", press("close-ticket")],
  d: ["dismiss", press("dismiss")],
  o: ["key-o", () => (desk.online ? desk.askOffline() : desk.setOnline(true))],
  "?": ["key-?", () => byId("help").showModal()],
};

// Whether the actions that a small screen has behind a button are open.
const hasMenu = () => CSS.supports("selector(:popover-open)") && byId("chat-actions").matches(":popover-open");

function openSearch() {
  setRegion("board");
  byId("search").focus();
}

function startKeys() {
  document.addEventListener("keydown", pressed);
  const shortcuts = byId("shortcuts");
  shortcuts.checked = hasShortcuts();
  shortcuts.addEventListener("change", () => store.kept.set("shortcuts", shortcuts.checked));
  onClick("open-help", () => byId("help").showModal());
  drawHelp();
}

const hasShortcuts = () => store.kept.get("shortcuts", isBoolean, true);

function pressed(event) {
  if (event.isComposing || event.ctrlKey || event.metaKey || event.altKey) return;
  // Single keys do nothing while the reader is typing. This is asked first, so that typing costs next to nothing.
  const isTyping = event.target.matches("input, textarea, select");
  if (isTyping && event.key !== "Escape" && event.key !== "/") return;
  if (document.body.dataset.view !== "desk" || document.querySelector("dialog[open]") || hasMenu()) return;
  if (event.key === "Escape") return leaveField(event.target);
  if (event.target.id === "text" && event.key === "/" && !event.target.value && !event.target.readOnly) {
    event.preventDefault();
    return canned.open();
  }
  if (isTyping || !hasShortcuts()) return;
  const known = KEYS[event.key.toLowerCase()];
  if (!known) return;
  event.preventDefault();
  const [, act] = known;
  act();
}

// Leaves a field, so that single keys work. Outside of a field, on a phone: back to the lists.
function leaveField(target) {
  if (target.id === "text") byId("log").focus();
  else if (target.id === "search") byId("tickets").focus();
  else setRegion("chats");
}

function drawHelp() {
  const row = (key, text) => make("div", {}, make("dt", {}, make("kbd", {}, key)), make("dd", {}, t(text)));
  const rows = Object.entries(KEYS).map(([key, [text]]) => row(key, text));
  byId("help-keys").replaceChildren(...rows, row("Esc", "key-Esc"));
}
