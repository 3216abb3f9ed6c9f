// staff-changes.js: how changes of tickets at the desk change our chats.
"use strict";

// A refusal says whom it concerns.
function problemOf({ type, frame }, code) {
  const isTheirs = type === "transfer_ticket" && code === "at_capacity";
  const why = tOr("why-" + (isTheirs ? "colleague_full" : code), "why-other");
  const ticket = board.tickets.get(frame.ticket_id);
  return t("problem-" + type, { why, subject: ticket?.subject ?? frame.ticket_id, name: board.colleagues.get(frame.to) ?? frame.to });
}

function takePending(ticketId, type) {
  const pending = desk.pending.get(ticketId);
  if (!pending || (type && pending.type !== type)) return null;
  desk.pending.delete(ticketId);
  return pending;
}

function addAssignmentLines(chat, { at, auto, from_staff, note, ticket_id }) {
  const name = board.colleagues.get(from_staff) ?? from_staff;
  const how = from_staff ? "transferred" : auto ? "auto" : "joined";
  chat.addLine(how, { name }, at);
  if (note) chat.addLine("note", { name, note }, at);
  desk.report("outcome-" + (how === "joined" ? "picked" : how), { name, ticket: ticket_id });
}

// A new connection starts offline: an open chat is paused now, unless a colleague has picked it. A ticket that is not on
// the board yet may follow, or is gone.
function reconnected(chat) {
  const ticket = board.tickets.get(chat.ticketId);
  if (!ticket) return;
  if (chat.state === "active") {
    chat.state = "repick";
    if (ticket.state !== "active") chat.addLine("back");
  }
  ticketChanged(chat, ticket, ticket);
}

function ticketChanged(chat, ticket, before) {
  if (chat.state === "closed") return;
  const isNotMine = ticket.staff_id !== desk.me;
  if (ticket.state === "active" && isNotMine) return pickedByColleague(chat, staffOf(ticket));
  if (ticket.state === "waiting" && takePending(ticket.ticket_id, "release_ticket")) return leaveChat(chat, "outcome-released");
  if (ticket.state !== "active") chat.state = "repick";
  if (before && before.user_online !== ticket.user_online && chat.state === "active") {
    if (chat === chats.shown) chats.typingIndicator.set("");
    chat.addLine(ticket.user_online ? "online" : "offline");
  }
  chat.sendNext();
  chats.draw();
}

function pickedByColleague(chat, name) {
  const wasTaken = chat.state === "taken";
  chat.state = "taken";
  chat.sendNext(); // what is on its way is still answered; the rest waits
  const pending = takePending(chat.ticketId)?.type;
  if (pending === "transfer_ticket") byId("transfer-note").value = ""; // kept until now for another try
  if (pending === "transfer_ticket" || pending === "release_ticket") return leaveChat(chat, "outcome-handed", name);
  if (!wasTaken) chat.addLine("taken", { name });
  chats.draw();
}

function leaveChat(chat, outcome, name) {
  desk.report(outcome, { ticket: chat.ticketId, name });
  chat.addLine("left");
  chat.state = "repick";
  chats.leave(chat);
}

// The chats stay listed, to be picked again.
function pauseOffline(chat) {
  if (chat.state === "active") chat.state = "repick";
  chat.disconnected();
}

function chatClosed(chat, what, values, at) {
  chat.state = "closed";
  chat.addLine(what, values, at);
  chat.close();
  if (chat === chats.shown) chats.typingIndicator.set("");
  chats.draw();
}

// The board is complete: a chat that is not on it was closed while we were away.
function closeMissing() {
  for (const chat of [...chats.all.values()].filter((chat) => !board.tickets.has(chat.ticketId))) {
    if (!chat.open) chats.forget(chat);
    else if (chat.state !== "closed") chatClosed(chat, "ended");
  }
}
