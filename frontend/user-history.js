// user-history.js: what the user's browser has of the chat, since the desk keeps nothing: for a tab that was closed, and for
// the staff member who has just picked the ticket. And what the user says of it in the end.
"use strict";

const RECAP_LINES_MAX = 100;
const RECAP_BYTES_MAX = 15000; // the desk takes frames of 16 KiB
const KEPT_MS_MAX = 86400000; // a day; no desk waits as long for anybody
const SCORES = [1, 2, 3, 4, 5];
const ENDED_LINE_MS = 300;

// ---- In this browser

const storedChat = { tab: new StoredChat(store.tab, "chat"), browser: new StoredChat(store.browser, "chat") };

const isKeptUser = (value) => isStoredUser(value) && Date.now() - value.keptAt < KEPT_MS_MAX;

// Until the ticket ends, a tab that is closed can be followed by another: not on a shared computer. What another tab keeps
// for another user, or for this one in our place, is not ours to change.
function keepAll() {
  store.tab.set("user", user);
  if (chat) storedChat.tab.save(chat);
  const others = store.browser.get("user", isKeptUser);
  if (wire.reason === "elsewhere" || (others && others.id !== user.id)) return;
  const isKept = chat && chat.state !== "closed" && !user.isShared;
  store.browser.set("user", isKept ? { ...user, keptAt: Date.now() } : null);
  if (isKept) storedChat.browser.save(chat);
  else storedChat.browser.remove();
}

// A tab has its own user, or goes on where another one was closed.
function resumed() {
  const own = store.tab.get("user", isStoredUser);
  const kept = own ? null : store.browser.get("user", isKeptUser);
  return { user: own ?? kept ?? { id: newId() }, chat: (kept ? storedChat.browser : storedChat.tab).load() };
}

// Another tab went on in our place: what it has kept of the chat is added to what we have.
function takeOver() {
  const kept = store.browser.get("user", isKeptUser);
  const theirs = kept?.id === user.id ? storedChat.browser.load() : null;
  if (!theirs) return;
  user.session = kept.session;
  const entries = [...theirs.entries];
  const isSame = (one, other) => one.at === other.at && one.text === other.text && one.what === other.what;
  const own = chat?.ticketId === theirs.ticketId ? chat.entries : [];
  for (const entry of own.filter((entry) => !theirs.entries.some((other) => isSame(entry, other)))) {
    const next = entries.findIndex(({ at }) => at > entry.at);
    entries.splice(next < 0 ? entries.length : next, 0, entry);
  }
  chat = new Conversation(host, { ...theirs, entries, draft: chat?.draft || theirs.draft });
  openChat();
}

// ---- For the staff member who has picked the ticket

const recapAgain = new Backoff(trySendRecap, 2000, 15000);

// What the other side has not confirmed is left out: the desk has that, and sends it by itself.
function recapLines() {
  const lines = [];
  let bytes = 0;
  const seen = chat.entries.filter(({ kind, from, state }) => kind === "message" && (from === "them" || state === "delivered"));
  for (const { from, sender, text, at } of seen.slice(-RECAP_LINES_MAX).reverse()) {
    const who = from === "them" ? { from: "staff", name: sender } : { from: "user", name: user.name || undefined };
    const line = { ...who, text, at: Math.max(0, Math.round(at)) };
    bytes += new TextEncoder().encode(JSON.stringify(line)).length + 1;
    if (bytes > RECAP_BYTES_MAX) break;
    lines.unshift(line);
  }
  return lines;
}

// Somebody new has not seen what was said, and one who is back may have lost it.
function sendRecap() {
  recapAgain.reset();
  trySendRecap();
}

// While they have much to read, the desk refuses it, and while we are not connected it cannot be sent: it waits, longer each time.
function trySendRecap() {
  const lines = chat?.state === "active" ? recapLines() : [];
  if (lines.length && !wire.send({ type: "recap", lines })) recapAgain.wait();
}

// ---- In the end

let ending = null; // of a ticket that was closed in the user's absence: by whom, when, and the timer of its line

// The messages that we missed follow this welcome, so the line that ends the chat waits for them.
function ticketEnded({ ended }) {
  if (ended?.ticket_id !== chat.ticketId) return closeChat(chat.wasElsewhere ? "gone" : "restarted");
  chat.state = "closed";
  ending = { ...ended, timer: setTimeout(endNow, ENDED_LINE_MS) };
}

// Neither the next chat nor the end of the page waits for that.
function endNow() {
  if (!ending) return;
  const { by, at, timer } = ending;
  clearTimeout(timer);
  ending = null;
  closeChat("ended", by, at);
}

window.addEventListener("pagehide", endNow);

function rate(score) {
  if (!wire.send({ type: "rate_ticket", ticket_id: chat.ticketId, score })) return;
  chat.score = score;
  keepAll();
  draw();
  byId("new-ticket").focus();
}

// Too fast may be tried again. Otherwise the desk knows no more of the ticket.
function ratingRefused(code) {
  chat.score = code === "rate_limited" ? null : 0;
  keepAll();
  draw();
}

function drawRating() {
  const isOffered = chat.state === "closed" && chat.canBeRated && wire.state === "open";
  byId("rating").hidden = !isOffered || (chat.score ?? null) !== null;
  byId("rated").hidden = !chat.canBeRated;
  setText(byId("rated"), chat.score > 0 ? t("rated", { score: chat.score }) : chat.score === 0 ? t("rated-late") : "");
  for (const score of SCORES) byId("scores").children[score - 1].setAttribute("aria-label", t("score", { score }));
}

for (const score of SCORES) byId("scores").append(button(String(score), { "data-score": score }, () => rate(score)));
