// user.js: the user's page: asks for help, shows the place in the queue, and chats.
"use strict";

const SUBJECT_MAX = 200; // characters
const NEXT_FOCUS = ["log", "subject"]; // get the focus when its element is gone
const RECAP_CODES = new Set(["no_ticket", "staff_offline"]); // a recap is refused with these, a ticket never is

const isOptional = (value, isValid) => value === undefined || isValid(value);
const isStoredUser = (value) =>
  isId(value?.id) && isOptional(value.session, isSecret) && isOptional(value.name, isText) && isOptional(value.isShared, isBoolean);

const saved = resumed();
let user = saved.user;
let asking = store.tab.get("asking", isText); // the subject of a ticket that was asked for and is not there yet
let askRefusal = null; // the code of the desk's refusal; we ask again
let isClosing = false; // asked the desk to close the ticket, and it is not closed yet
// The Conversation, with state ("waiting", "active", "paused", "closed") and staff (who, or null).
let chat = null;
let staffIsBack = false; // reconnected, but has not picked the ticket again
let deskOnline = null;
let queue = null;
let showsForm = false; // shows the form for another ticket in place of the closed one

i18n.start();

const log = new Log({
  log: byId("log"),
  newButton: byId("new-messages"),
  onRetry: (entry) => chat.retry(entry),
  onRemove: (entry) => chat.remove(entry),
});
const composer = new Composer({
  onSend: (text) => chat.send(text),
  onTyping: (active) => wire.send({ type: "typing", active }),
  onDraft: (text) => chat.keepDraft(text),
});
const typingIndicator = new TypingIndicator(byId("typing"));
const wire = new Wire({
  target: () => ({ url: `${deskAddress}/ws/user/${user.id}`, secret: user.session }),
  onFrame: (frame) => frames[frame.type]?.(frame),
  onState: connectionChanged,
});
// `desk_full` lasts until others close their tickets, the limit on new tickets for some seconds.
const askAgain = {
  rate_limited: new Backoff(sendAsking, 1000, 10000),
  desk_full: new Backoff(sendAsking, 15000, 60000),
};
const closeAgain = new Backoff(() => wire.send({ type: "close_ticket" }), 1000, 10000);
const host = {
  canSend: () => wire.state === "open" && chat.state === "active",
  onScreen: () => !alerts.isHidden() && chat.state !== "closed",
  transmit: (frame) => wire.send(frame),
  appended: (entry, isFirstUnread) => log.append(entry, isFirstUnread),
  changed: (entry) => log.update(entry),
  removed: (entry) => log.remove(entry),
  holdChanged: () => draw(),
  save: keepAll,
};

// ---- Frames of the desk

const frames = {
  welcome(frame) {
    setDeskClock(frame.now);
    deskOnline = frame.desk_online;
    user.session = frame.session;
    keepAll();
    if (frame.ticket) resumeTicket(frame.ticket);
    else if (chat && chat.state !== "closed") ticketEnded(frame);
    if (!frame.ticket) sendAsking();
    draw();
  },

  desk(frame) {
    deskOnline = frame.online;
    draw();
  },

  ticket_created(frame) {
    startChat(frame.ticket_id, frame.subject, "waiting", frame.at);
    draw();
    byId("log").focus();
  },

  queue(frame) {
    const hasMoved = queue?.position !== frame.position;
    queue = frame;
    draw();
    if (hasMoved) announceNews("queue", byId("queue-place").textContent);
  },

  staff_joined: (frame) => staffChanged("active", "joined", frame),
  staff_reconnected: (frame) => staffChanged("active", "reconnected", frame),
  staff_offline: (frame) => staffChanged("paused", "offline", frame),
  staff_online: (frame) => staffChanged("paused", "online", frame),
  staff_left: (frame) => staffChanged("waiting", "left", frame),

  message(frame) {
    if (frame.ticket_id !== chat?.ticketId) return;
    typingIndicator.set("");
    if (chat.receive(frame)) alerts.notify();
  },
  ack: (frame) => chat?.acknowledged(frame),
  delivered: (frame) => chat?.confirmed(frame.seq),
  typing: (frame) => typingIndicator.set(frame.active ? t("typing", { name: chat?.staffName ?? "" }) : ""),

  ticket_closed(frame) {
    if (frame.ticket_id === chat?.ticketId) closeChat("closed", frame.by, frame.at);
  },

  error(frame) {
    if (frame.id) return chat?.refused(frame);
    if (frame.ticket_id && chat?.score) return ratingRefused(frame.code); // after its end only a rating is sent
    if (frame.code === "unread_limit") return recapAgain.wait();
    // The frame does not say what was refused: everything that it may concern is sent again.
    if (frame.code === "rate_limited") chat?.receiptRefused();
    if (frame.code === "rate_limited" && isClosing) closeAgain.wait();
    if (!asking || RECAP_CODES.has(frame.code)) return;
    if (frame.code in askAgain) askLater(frame.code);
    else {
      setAsking(null);
      setError(byId("subject"), tOr("why-" + frame.code, "why-other"));
    }
    draw();
  },

  pong: (frame) => setDeskClock(frame.now),
};

