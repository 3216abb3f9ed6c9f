// staff.js: the console: signs in, keeps the board and the chats as the desk tells them, and draws what follows.
"use strict";

const SAID_MS = 6000;
const ACT_AGAIN_MS = 1000; // an action that was too fast for the desk is repeated once
const PRESENCE = ""; // in `asked`, in place of a ticket's id

const isSignedIn = (value) => isId(value?.id) && isSecret(value.token);

const desk = {
  me: "",
  token: "",
  online: false,
  wantsOnline: false, // was online when the line broke, so goes online again by itself
  maxChats: 0,
  assign: "manual",
  toCome: 0, // tickets that still follow the welcome
  welcomedAt: 0,
  asked: new Map(), // by ticket_id: the action that we wait for, so that a refusal can be told in words

  act(type, ticketId, more = {}) {
    this.ask(ticketId, { type, ticket_id: ticketId, ...more });
  },

  setOnline(online) {
    this.wantsOnline = online;
    this.ask(PRESENCE, { type: online ? "go_online" : "go_offline" });
  },

  ask(key, frame) {
    setText(byId("problem"), "");
    this.asked.set(key, { type: frame.type, frame, isRepeated: false });
    wire.send(frame);
  },

  // Once, and only if the answer has not come meanwhile.
  askAgain(key, asked) {
    asked.isRepeated = true;
    setTimeout(() => this.asked.get(key) === asked && wire.send(asked.frame), ACT_AGAIN_MS);
  },

  say(key, values) {
    clearTimeout(this.saidTimer);
    setText(byId("said"), t(key, values));
    this.saidTimer = setTimeout(() => setText(byId("said"), ""), SAID_MS);
  },
};

i18n.start();

const wire = new Wire({
  target: () => ({ url: `${deskAddress}/ws/staff/${desk.me}`, secret: desk.token }),
  onFrame: (frame) => frames[frame.type]?.(frame),
  onState: connectionChanged,
});

// ---- What the desk says

const frames = {
  welcome(frame) {
    setDeskClock(frame.now);
    store.tab.set("staff", { id: desk.me, token: desk.token });
    desk.online = frame.online;
    desk.maxChats = frame.max_chats;
    desk.assign = frame.assign;
    desk.toCome = frame.more;
    desk.welcomedAt = frame.now;
    board.tickets = new Map(frame.tickets.map((ticket) => [ticket.ticket_id, ticket]));
    board.colleagues = new Set(frame.staff.filter((id) => id !== desk.me));
    for (const chat of chats.opened()) connectedAgain(chat);
    if (!desk.toCome) forgetTheGone();
    if (desk.wantsOnline) desk.setOnline(true);
    draw();
  },

  presence(frame) {
    takeAsked(PRESENCE);
    if (desk.online && !frame.online) chats.opened().forEach((chat) => closeOffline(chat));
    desk.online = frame.online;
    desk.wantsOnline = frame.online;
    desk.say(frame.online ? "said-online" : "said-offline");
    draw();
  },

  colleague(frame) {
    if (frame.online) board.colleagues.add(frame.staff_id);
    else board.colleagues.delete(frame.staff_id);
    board.changed();
  },

  ticket_added({ ticket }) {
    const late = desk.toCome > 0 && ticket.created_at <= desk.welcomedAt;
    board.tickets.set(ticket.ticket_id, ticket);
    board.changed();
    if (late && (desk.toCome -= 1) === 0) forgetTheGone();
    if (late || !desk.online || ticket.state !== "waiting") return;
    notices.show(t("notify-ticket"), ticket.subject, ticket.ticket_id);
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
    // Also one that was released or transferred just now: what came of it in between is not told.
    else if (chat && chat.state !== "closed") endChat(chat, "ended");
  },

  ticket_picked(frame) {
    const asked = takeAsked(frame.ticket_id)?.type === "pick_ticket";
    const chat = chats.all.get(frame.ticket_id) ?? chats.add({ ticketId: frame.ticket_id });
    Object.assign(chat, { subject: frame.subject, user: frame.user_id, state: "active", open: true });
    noteHowItCame(chat, frame);
    chat.resume(frame);
    if (asked || !chats.shown) chats.show(chat.ticketId, asked);
    if (!asked) notices.show(byId("said").textContent, frame.subject, chat.ticketId);
    draw();
  },

  ticket_closed(frame) {
    takeAsked(frame.ticket_id, "close_ticket");
    const chat = chats.all.get(frame.ticket_id);
    if (!chat?.open) return;
    endChat(chat, "closed", { by: t("by-" + frame.by) }, frame.at);
    if (chat === chats.shown && frame.by === "staff") byId("dismiss").focus();
  },

  message(frame) {
    const chat = chats.all.get(frame.ticket_id);
    if (!chat || !chat.hear(frame)) return;
    const seen = chat === chats.shown && chats.isSeen();
    if (chat === chats.shown) chats.typing.set("");
    if (!seen) chat.unread = (chat.unread ?? 0) + 1;
    if (!seen) notices.show(t("notify-message", { name: chat.user }), chat.subject, chat.ticketId);
    chat.host.save();
    chats.drawList();
  },

  ack: (frame) => chats.all.get(frame.ticket_id)?.acknowledged(frame),
  delivered: (frame) => chats.all.get(frame.ticket_id)?.delivered(frame.seq),

  typing(frame) {
    if (chats.shown?.ticketId !== frame.ticket_id) return;
    chats.typing.set(frame.active ? t("typing", { name: chats.shown.user }) : "");
  },

  error(frame) {
    const chat = chats.all.get(frame.ticket_id);
    if (frame.id && chat) return chat.refused(frame);
    const key = frame.ticket_id ?? PRESENCE;
    const asked = desk.asked.get(key);
    if (frame.code === "rate_limited") {
      chat?.receiptRefused(); // that may have been it
      if (asked && !asked.isRepeated) return desk.askAgain(key, asked);
    }
    if (!asked) return; // what we did not ask for by a click is not a problem
    takeAsked(key);
    setText(byId("problem"), t("problem-" + asked.type, { why: tOr("why-" + frame.code, "why-other") }));
    draw();
  },

  pong: (frame) => setDeskClock(frame.now),
};

