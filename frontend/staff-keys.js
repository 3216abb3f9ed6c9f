// staff-keys.js: everything by keyboard: single keys with their help, ready replies on "/", desktop notifications.
"use strict";

const press = (id) => () => byId(id).getClientRects().length && byId(id).click();

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
  t: ["transfer", press("transfer")],
  r: ["release", press("release")],
  c: ["close-chat", press("close-chat")],
  d: ["dismiss", press("dismiss")],
  o: ["key-o", () => desk.setOnline(!desk.online)],
  "?": ["key-?", () => byId("help").showModal()],
};

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
  if (document.body.dataset.view !== "desk" || document.querySelector("dialog[open]")) return;
  if (event.key === "Escape") return leaveField(event.target);
  if (event.target.id === "text" && event.key === "/" && !event.target.value && !event.target.readOnly) {
    event.preventDefault();
    return canned.open();
  }
  // While somebody writes, a letter is a letter.
  if (event.target.matches("input, textarea, select") || !hasShortcuts()) return;
  const known = KEYS[event.key.toLowerCase()];
  if (!known) return;
  event.preventDefault();
  const [, act] = known;
  act();
}

// Out of a field, to where single keys work; from there, on a phone, back to the lists.
function leaveField(target) {
  if (target.id === "text") byId("log").focus();
  else if (target.id === "search") target.blur();
  else setRegion("chats");
}

function drawHelp() {
  const row = (key, text) => make("div", {}, make("dt", {}, make("kbd", {}, key)), make("dd", {}, t(text)));
  const rows = Object.entries(KEYS).map(([key, [text]]) => row(key, text));
  byId("help-keys").replaceChildren(...rows, row("Esc", "key-Esc"));
}

// ---- Ready replies: this browser's own

const canned = {
  list: () => store.kept.get("canned", isListOfTexts) ?? [t("canned-1"), t("canned-2"), t("canned-3")],

  start() {
    onClick("open-canned", () => this.open());
    onClick("canned-done", () => byId("canned").close());
    byId("canned-filter").addEventListener("input", () => this.draw());
    byId("canned-filter").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      byId("canned-list").querySelector("[data-canned]")?.click();
    });
    byId("canned-form").addEventListener("submit", (event) => this.add(event));
  },

  open() {
    if (!chats.shown || chats.composer.locked) return;
    byId("canned-filter").value = "";
    this.draw();
    byId("canned").showModal();
    byId("canned-filter").focus();
  },

  draw() {
    const wanted = byId("canned-filter").value.trim().toLowerCase();
    const rows = this.list().filter((text) => text.toLowerCase().includes(wanted)).map((text) => this.row(text));
    byId("canned-list").replaceChildren(...rows);
    byId("canned-empty").hidden = rows.length > 0;
  },

  row(text) {
    const use = button(text, { class: "use", "data-canned": "" }, () => this.use(text));
    const label = `${t("canned-remove")}: ${text}`;
    const remove = button("×", { class: "icon", "data-canned-remove": "", "aria-label": label }, () =>
      this.keep(this.list().filter((other) => other !== text)),
    );
    return make("li", {}, use, remove);
  },

  use(text) {
    byId("canned").close();
    const field = byId("text");
    field.focus();
    field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
    chats.composer.changed();
  },

  add(event) {
    event.preventDefault();
    const text = byId("canned-new").value.trim();
    if (text && !this.list().includes(text)) this.keep([...this.list(), text]);
    byId("canned-new").value = "";
  },

  keep(list) {
    store.kept.set("canned", list);
    this.draw();
  },
};

// ---- Desktop notifications: asked for on a click only, shown only while the page is not looked at

const notices = {
  start() {
    onClick("notify", async () => {
      if (window.Notification) await Notification.requestPermission();
      this.draw();
    });
    this.draw();
  },

  draw() {
    const permission = window.Notification?.permission ?? "missing";
    byId("notify").disabled = permission !== "default";
    setText(byId("notify-state"), t("notify-" + permission));
  },

  show(title, body, ticketId) {
    alerts.call();
    if (!document.hidden || window.Notification?.permission !== "granted") return;
    try {
      const notice = new Notification(title, { body, tag: "deskwire." + ticketId });
      notice.onclick = () => {
        window.focus();
        if (chats.all.get(ticketId)?.open) chats.show(ticketId);
      };
    } catch {} // some phones know the name and refuse the use
  },
};
