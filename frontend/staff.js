// staff.js: the staff's page: signs in, handles the frames of the desk, and draws the page.
"use strict";

const REPORT_MS = 6000;
const REPEAT_MS = 1000; // an action that was too fast for the desk is repeated once
const OFFLINE = ["confirm-offline", "confirm-offline-note", "go-offline", "cancel"];
const NEXT_FOCUS = ["log", "pick-next", "tickets", "show-chats", "staff-id"]; // get the focus when its element is gone
const PRESENCE = ""; // the key in `pending` of an action that concerns no ticket

const isSignedIn = (value) => isId(value?.id) && isSecret(value.token) && isText(value.name ?? "");

const desk = {
  me: "",
  token: "",
  name: "", // as users see it, unless the staff file has another
  shownName: "", // the one that users see
  online: false,
  wantsOnline: store.tab.get("online", isBoolean, false), // goes online again by itself
  maxChats: 0,
  assign: "manual",
  remaining: 0, // tickets that still follow the welcome
  welcomedAt: 0,
  pending: new Map(), // by ticket_id: the action that has no answer yet, so that a refusal can name it

  act(type, ticketId, more = {}, note = {}) {
    this.ask(ticketId, { type, ticket_id: ticketId, ...more }, note);
  },

  // Going offline pauses our chats for their users.
  askOffline() {
    const count = chats.activeCount();
    if (count) confirmFirst(OFFLINE, () => this.setOnline(false), { count });
    else this.setOnline(false);
  },

  setOnline(online) {
    this.setWantsOnline(online);
    const name = online && this.name ? { name: this.name } : {};
    this.ask(PRESENCE, { type: online ? "go_online" : "go_offline", ...name });
  },

  // After a lost connection or a reload we come back as we were.
  setWantsOnline(wanted) {
    this.wantsOnline = wanted;
    store.tab.set("online", wanted);
  },

  ask(key, frame, note) {
    setText(byId("problem"), "");
    this.pending.set(key, { type: frame.type, frame, isRepeated: false, ...note });
    wire.send(frame);
  },

  // Repeats an action once, unless its answer has come in the meantime.
  repeat(key, pending) {
    pending.isRepeated = true;
    setTimeout(() => this.pending.get(key) === pending && wire.send(pending.frame), REPEAT_MS);
  },

  report(key, values) {
    clearTimeout(this.reportTimer);
    setText(byId("outcome"), t(key, values));
    this.reportTimer = setTimeout(() => setText(byId("outcome"), ""), REPORT_MS);
  },
};

i18n.start();

const wire = new Wire({
  target: () => ({ url: `${deskAddress}/ws/staff/${desk.me}`, secret: desk.token }),
  onFrame: (frame) => frames[frame.type]?.(frame),
  onState: connectionChanged,
});

// ---- Frames of the desk

