// user.js: the visitor's page: asks for help, shows the place in the queue, chats, and tells the truth about both.
"use strict";

const SUBJECT_MAX = 200; // characters
const ENDED_LINE_MS = 300;

const isOptional = (value, isValid) => value === undefined || isValid(value);
const isVisitor = (value) => isId(value?.id) && isOptional(value.session, isSecret) && isOptional(value.name, isText);

let visitor = store.tab.get("visitor", isVisitor) ?? { id: idFromName("") };
let asking = store.tab.get("asking", isText); // the subject of a ticket asked for and not got yet
let askRefused = null; // why the desk does not take that ticket now; we ask again
let closing = false; // the end was asked for and has not come yet
let chat = null; // the Conversation, with state ("waiting", "active", "paused", "closed") and staff (who, or null)
let staffIsBack = false; // reconnected, but has not picked the ticket again
let deskOnline = null;
let queue = null;
let wantsNew = false; // looks at the form for another ticket

i18n.start();

const log = new Log({
  log: byId("log"),
  newButton: byId("new-messages"),
  onRetry: (entry) => chat.retry(entry),
  onRemove: (entry) => chat.remove(entry),
});
const composer = new Composer({
  onSend: (text) => chat.say(text),
  onTyping: (active) => wire.send({ type: "typing", active }),
  onDraft: (text) => {
    chat.draft = text;
    host.save();
  },
});
const typingSign = new TypingSign(byId("typing"));
const wire = new Wire({
  target: () => ({ url: `${deskAddress}/ws/user/${visitor.id}`, secret: visitor.session }),
  onFrame: (frame) => frames[frame.type]?.(frame),
  onState: connectionChanged,
});
// `desk_full` lasts as long as others keep their tickets; the limit on new tickets ends after seconds.
const askAgain = {
  rate_limited: new Backoff(sendAsking, 1000, 10000),
  desk_full: new Backoff(sendAsking, 15000, 60000),
};
const closeAgain = new Backoff(() => wire.send({ type: "close_ticket" }), 1000, 10000);
const host = {
  canSend: () => wire.state === "open" && chat.state === "active",
  onScreen: () => !document.hidden && chat.state !== "closed",
  transmit: (frame) => wire.send(frame),
  appended: (entry) => log.append(entry),
  changed: (entry) => log.update(entry),
  removed: (entry) => log.remove(entry),
  holdChanged: () => draw(),
  save: () => store.tab.set("chat", chat),
};

// ---- What the desk says

const frames = {
  welcome(frame) {
    setDeskClock(frame.now);
    deskOnline = frame.desk_online;
    visitor.session = frame.session;
    store.tab.set("visitor", visitor);
    if (frame.ticket) resumeTicket(frame.ticket);
    else if (chat && chat.state !== "closed") ticketIsGone(frame);
    if (!frame.ticket) sendAsking();
    draw();
  },

  desk(frame) {
    deskOnline = frame.online;
    draw();
  },

  ticket_created(frame) {
    startChat(frame.ticket_id, frame.subject, "waiting");
    chat.note("created", { ticket: frame.ticket_id }, frame.at);
    draw();
    byId("log").focus();
  },

  queue(frame) {
    queue = frame;
    draw();
  },

  staff_joined: (frame) => staffLine("active", "joined", frame),
  staff_reconnected: (frame) => staffLine("active", "reconnected", frame),
  staff_offline: (frame) => staffLine("paused", "offline", frame),
  staff_online: (frame) => staffLine("paused", "online", frame),
  staff_left: (frame) => staffLine("waiting", "left", frame),

  message(frame) {
    if (frame.ticket_id !== chat?.ticketId) return;
    typingSign.set("");
    if (chat.hear(frame)) alerts.call();
  },
  ack: (frame) => chat?.acknowledged(frame),
  delivered: (frame) => chat?.delivered(frame.seq),
  typing: (frame) => typingSign.set(frame.active ? t("typing", { name: chat?.staff ?? "" }) : ""),

  ticket_closed(frame) {
    if (frame.ticket_id === chat?.ticketId) closeChat("closed", frame.by, frame.at);
  },

  error(frame) {
    if (frame.id) return chat?.refused(frame);
    // It does not say what was refused: what it can have been is sent again.
    if (frame.code === "rate_limited") chat?.receiptRefused();
    if (frame.code === "rate_limited" && closing) closeAgain.wait();
    if (!asking) return;
    if (frame.code in askAgain) askLater(frame.code);
    else {
      setAsking(null);
      setError(byId("subject"), tOr("why-" + frame.code, "why-other"));
    }
    draw();
  },

  pong: (frame) => setDeskClock(frame.now),
};