function staffChanged(state, what, { staff_id, staff_name, at }) {
  chat.state = state;
  setStaff(staff_id, staff_name);
  staffIsBack = what === "online";
  queue = null;
  typingIndicator.set("");
  chat.addLine(what, { name: chat.staffName }, at);
  if (state === "active") sendRecap();
  chat.sendNext();
  if (state === "active") alerts.notify();
  draw();
  if (state === "active" && mayTakeFocus()) focusStart();
}

// Shows the name, or the id of somebody without one.
function setStaff(id, name) {
  if (!id) return;
  chat.staff = id;
  chat.staffName = visibleOr(name, id);
}

// Connected again and the ticket is still open: shows what has changed, then sends what is queued.
function resumeTicket(ticket) {
  setAsking(null);
  const isPicked = ticket.state === "active" && (chat?.state !== "active" || chat.staff !== ticket.staff_id);
  if (chat?.ticketId !== ticket.ticket_id) {
    startChat(ticket.ticket_id, ticket.subject, ticket.state, ticket.created_at);
  } else if (ticket.state !== chat.state || (ticket.staff_id ?? chat.staff) !== chat.staff) {
    const what = { waiting: "left", paused: "offline", active: "joined" }[ticket.state];
    chat.addLine(what, { name: visibleOr(ticket.staff_name, ticket.staff_id) ?? chat.staffName });
  }
  chat.state = ticket.state;
  setStaff(ticket.staff_id, ticket.staff_name);
  staffIsBack = false;
  queue = null;
  if (chat.wasDisconnected) chat.addLine("back");
  chat.wasDisconnected = chat.wasElsewhere = false;
  chat.resume(ticket);
  if (isPicked) sendRecap();
  chat.sendReceipt();
}

function closeChat(what, by, at) {
  setClosing(false);
  chat.state = "closed";
  chat.canBeRated = !["restarted", "gone"].includes(what) && Boolean(chat.staff);
  chat.addLine(what, { by: t("by-" + by) }, at);
  chat.close();
  typingIndicator.set("");
  draw();
}

function connectionChanged(state, reason, before) {
  setClosing(false);
  setAsking(asking); // asks again after the next welcome
  if (before === "open" && chat) {
    const elsewhere = reason === "elsewhere";
    typingIndicator.set("");
    chat.disconnected();
    chat.wasDisconnected = !elsewhere;
    chat.wasElsewhere = elsewhere;
    if (chat.state !== "closed") chat.addLine(elsewhere ? "elsewhere" : "lost");
  }
  draw();
}

// ---- Actions of the user

// What was not sent in the last chat is the draft of the next.
function startChat(ticketId, subject, state, at) {
  endNow();
  chat = new Conversation(host, { ticketId, subject, state, staff: null, staffName: null, draft: unsentText() });
  openChat();
  chat.addLine("created", { ticket: ticketId, subject }, at);
  setAsking(null);
}

function unsentText() {
  const failed = chat ? chat.entries.filter((entry) => entry.state === "failed") : [];
  return [...failed.map((entry) => entry.text), chat?.draft].filter(Boolean).join("\n");
}

function openChat() {
  log.show(chat.entries, chat.confirmedSeq);
  composer.set(chat.draft);
  showsForm = false;
}

function setAsking(subject) {
  asking = subject;
  askRefusal = null;
  Object.values(askAgain).forEach((backoff) => backoff.reset());
  store.tab.set("asking", subject);
}

function sendAsking() {
  if (!asking) return;
  wire.send({ type: "create_ticket", subject: asking, name: user.name || undefined, page: embeddingPage() });
}

function askLater(code) {
  askRefusal = code;
  askAgain[code].wait();
}

function setClosing(isWanted) {
  isClosing = isWanted;
  closeAgain.reset();
}

function ask(event) {
  event.preventDefault();
  const subject = wellFormed(byId("subject").value).trim();
  const problem = !isVisible(subject) ? "subject-empty" : lengthOf(subject) > SUBJECT_MAX ? "subject-long" : null;
  setError(byId("subject"), problem ? t(problem) : "");
  if (problem) return byId("subject").focus();
  user.name = tidyName(byId("name").value);
  user.isShared = byId("shared").checked;
  keepAll();
  setAsking(subject);
  sendAsking();
  draw();
}