function takeAsked(ticketId, type) {
  const asked = desk.asked.get(ticketId);
  if (!asked || (type && asked.type !== type)) return null;
  desk.asked.delete(ticketId);
  return asked;
}

function noteHowItCame(chat, { at, auto, from_staff, note, ticket_id }) {
  const name = from_staff;
  const how = from_staff ? "transferred" : auto ? "auto" : "joined";
  chat.note(how, { name }, at);
  if (note) chat.note("note", { name, note }, at);
  desk.say("said-" + (how === "joined" ? "picked" : how), { name, ticket: ticket_id });
}

// A new connection starts offline: what was open is paused now, unless somebody else has picked it meanwhile.
function connectedAgain(chat) {
  if (chat.state === "active") {
    chat.state = "repick";
    chat.note("back");
  }
  const ticket = board.tickets.get(chat.ticketId);
  if (ticket) ticketChanged(chat, ticket, ticket);
}

function ticketChanged(chat, ticket, before) {
  if (chat.state === "closed") return;
  const others = ticket.staff_id !== desk.me;
  if (ticket.state === "active" && others) return handedOn(chat, ticket.staff_id);
  if (ticket.state === "waiting" && takeAsked(ticket.ticket_id, "release_ticket")) return leaveChat(chat, "said-released");
  if (ticket.state !== "active") {
    chat.state = "repick";
    if (others && ticket.staff_id) chat.doubt(); // somebody else had it in between
  }
  if (before && before.user_online !== ticket.user_online && chat.state === "active") {
    if (chat === chats.shown) chats.typing.set("");
    chat.note(ticket.user_online ? "online" : "offline");
  }
  chat.pump();
  chats.draw();
}

function handedOn(chat, name) {
  chat.doubt();
  const asked = takeAsked(chat.ticketId)?.type;
  if (asked === "transfer_ticket") byId("transfer-note").value = ""; // until then it is kept, for another try
  if (asked === "transfer_ticket" || asked === "release_ticket") return leaveChat(chat, "said-handed", name);
  if (chat.state !== "taken") chat.note("taken", { name });
  chat.state = "taken";
  chats.draw();
}

function leaveChat(chat, said, name) {
  desk.say(said, { ticket: chat.ticketId, name });
  chat.note("left");
  chat.state = "repick";
  chats.leave(chat);
}

// Going offline takes the chats off the screen; their tickets stay in the list, paused.
function closeOffline(chat) {
  if (chat.state === "active") chat.state = "repick";
  chat.cut();
  chats.leave(chat);
}