const frames = {
  welcome(frame) {
    const wasSignedOut = document.body.dataset.view === "sign-in";
    setDeskClock(frame.now);
    store.tab.set("staff", { id: desk.me, token: desk.token, name: desk.name });
    desk.shownName = frame.staff_name ?? (desk.name || desk.me);
    desk.online = frame.online;
    desk.maxChats = frame.max_chats;
    desk.assign = frame.assign;
    desk.remaining = frame.more;
    desk.welcomedAt = frame.now;
    board.tickets = new Map(frame.tickets.map((ticket) => [ticket.ticket_id, ticket]));
    const colleagues = frame.colleagues ?? frame.staff.map((staff_id) => ({ staff_id }));
    const others = colleagues.filter(({ staff_id }) => staff_id !== desk.me);
    board.colleagues = new Map(others.map(({ staff_id, staff_name }) => [staff_id, visibleOr(staff_name, staff_id)]));
    for (const chat of chats.opened()) reconnected(chat);
    if (!desk.remaining) closeMissing();
    if (desk.wantsOnline) desk.setOnline(true);
    if (wasSignedOut) keepFocus("go-online");
    draw();
  },

  presence(frame) {
    takePending(PRESENCE);
    const paused = chats.activeCount();
    if (desk.online && !frame.online) chats.opened().forEach((chat) => pauseOffline(chat));
    desk.online = frame.online;
    desk.setWantsOnline(frame.online);
    desk.report(frame.online ? "outcome-online" : paused ? "outcome-paused" : "outcome-offline");
    keepFocus("go-online", "pick-next", "go-offline");
    draw();
  },

  colleague(frame) {
    if (frame.online) board.colleagues.set(frame.staff_id, visibleOr(frame.staff_name, frame.staff_id));
    else board.colleagues.delete(frame.staff_id);
    board.changed();
  },

  ticket_added({ ticket }) {
    const late = desk.remaining > 0 && ticket.created_at <= desk.welcomedAt;
    board.tickets.set(ticket.ticket_id, ticket);
    board.changed();
    const chat = chats.all.get(ticket.ticket_id);
    if (late && chat?.open) reconnected(chat);
    if (late && (desk.remaining -= 1) === 0) closeMissing();
    if (late || !desk.online || ticket.state !== "waiting") return;
    announceNews("tickets", `${t("notify-ticket")}: ${ticket.subject}`);
    notifications.show(t("notify-ticket"), ticket.subject, ticket.ticket_id);
  },

  ticket_updated({ ticket }) {
    const before = board.tickets.get(ticket.ticket_id);
    board.tickets.set(ticket.ticket_id, ticket);
    board.changed();
    const chat = chats.all.get(ticket.ticket_id);
    if (chat?.open) ticketChanged(chat, ticket, before);
  },

  ticket_removed({ ticket_id }) {
    board.tickets.delete(ticket_id);
    board.changed();
    const chat = chats.all.get(ticket_id);
    if (chat && !chat.open) chats.forget(chat);
    // This includes a ticket that we have just released or transferred: the desk does not say what came of it.
    else if (chat && chat.state !== "closed") chatClosed(chat, "ended");
  },

  ticket_picked(frame) {
    const pending = takePending(frame.ticket_id);
    const isOurPick = pending?.type === "pick_ticket";
    const chat = chats.all.get(frame.ticket_id) ?? chats.add({ ticketId: frame.ticket_id });
    const { user_id: userId, page } = frame;
    const [subject, user] = [visibleOr(frame.subject, frame.ticket_id), visibleOr(frame.user_name, userId)];
    const askedAt = board.tickets.get(frame.ticket_id)?.created_at ?? frame.at;
    Object.assign(chat, { subject, user, userId, page, askedAt, state: "active", open: true, pickedAt: frame.at });
    addAssignmentLines(chat, frame);
    chat.resume(frame);
    const isShown = chat === chats.shown || !chats.shown;
    if (isShown || (isOurPick && !pending.isOneOfMany)) chats.show(chat.ticketId, isOurPick);
    if (!isOurPick) notifications.show(byId("outcome").textContent, frame.subject, chat.ticketId);
    draw();
  },

  ticket_closed(frame) {
    takePending(frame.ticket_id, "close_ticket");
    const chat = chats.all.get(frame.ticket_id);
    if (!chat?.open) return;
    chatClosed(chat, "closed", { by: t("by-" + frame.by) }, frame.at);
    if (chat === chats.shown && frame.by === "staff") byId("dismiss").focus();
  },

  recap(frame) {
    const chat = chats.all.get(frame.ticket_id);
    if (chat?.open) addRecap(chat, frame.lines);
  },

  rated({ ticket_id, score }) {
    const chat = chats.all.get(ticket_id);
    if (chat?.open) chat.addLine("rated", { name: chat.user, score });
    desk.report("outcome-rated", { ticket: ticket_id, score });
  },

  message(frame) {
    const chat = chats.all.get(frame.ticket_id);
    if (!chat || !chat.receive(frame)) return;
    const seen = chat === chats.shown && chats.isSeen();
    if (chat === chats.shown) chats.typingIndicator.set("");
    if (!seen) chat.unread = (chat.unread ?? 0) + 1;
    if (!seen) announceNews(chat.ticketId, t("notify-message", { name: chat.user }));
    if (!seen) notifications.show(t("notify-message", { name: chat.user }), chat.subject, chat.ticketId);
    chat.host.save();
    chats.drawList();
  },

  ack: (frame) => chats.all.get(frame.ticket_id)?.acknowledged(frame),
  delivered: (frame) => chats.all.get(frame.ticket_id)?.confirmed(frame.seq),

  typing(frame) {
    if (chats.shown?.ticketId !== frame.ticket_id) return;
    chats.typingIndicator.set(frame.active ? t("typing", { name: chats.shown.user }) : "");
  },

  error(frame) {
    const chat = chats.all.get(frame.ticket_id);
    if (frame.id && chat) return chat.refused(frame);
    const key = frame.ticket_id ?? PRESENCE;
    const pending = desk.pending.get(key);
    if (frame.code === "rate_limited") {
      chat?.receiptRefused(); // it may have been a receipt that was refused
      if (pending && !pending.isRepeated) return desk.repeat(key, pending);
    }
    if (!pending) return; // the reader did not ask for it
    takePending(key);
    setText(byId("problem"), problemOf(pending, frame.code));
    draw();
  },

  pong: (frame) => setDeskClock(frame.now),
};

