// staff-chats.js: our own chats: the list with its unread counts, and the conversation that is shown.
"use strict";

const NOTE_MAX = 500; // characters
const ENTRIES_DRAWN_MAX = 300; // of a chat, when it is shown
const LAST_LINE_MAX = 200; // characters in the list of chats; a line there has room for fewer
const RELEASE = ["confirm-release", "confirm-release-note", "release", "cancel"];

// A chat is a Conversation with user (id), state, open (on the screen) and unread. Its state is "active" (yours),
// "repick" (paused: pick it again), "taken" (somebody else has it) or "closed".
const chats = {
  all: new Map(), // by ticket_id; a chat that is not open is kept until its ticket is picked again or closed
  stored: new Map(), // by ticket_id, and so are the rows
  rows: new Map(),
  shown: null,

  start() {
    this.log = new Log({
      log: byId("log"),
      newButton: byId("new-messages"),
      onRetry: (entry) => this.shown.retry(entry),
      onRemove: (entry) => this.shown.remove(entry),
    });
    this.composer = new Composer({
      onSend: (text) => {
        this.shown.send(text);
        this.drawList();
      },
      onTyping: (active) => wire.send({ type: "typing", ticket_id: this.shown.ticketId, active }),
      onDraft: (text) => this.shown?.keepDraft(text),
    });
    this.typingIndicator = new TypingIndicator(byId("typing"));
    for (const id of store.tab.get("chats", isListOfTexts, [])) {
      const saved = this.storedChat(id).load();
      if (saved?.ticketId === id) this.add(saved);
    }
    this.startActions();
    if (matchMedia("(pointer: coarse)").matches) byId("text").dataset.hint = "write-message"; // no keys, and little room
    document.addEventListener("visibilitychange", () => this.read());
  },

  // ---- The chats

  add(saved) {
    const chat = new Conversation(this.hostOf(saved.ticketId), saved);
    this.all.set(chat.ticketId, chat);
    return chat;
  },

  hostOf(id) {
    const shown = () => this.shown?.ticketId === id;
    return {
      canSend: () => this.lockCode(this.all.get(id)) === null,
      onScreen: () => shown() && this.isSeen() && this.all.get(id).state === "active",
      transmit: (frame) => wire.send(frame),
      appended: (entry, isFirstUnread) => shown() && this.log.append(entry, isFirstUnread),
      changed: (entry) => shown() && this.log.update(entry),
      removed: (entry) => shown() && this.log.remove(entry),
      holdChanged: () => shown() && this.drawConversation(),
      save: () => this.all.has(id) && this.storedChat(id).save(this.all.get(id)),
    };
  },

  storedChat(id) {
    if (!this.stored.has(id)) this.stored.set(id, new StoredChat(store.tab, "chat." + id));
    return this.stored.get(id);
  },

  // The user who has waited longest for an answer comes first, then the others in the order in which we got them.
  opened() {
    const open = [...this.all.values()].filter((chat) => chat.open);
    return open.sort((a, b) => unansweredSince(a) - unansweredSince(b) || 0);
  },

  activeCount() {
    return this.opened().filter((chat) => chat.state === "active").length;
  },

  // Takes a chat off the screen. Its text stays until its ticket is closed.
  leave(chat) {
    const list = this.opened();
    const place = list.indexOf(chat);
    const isReadHere = byId("conversation").contains(document.activeElement);
    chat.open = false;
    chat.unread = 0;
    chat.host.save();
    if (!board.tickets.has(chat.ticketId)) this.forget(chat);
    if (this.shown === chat) this.show((list[place + 1] ?? list[place - 1])?.ticketId ?? null);
    if (isReadHere && this.shown) byId("log").focus(); // not on a button that is now the next chat's
    this.draw();
  },

  forget(chat) {
    chat.stopSavingDraft();
    this.all.delete(chat.ticketId);
    this.storedChat(chat.ticketId).remove();
    this.stored.delete(chat.ticketId);
  },

  // ---- The chat that is shown

  show(ticketId, focus = false) {
    const chat = this.all.get(ticketId);
    if (chat !== this.shown) {
      this.composer.stopTyping(); // in the chat that was shown
      this.shown = chat?.open ? chat : null;
      this.typingIndicator.set("");
      this.drawLog();
      this.composer.set(this.shown?.draft ?? "");
      store.tab.set("shown", this.shown?.ticketId ?? null);
    }
    setRegion(this.shown ? "conversation" : document.body.dataset.region === "board" ? "board" : "chats");
    this.draw();
    this.read();
    if (this.shown) this.log.scrollToUnread();
    if (focus && this.shown) byId("text").focus();
  },

  // Draws the chat from its last entries on, and from what is unread on: those before them come on demand.
  drawLog(drawnMax = ENTRIES_DRAWN_MAX) {
    if (!this.shown) return;
    const { entries, confirmedSeq, subject, user, userId, askedAt } = this.shown;
    const firstUnread = entries.findIndex(({ from, seq }) => from === "them" && seq > confirmedSeq);
    const first = Math.max(0, Math.min(entries.length - drawnMax, firstUnread < 0 ? Infinity : firstUnread));
    const asked = { subject, sender: user, senderId: userId, at: askedAt ?? entries[0]?.at ?? deskNow() };
    this.log.show(entries.slice(first), confirmedSeq, first ? null : asked);
    if (first) this.offerEarlier(entries.length - first + ENTRIES_DRAWN_MAX);
  },

  // A button in place of what is not drawn. The reader stays at the line that they have reached.
  offerEarlier(drawnMax) {
    const { log, list } = this.log;
    const more = button(t("show-earlier"), { class: "small" }, () => {
      const toEnd = log.scrollHeight - log.scrollTop;
      this.drawLog(drawnMax);
      log.scrollTop = log.scrollHeight - toEnd;
      log.focus();
    });
    list.prepend(make("li", { class: "system", "data-kind": "earlier" }, more));
    this.log.scrollToUnread();
  },

  isSeen() {
    return !document.hidden && byId("conversation").getClientRects().length > 0;
  },

  // Only what is on the screen counts as read.
  read() {
    if (!this.shown || !this.isSeen()) return;
    this.shown.unread = 0;
    this.shown.sendReceipt();
    this.drawList();
  },

  step(by) {
    const list = this.opened();
    if (list.length) this.show(list[(list.indexOf(this.shown) + by + list.length) % list.length].ticketId);
  },

  nextUnread() {
    const next = this.opened().find((chat) => chat.unread && chat !== this.shown);
    if (next) this.show(next.ticketId);
  },

  // ---- Actions

  startActions() {
    const on = (id, action) => byId(id).addEventListener("click", () => this.shown && action(this.shown));
    on("pick-again", (chat) => board.pick(chat.ticketId));
    on("release", ({ ticketId }) => confirmFirst(RELEASE, () => desk.act("release_ticket", ticketId)));
    on("close-ticket", ({ ticketId }) => confirmClose(() => desk.act("close_ticket", ticketId)));
    on("transfer", () => this.askTransfer());
    on("save-transcript", (chat) => this.log.save(chat));
    on("dismiss", (chat) => this.leave(chat));
    onClick("back", () => setRegion("chats"));
    // On a small screen they are in a popover. It closes first, so that the focus has somewhere to come back to.
    byId("chat-actions").addEventListener("click", ({ currentTarget }) => currentTarget.hidePopover?.(), true);
    onClick("pick-mine", () => this.pickMine());
    byId("transfer-form").addEventListener("submit", (event) => this.transfer(event));
  },

  // Our paused tickets, the oldest first, as far as there is room for them.
  mine() {
    const mine = [...board.tickets.values()].filter((ticket) => ticket.state === "paused" && ticket.staff_id === desk.me);
    const room = Math.max(0, desk.maxChats - this.activeCount());
    return mine.sort((a, b) => a.created_at - b.created_at).slice(0, room);
  },

  pickMine() {
    for (const ticket of this.mine()) desk.act("pick_ticket", ticket.ticket_id, {}, { isOneOfMany: true });
  },

  askTransfer() {
    const colleagues = board.sortedColleagues();
    const load = (id) => Math.max(0, board.loadOf(id));
    colleagues.sort(([a], [b]) => load(a) - load(b));
    const text = (id, name) =>
      t(load(id) < desk.maxChats ? "transfer-room" : "transfer-full", { name, count: load(id), max: desk.maxChats });
    byId("transfer-to").replaceChildren(
      ...colleagues.map(([id, name]) => make("option", { value: id, title: id }, text(id, name))),
    );
    byId("transfer-none").hidden = colleagues.length > 0;
    byId("transfer-fields").hidden = byId("transfer-send").hidden = !colleagues.length;
    byId("transfer-dialog").showModal();
  },

  transfer(event) {
    if (event.submitter?.value !== "send") return;
    const note = wellFormed(byId("transfer-note").value.trim());
    const fits = lengthOf(note) <= NOTE_MAX;
    setError(byId("transfer-note"), fits ? "" : t("note-long"));
    if (!fits) return event.preventDefault();
    desk.act("transfer_ticket", this.shown.ticketId, { to: byId("transfer-to").value, note });
  },

  // ---- Drawing

  draw() {
    keepFocus();
    this.drawList();
    this.drawConversation();
    store.tab.set("chats", [...this.all.keys()]);
  },

  drawList() {
    const list = this.opened();
    const unread = list.reduce((sum, chat) => sum + (chat.unread ?? 0), 0);
    const focused = document.activeElement?.closest?.("[data-chat]")?.dataset.chat;
    const rows = new Map(list.map((chat) => [chat.ticketId, this.listRow(chat)]));
    placeRows(byId("chat-list"), [...rows.values()]);
    this.rows = rows;
    if (focused && !document.activeElement.closest("[data-chat]")) rows.get(focused)?.querySelector("button").focus();
    const mine = this.mine().length;
    byId("pick-mine").hidden = !mine || !desk.online;
    setText(byId("pick-mine"), t("pick-mine", { count: mine }));
    byId("chats-empty").hidden = list.length > 0;
    setText(byId("chats-room"), t("chats-room", { count: this.activeCount(), max: desk.maxChats }));
    setText(byId("chats-count"), unread ? String(unread) : "");
  },

  // Returns the row that is there, if nothing of it has changed.
  listRow(chat) {
    const last = chat.entries.findLast((entry) => entry.kind === "message");
    const said = last ? (last.from === "me" ? `${t("you")}: ${last.text}` : last.text) : chat.subject;
    const seen = { current: chat === this.shown, said: said.slice(0, LAST_LINE_MAX), age: last ? shortAge(last.at) : "" };
    const drawn = JSON.stringify([seen, i18n.language, chat.state, chat.unread, chat.user, chat.subject]);
    const row = this.rows.get(chat.ticketId);
    return row?.drawn === drawn ? row : Object.assign(this.makeListRow(chat, seen), { drawn });
  },

  makeListRow(chat, { current, said, age }) {
    const choose = make(
      "button",
      { type: "button", class: "row", "aria-current": current ? "true" : null, title: chat.subject },
      avatar(chat.user, chat.userId),
      make("bdi", { class: "subject", title: chat.userId ?? null }, chat.user),
      " ",
      make("span", { class: "age" }, age),
      " ",
      make("span", { class: "last-line", dir: "auto" }, said),
    );
    if (chat.state !== "active") choose.append(" ", make("span", { class: "badge" }, t("chat-" + chat.state)));
    if (chat.unread) {
      // Screen readers are given the number in words.
      choose.append(
        make("span", { class: "count", "data-unread": "", "aria-hidden": "true" }, String(chat.unread)),
        make("span", { class: "unseen" }, t("unread", { count: chat.unread })),
      );
    }
    choose.addEventListener("click", () => this.show(chat.ticketId));
    return make("li", { "data-chat": chat.ticketId, "data-state": chat.state, "data-current": current ? "" : null }, choose);
  },

  drawConversation() {
    this.drawShown();
    drawPrimary();
  },

  drawShown() {
    const chat = this.shown;
    byId("conversation-empty").hidden = Boolean(chat);
    byId("chat").hidden = !chat;
    if (!chat) return;
    const active = chat.state === "active";
    const userOnline = this.userOnline(chat);
    byId("chat").dataset.ticket = chat.ticketId;
    byId("chat").dataset.chatState = chat.state;
    setText(byId("chat-subject"), chat.subject);
    setText(byId("chat-user"), chat.user);
    byId("chat-user").title = chat.userId ?? "";
    byId("chat-subject").title = chat.subject; // it may be cut
    setText(byId("chat-user-state"), chat.state === "closed" ? "" : t(userOnline ? "here" : "away"));
    setText(byId("ticket-id"), chat.ticketId);
    byId("chat-page").replaceChildren(...piecesOf(chat.page ?? ""));
    for (const id of ["transfer", "release", "close-ticket"]) {
      byId(id).hidden = !active;
      byId(id).disabled = wire.state !== "open";
    }
    byId("pick-again").hidden = chat.state !== "repick";
    byId("pick-again").disabled = !desk.online || wire.state !== "open";
    byId("dismiss").hidden = active;
    const code = this.lockCode(chat);
    this.composer.lock(code, code && tOr("lock-" + code, "line-" + code, { name: staffOf(board.tickets.get(chat.ticketId)) }));
    drawHold(code ? null : chat.heldBy, chat.user);
  },

  userOnline: (chat) => board.tickets.get(chat.ticketId)?.user_online ?? true,

  lockCode(chat) {
    if (chat.state === "closed") return "closed";
    if (wire.state !== "open") return wire.reason === "elsewhere" ? "elsewhere" : "lost";
    if (chat.state !== "active") return chat.state;
    return this.userOnline(chat) ? null : "user-offline";
  },
};

// Since when the user has had no answer, from us or from a colleague before us; without an end if they have one.
function unansweredSince({ state, entries }) {
  if (state === "closed" || state === "taken") return Infinity;
  const answered = entries.findLastIndex(({ from }) => from === "me" || from === "colleague");
  return entries.slice(answered + 1).find((entry) => entry.from === "them")?.at ?? Infinity;
}