function endChat(chat, what, values, at) {
  chat.state = "closed";
  chat.note(what, values, at);
  chat.end();
  if (chat === chats.shown) chats.typing.set("");
  chats.draw();
}

// The whole board is here: a kept chat that is not on it was closed while we were away.
function forgetTheGone() {
  for (const chat of [...chats.all.values()].filter((chat) => !board.tickets.has(chat.ticketId))) {
    if (!chat.open) chats.forget(chat);
    else if (chat.state !== "closed") endChat(chat, "ended");
  }
}

function connectionChanged(state, reason, before) {
  if (before === "open") {
    desk.online = false;
    desk.asked.clear();
    chats.typing.set("");
    if (state === "stopped") desk.wantsOnline = false;
    for (const chat of chats.opened()) {
      if (reason === "elsewhere") chat.doubt();
      chat.cut();
      if (chat.state === "active" && reason) chat.note(reason === "elsewhere" ? "elsewhere" : "lost");
    }
  }
  if (reason === "refused") refused();
  draw();
}

// ---- Signing in and out

function takeFragment() {
  const token = /[#&]token=([^&]+)/.exec(location.hash)?.[1];
  if (!token) return false;
  byId("token").value = token;
  // Out of the address bar and the history: it is as good as a password.
  history.replaceState(null, "", location.pathname + location.search);
  byId("staff-id").focus();
  return true;
}

function signIn(event) {
  event.preventDefault();
  const id = byId("staff-id").value.trim();
  const token = byId("token").value.trim();
  const tokenProblem = !token ? "token-empty" : isSecret(token) ? null : "token-bad";
  setError(byId("staff-id"), isId(id) ? "" : t("staff-id-bad"));
  setError(byId("token"), tokenProblem ? t(tokenProblem) : "");
  const wrong = document.querySelector("#sign-in-form [aria-invalid]");
  if (wrong) return wrong.focus();
  Object.assign(desk, { me: id, token });
  wire.start();
}

function refused() {
  store.tab.set("staff", null);
  byId("staff-id").value = desk.me;
  desk.me = "";
  draw();
  setError(byId("token"), t("token-refused"));
  byId("token").focus();
}

function signOut() {
  wire.stop();
  for (const chat of [...chats.all.values()]) chats.forget(chat);
  chats.show(null);
  store.tab.set("staff", null);
  Object.assign(desk, { me: "", token: "", online: false, wantsOnline: false });
  board.tickets.clear();
  byId("token").value = "";
  draw();
  byId("staff-id").focus();
}

// ---- What is seen

// On a phone one region is shown at a time; where there is room, all are.
function setRegion(region) {
  document.body.dataset.region = region;
  byId("show-board").setAttribute("aria-pressed", region === "board");
  byId("show-chats").setAttribute("aria-pressed", region === "chats");
  chats.read();
}

function draw() {
  // Signed in is who was welcomed once; from then on a lost connection leaves everything where it is.
  const signedIn = Boolean(desk.me && store.tab.get("staff", isSignedIn));
  document.body.dataset.view = signedIn ? "desk" : "sign-in";
  byId("sign-in-view").hidden = signedIn;
  byId("desk").hidden = !signedIn;
  for (const element of document.querySelectorAll(".desk-only")) element.hidden = !signedIn;
  drawConnection();
  setText(byId("sign-in-address"), isServed ? "" : t("signs-in-at", { address: deskAddress }));
  byId("status").hidden = !signedIn && wire.state === "stopped"; // before signing in, that is as it should be
  if (!signedIn) return;
  setText(byId("who"), desk.me);
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
onClick("go-offline", () => desk.setOnline(false));
onClick("use-here", () => wire.start());
onClick("try-now", () => wire.nudge());
onClick("show-board", () => setRegion("board"));
onClick("show-chats", () => setRegion("chats"));
window.addEventListener("hashchange", takeFragment);

board.start();
chats.start();
canned.start();
notices.start();
startKeys();
startSettings(() => {
  if (chats.shown) chats.log.show(chats.shown.entries);
  drawHelp();
  notices.draw();
  draw();
});
const signedIn = store.tab.get("staff", isSignedIn);
if (!takeFragment() && signedIn) Object.assign(desk, { me: signedIn.id, token: signedIn.token });
chats.show(store.tab.get("shown", isText));
setRegion("board");
draw();
if (desk.me) wire.start();
else byId(byId("staff-id").value ? "token" : "staff-id").focus();