function staffLine(state, what, { staff_id, at }) {
  chat.state = state;
  chat.staff = staff_id;
  staffIsBack = what === "online";
  queue = null;
  typingSign.set("");
  chat.note(what, { name: staff_id }, at);
  chat.pump();
  if (state === "active") alerts.call();
  draw();
}

// Connected again with the ticket still open: says what changed meanwhile, then sends what waited.
function resumeTicket(ticket) {
  setAsking(null);
  if (chat?.ticketId !== ticket.ticket_id) {
    startChat(ticket.ticket_id, ticket.subject, ticket.state);
    chat.note("created", { ticket: ticket.ticket_id }, ticket.created_at);
  } else if (ticket.state !== chat.state || (ticket.staff_id ?? chat.staff) !== chat.staff) {
    const what = { waiting: "left", paused: "offline", active: "joined" }[ticket.state];
    chat.note(what, { name: ticket.staff_id ?? chat.staff });
  }
  chat.state = ticket.state;
  chat.staff = ticket.staff_id ?? chat.staff;
  staffIsBack = false;
  queue = null;
  if (chat.wasCut) chat.note("back");
  chat.wasCut = false;
  chat.resume(ticket);
  chat.confirm();
}

function ticketIsGone({ ended }) {
  if (ended?.ticket_id !== chat.ticketId) return closeChat("restarted");
  // What we had missed follows this welcome, so the line that ends it waits a moment.
  chat.state = "closed";
  setTimeout(() => closeChat("ended", ended.by, ended.at), ENDED_LINE_MS);
}

function closeChat(what, by, at) {
  setClosing(false);
  chat.state = "closed";
  chat.note(what, { by: t("by-" + by) }, at);
  chat.end();
  typingSign.set("");
  draw();
}

function connectionChanged(state, reason, before) {
  setClosing(false);
  setAsking(asking); // the next welcome asks
  if (before === "open" && chat) {
    const elsewhere = reason === "elsewhere";
    typingSign.set("");
    if (elsewhere) chat.doubt();
    chat.cut();
    chat.wasCut = !elsewhere;
    if (chat.state !== "closed") chat.note(elsewhere ? "elsewhere" : "lost");
  }
  draw();
}

// ---- What the visitor does

// What was not sent in the last chat is the draft of the next.
function startChat(ticketId, subject, state) {
  chat = new Conversation(host, { ticketId, subject, state, staff: null, draft: unsentText() });
  openChat();
  setAsking(null);
}

function unsentText() {
  const failed = chat ? chat.entries.filter((entry) => entry.state === "failed") : [];
  return [...failed.map((entry) => entry.text), chat?.draft].filter(Boolean).join("\n");
}

function openChat() {
  log.show(chat.entries);
  composer.set(chat.draft);
  wantsNew = false;
}

function setAsking(subject) {
  asking = subject;
  askRefused = null;
  Object.values(askAgain).forEach((backoff) => backoff.reset());
  store.tab.set("asking", subject);
}

function sendAsking() {
  if (asking) wire.send({ type: "create_ticket", subject: asking });
}

function askLater(code) {
  askRefused = code;
  askAgain[code].wait();
}

function setClosing(isWanted) {
  closing = isWanted;
  closeAgain.reset();
}