function showForm(wanted) {
  showsForm = wanted;
  byId("ask-form").reset();
  fillForm();
  draw();
  byId(wanted ? "subject" : "log").focus();
}

function fillForm() {
  byId("subject").value = asking ?? "";
  byId("name").value = user.name ?? "";
  byId("shared").checked = Boolean(user.isShared);
}

// Gives the focus to where the reader writes.
function focusStart() {
  byId(document.body.dataset.view === "ask" ? "subject" : "text").focus();
}

function startFresh() {
  user = { id: newId(), name: user.name, isShared: user.isShared };
  keepAll();
  wire.start();
}

byId("ask-form").addEventListener("submit", ask);
onClick("use-here", () => {
  takeOver();
  wire.start();
});
onClick("try-now", () => wire.checkNow());
onClick("start-fresh", startFresh);
onClick("close-ticket", () =>
  confirmClose(() => {
    setClosing(true);
    wire.send({ type: "close_ticket" });
  }),
);
onClick("ask-now", () => askAgain[askRefusal]?.now());
onClick("cancel-ask", () => {
  setAsking(null);
  draw();
  byId("subject").focus();
});
onClick("new-ticket", () => showForm(true));
onClick("back-to-chat", () => showForm(false));
onClick("copy-ticket", ({ target }) => {
  getSelection().selectAllChildren(byId("ticket-id")); // it can be copied by key where scripts have no clipboard
  navigator.clipboard?.writeText(chat.ticketId).then(
    () => {
      setText(target, t("copied"));
      announce(t("copied"));
    },
    () => {},
  );
});
onClick("save-transcript", () => log.save(chat));
document.addEventListener("visibilitychange", () => chat?.sendReceipt());

// ---- Drawing: everything follows from the state above

function draw() {
  keepFocus();
  const asksNow = !chat || showsForm;
  document.body.dataset.view = asksNow ? "ask" : "chat";
  byId("ask").hidden = !asksNow;
  byId("chat").hidden = asksNow;
  drawConnection();
  if (asksNow) drawAsk();
  else drawChat();
}

function drawAsk() {
  byId("desk-state").hidden = wire.state !== "open";
  setText(byId("desk-state"), t(deskOnline ? "desk-online" : "desk-offline"));
  byId("desk-state").dataset.online = deskOnline;
  const asks = asking !== null;
  byId("create").disabled = byId("subject").readOnly = byId("name").readOnly = asks;
  const why = askRefusal ?? (wire.state === "open" ? null : "lost");
  byId("asking").hidden = !asks || !why;
  byId("ask-now").hidden = !askRefusal;
  setText(byId("asking-text"), asks && why ? t("asking-" + why) : "");
  byId("back-to-chat").hidden = !chat;
  byId("draft-note").hidden = !unsentText();
}

function drawChat() {
  const waits = chat.state === "waiting" && queue && wire.state === "open";
  byId("chat").dataset.ticketState = chat.state;
  setText(byId("chat-subject"), chat.subject);
  setText(byId("ticket-id"), chat.ticketId);
  byId("close-ticket").hidden = chat.state === "closed";
  byId("close-ticket").disabled = wire.state !== "open";
  byId("ended").hidden = chat.state !== "closed";
  drawRating();
  byId("composer").hidden = chat.state === "closed" && !chat.draft;
  byId("queue").hidden = !waits;
  if (waits) drawQueue();
  const code = lockCode();
  composer.lock(code, code && tOr("lock-" + code, "status-" + wire.state, { name: chat.staffName }));
  drawHold(code ? null : chat.heldBy, chat.staffName);
}

function drawQueue() {
  const { position, waiting, wait_s } = queue;
  const wait = wait_s === null ? "" : t("wait", { time: duration(wait_s) });
  const place = position > 1 ? "place" : deskOnline ? "place-next" : "place-first";
  setText(byId("queue-place"), t(place, { count: position }));
  const expected = deskOnline ? wait : place === "place-first" ? "" : t("wait-nobody");
  setText(byId("queue-wait"), `${t("waiting", { count: waiting })} ${expected}`);
}

function lockCode() {
  if (chat.state === "closed") return "closed";
  if (wire.state === "stopped") return wire.reason; // elsewhere, not-yours, bad-address
  if (wire.state !== "open") return wire.state === "connecting" ? "connecting" : "lost";
  if (chat.state === "paused") return staffIsBack ? "staff-back" : "staff-offline";
  if (chat.state === "waiting") return "waiting";
  return null;
}

// ---- Start

startSettings(() => {
  if (chat) log.show(chat.entries, chat.confirmedSeq);
  draw();
});
fillForm();
if (saved.chat) {
  chat = new Conversation(host, saved.chat);
  openChat();
  showsForm = asking !== null && chat.state === "closed";
}
draw();
if (!chat || showsForm) focusStart();
wire.start();
