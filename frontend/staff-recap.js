// staff-recap.js: what the user's page has of a chat that began before we picked it.
"use strict";

const SAME_MS = 60000; // the two sides note a message at slightly different times

const isRecapLine = (line) => ["user", "staff"].includes(line?.from) && isText(line.text) && isTime(line.at);

// Puts in what we have not seen: before this pick, marked as what the user's browser says. Read silently, like all history.
function addRecap(chat, lines) {
  const knows = ({ text, at }) => chat.entries.some((entry) => entry.text === text && Math.abs(entry.at - at) < SAME_MS);
  const unseen = lines.filter((line) => isRecapLine(line) && !knows(line));
  if (!unseen.length) return;
  const entries = unseen.map(({ from, name, text, at }) => ({
    kind: "message",
    from: from === "user" ? "them" : "colleague",
    sender: tidyName(name ?? "") || (from === "user" ? chat.user : t("by-staff")),
    senderId: from === "user" ? chat.userId : tidyName(name ?? ""),
    isRecap: true,
    text,
    at,
  }));
  const heading = { kind: "system", what: "recap", values: { name: chat.user }, at: entries[0].at };
  const picked = chat.entries.findIndex((entry) => entry.at >= chat.pickedAt);
  chat.entries.splice(picked < 0 ? chat.entries.length : picked, 0, heading, ...entries);
  chat.host.save();
  if (chat === chats.shown) chats.drawLog();
}