function connectionChanged(state, reason, before) {
  if (before === "open") {
    desk.online = false;
    desk.pending.clear();
    chats.typingIndicator.set("");
    if (state === "stopped") desk.setWantsOnline(false);
    for (const chat of chats.all.values()) {
      chat.disconnected();
      if (chat.open && chat.state === "active" && reason) chat.addLine(reason === "elsewhere" ? "elsewhere" : "lost");
    }
  }
  if (reason === "refused") refused();
  draw();
}

// ---- Drawing

// A phone shows one region at a time, a wide screen all of them.
function setRegion(region) {
  document.body.dataset.region = region;
  byId("show-board").setAttribute("aria-pressed", region === "board");
  byId("show-chats").setAttribute("aria-pressed", region === "chats");
  chats.read();
  drawPrimary();
}

// One action is the first; the others are quiet.
const ACTIONS = ["use-here", "go-online", "pick-again", "send", "pick-mine", "pick-next"];

// What can be seen is known when a frame is drawn. Asked for earlier, it would cost a layout of its own.
let primaryFrame = null;
function drawPrimary() {
  primaryFrame ??= requestAnimationFrame(() => {
    primaryFrame = null;
    const first = ACTIONS.map(byId).find((element) => element.checkVisibility() && !element.disabled);
    for (const id of ACTIONS) byId(id).classList.toggle("primary", byId(id) === first);
  });
}

function draw() {
  keepFocus();
  // Staff are signed in after the first welcome. From then on a lost connection leaves everything on the screen.
  const signedIn = Boolean(desk.me && store.tab.get("staff", isSignedIn));
  document.body.dataset.view = signedIn ? "desk" : "sign-in";
  byId("sign-in-view").hidden = signedIn;
  byId("desk").hidden = !signedIn;
  for (const element of document.querySelectorAll(".desk-only")) element.hidden = !signedIn;
  drawConnection();
  setText(byId("sign-in-address"), isServed ? "" : t("signs-in-at", { address: deskAddress }));
  byId("status").hidden = !signedIn && wire.state === "stopped"; // before signing in there is no connection to speak of
  if (!signedIn) return;
  setText(byId("who"), desk.shownName);
  byId("who").title = desk.me;
  setText(byId("presence-text"), t(desk.online ? "presence-online" : "presence-offline"));
  byId("presence").dataset.online = desk.online;
  byId("go-online").hidden = desk.online;
  byId("go-offline").hidden = !desk.online;
  byId("go-online").disabled = wire.state !== "open";
  board.draw();
  chats.draw();
}

// ---- Start

byId("sign-in-form").addEventListener("submit", signIn);
onClick("sign-out", signOut);
onClick("go-online", () => desk.setOnline(true));
onClick("go-offline", () => desk.askOffline());
onClick("use-here", () => wire.start());
onClick("try-now", () => wire.checkNow());
onClick("show-board", () => setRegion("board"));
onClick("show-chats", () => setRegion("chats"));
window.addEventListener("hashchange", takeTokenFromLink);
window.addEventListener("resize", () => keepFocus()); // a region may have no room any more

board.start();
chats.start();
canned.start();
notifications.start();
startKeys();
startSettings(() => {
  chats.drawLog();
  drawHelp();
  notifications.draw();
  draw();
});
const signedIn = store.tab.get("staff", isSignedIn);
if (!takeTokenFromLink() && signedIn) Object.assign(desk, { me: signedIn.id, token: signedIn.token, name: signedIn.name ?? "" });
chats.show(store.tab.get("shown", isText));
setRegion("board");
draw();
if (desk.me) wire.start();
else byId(byId("staff-id").value ? "token" : "staff-id").focus();