function ask(event) {
  event.preventDefault();
  const subject = wellFormed(byId("subject").value).trim();
  const problem = !subject ? "subject-empty" : lengthOf(subject) > SUBJECT_MAX ? "subject-long" : null;
  setError(byId("subject"), problem ? t(problem) : "");
  if (problem) return byId("subject").focus();
  setAsking(subject);
  const name = byId("name").value.trim();
  // A visitor is known to the desk by an id in the address, so a new name is a new connection.
  if (name && name !== visitor.name) becomeVisitor(name);
  else sendAsking();
  draw();
}

function lookAtForm(wanted) {
  wantsNew = wanted;
  byId("ask-form").reset();
  draw();
  byId(wanted ? "subject" : "log").focus();
}

function becomeVisitor(name) {
  visitor = { id: idFromName(name), name };
  store.tab.set("visitor", visitor);
  wire.start();
}

byId("ask-form").addEventListener("submit", ask);
onClick("use-here", () => wire.start());
onClick("try-now", () => wire.nudge());
onClick("start-fresh", () => becomeVisitor(visitor.name ?? ""));
startConfirmClose(() => {
  setClosing(true);
  wire.send({ type: "close_ticket" });
});
onClick("ask-now", () => askAgain[askRefused]?.now());
onClick("cancel-ask", () => {
  setAsking(null);
  draw();
  byId("subject").focus();
});
onClick("new-ticket", () => lookAtForm(true));
onClick("back-to-chat", () => lookAtForm(false));
onClick("copy-ticket", ({ target }) => {
  getSelection().selectAllChildren(byId("ticket-id")); // for the keyboard, where there is no clipboard
  navigator.clipboard?.writeText(chat.ticketId).then(
    () => {
      setText(target, t("copied"));
      announce(t("copied"));
    },
    () => {},
  );
});
onClick("save-transcript", () => {
  const said = chat.entries.filter((entry) => entry.state !== "failed"); // the other side never saw those
  const lines = said.map((entry) => {
    const text = entry.kind === "message" ? `${entry.sender ?? t("you")}: ${entry.text}` : log.lineText(entry);
    return `${dayName(entry.at)} ${clockTime(entry.at)}  ${text}`;
  });
  const text = `${chat.subject}\n${t("ticket")} ${chat.ticketId}\n\n${lines.join("\n")}\n`;
  const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "text/plain" })) });
  link.download = `ticket-${chat.ticketId}.txt`;
  link.click();
});
document.addEventListener("visibilitychange", () => chat?.confirm());

// ---- What is seen: everything follows from the state above

function draw() {
  const asksNow = !chat || wantsNew;
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
  const why = askRefused ?? (wire.state === "retrying" || wire.state === "stopped" ? "lost" : null);
  byId("asking").hidden = !asks || !why;
  byId("ask-now").hidden = !askRefused;
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
  byId("composer").hidden = chat.state === "closed" && !chat.draft;
  byId("queue").hidden = !waits;
  if (waits) drawQueue();
  const code = lockCode();
  composer.lock(code, code && tOr("lock-" + code, "status-" + wire.state, { name: chat.staff }));
  drawHold(code ? null : chat.heldBy, chat.staff);
}

function drawQueue() {
  const { position, waiting, wait_s } = queue;
  const wait = wait_s === null ? "" : t("wait", { time: duration(wait_s) });
  setText(byId("queue-place"), t(position === 1 ? "place-next" : "place", { count: position }));
  setText(byId("queue-wait"), `${t("waiting", { count: waiting })} ${deskOnline ? wait : t("wait-nobody")}`);
}

function lockCode() {
  if (chat.state === "closed") return "closed";
  if (wire.state === "stopped") return wire.reason; // "elsewhere", "not-yours", "bad-address"
  if (wire.state !== "open") return wire.state === "connecting" ? "connecting" : "lost";
  if (chat.state === "paused") return staffIsBack ? "staff-back" : "staff-offline";
  if (chat.state === "waiting") return "waiting";
  return null;
}

// ---- Start

startSettings(() => {
  if (chat) log.show(chat.entries);
  draw();
});
byId("subject").value = asking ?? "";
const saved = store.tab.get("chat", isChat);
if (saved) {
  chat = new Conversation(host, saved);
  openChat();
}
draw();
wire.start();
