// log.js: draws a conversation: days, groups of messages, system lines, what is unread, and the "3 new" button.
"use strict";

const NEAR_END_PX = 48; // closer than this to the end counts as reading the end
const GROUP_MS = 180000; // messages of one sender within this time tell name and time once

const FENCE = /```\n?([^]*?)\n?```/; // three backticks give a block in monospace
const LINK = /(https?:\/\/[^\s<>"\p{Bidi_C}]*[^\s<>"'.,;:!?)\]}\p{Bidi_C}])/iu;

// The text as text nodes, links and blocks of code.
function piecesOf(text) {
  return text.split(FENCE).flatMap((part, index) => {
    if (index % 2) return [make("code", { class: "code" }, part)];
    return part.split(LINK).map((piece, at) => (at % 2 && URL.canParse(piece) ? linkTo(piece) : piece));
  });
}

// `dir` isolates it: nothing in the text before it turns the address around.
const linkTo = (url) => make("a", { href: url, target: "_blank", rel: "noopener noreferrer", dir: "ltr" }, url);

class Log {
  constructor({ log, newButton, onRetry, onRemove }) {
    Object.assign(this, { log, newButton, onRetry, onRemove });
    this.list = log.querySelector("ol");
    this.rows = new Map();
    this.newCount = 0;
    this.isAtEnd = true;
    newButton.addEventListener("click", () => this.scrollToEnd());
    // A phone's keyboard makes the log shorter: that is not the reader scrolling away from the end.
    log.addEventListener("scroll", () => log.clientHeight === this.height && this.scrolled());
    new ResizeObserver(() => {
      this.height = log.clientHeight;
      if (this.isAtEnd) this.scrollToEnd();
    }).observe(log);
  }

  // Draws earlier entries. Those of the other side up to `seenSeq` were on the screen before. `asked` is what the ticket
  // was opened with, if it is not among them. The live region is off meanwhile, so that they are not read out again.
  show(entries, seenSeq, asked) {
    this.log.setAttribute("aria-live", "off");
    this.list.replaceChildren();
    this.rows.clear();
    this.lastDay = this.divider = this.group = this.run = this.lastOwn = null;
    if (asked) this.addAsked(asked);
    const firstUnread = entries.find((entry) => entry.from === "them" && entry.seq > seenSeq);
    for (const entry of entries) this.add(entry, entry === firstUnread);
    this.scrollToUnread();
    clearTimeout(this.announceTimer);
    this.announceTimer = setTimeout(() => this.log.setAttribute("aria-live", "polite"), 300);
  }

  append(entry, isFirstUnread) {
    // What comes while history is being drawn is news all the same. That a ticket was created, its writer knows.
    const isSilent = this.log.getAttribute("aria-live") === "off" && entry.from !== "me" && entry.what !== "created";
    if (isSilent) announceNews(entry, entry.kind === "message" ? `${entry.sender}: ${entry.text}` : this.lineText(entry));
    const isFirstBelow = !this.isAtEnd && !this.newCount && entry.from === "them";
    this.add(entry, isFirstUnread || isFirstBelow);
    if (this.isAtEnd || entry.from === "me") return this.scrollToEnd();
    if (entry.kind === "message") this.newCount += 1;
    this.drawNewButton();
  }

  update(entry) {
    const row = this.rows.get(entry);
    if (!row) return;
    this.fillState(row, entry);
    if (entry.state === "failed") announce(row.querySelector(".state").textContent);
    if (this.isAtEnd) this.scrollToEnd();
  }

  remove(entry) {
    const row = this.rows.get(entry);
    // The next of its group tells name and time now.
    if (row && !row.hasAttribute("data-follows")) row.nextElementSibling?.removeAttribute("data-follows");
    row?.remove();
    this.rows.delete(entry);
    if (this.group?.row === row) this.group = null;
    if (this.lastOwn === row) this.setLastOwn([...this.list.querySelectorAll(".message[data-from=me]")].at(-1));
  }

  add(entry, isFirstUnread) {
    this.beginDay(entry.at);
    if (isFirstUnread) {
      if (this.divider) this.divider.hidden = true;
      this.divider = this.separate(make("li", { class: "unread" }, t("unread-divider")));
    }
    if (entry.what === "created" && entry.values.subject) this.addAsked({ at: entry.at, subject: entry.values.subject });
    const row = entry.kind === "message" ? this.messageRow(entry) : this.systemRow(entry);
    this.rows.set(entry, row);
    this.list.append(row);
  }

  separate(row) {
    this.list.append(row);
    this.group = this.run = null;
    return row;
  }

  beginDay(at) {
    if (dayKey(at) === this.lastDay) return;
    this.lastDay = dayKey(at);
    this.separate(make("li", { class: "day" }, timeElement(at, dayName(at))));
  }

  // What was asked is the first that was said: by us, or by `sender`. A head may have no room for all of it.
  addAsked({ at, subject, sender, senderId }) {
    this.beginDay(at);
    const who = make("bdi", { title: senderId ?? null }, sender ?? t("you"));
    const row = make("li", { class: "asked", "data-from": sender ? "them" : "me" });
    if (sender) row.append(avatar(sender, senderId));
    row.append(
      make("p", { class: "meta" }, who, timeElement(at, clockTime(at))),
      make("p", { class: "text" }, make("span", { class: "said", dir: "auto" }, subject)),
    );
    this.list.append(row);
  }

  systemRow(entry) {
    const { note } = entry.values;
    const row = make("li", { class: "system", "data-kind": entry.what }, this.lineText(entry, ""), " ");
    if (note) row.append(make("span", { class: "note", dir: "auto" }, note));
    row.append(timeElement(entry.at, clockTime(entry.at)));
    this.group = null;
    if (note) this.run = null; // it is somebody's words
    else this.fold(row);
    return row;
  }

  // System lines that follow each other are one line: the last, with a button that shows those before it.
  fold(row) {
    const run = (this.run ??= { rows: [], isOpen: false });
    run.rows.push(row);
    run.button ??= button("", { class: "small" }, () => {
      run.isOpen = !run.isOpen;
      this.drawRun(run);
    });
    if (run.rows.length > 1) row.append(" ", run.button);
    this.drawRun(run);
  }

  drawRun({ rows, button, isOpen }) {
    const earlier = rows.slice(0, -1);
    for (const row of earlier) row.hidden = !isOpen;
    button.setAttribute("aria-expanded", isOpen);
    setText(button, t(isOpen ? "earlier-hide" : "earlier-show", { count: earlier.length }));
  }

  lineText({ what, values }, note = values.note) {
    return [tOr("line-" + what, "notice-" + what, values), note].filter(Boolean).join(" ");
  }

  messageRow(entry) {
    const isMine = entry.from === "me";
    const row = make("li", { class: "message", "data-from": entry.from, "data-recap": entry.isRecap ? "" : null });
    const sender = make("bdi", { class: "who", title: entry.senderId ?? null }, isMine ? t("you") : entry.sender);
    if (!isMine) row.append(avatar(entry.sender, entry.senderId));
    row.append(
      make("p", { class: "meta" }, sender, timeElement(entry.at, clockTime(entry.at))),
      make("p", { class: "text" }, make("span", { class: "said", dir: "auto" }, ...piecesOf(entry.text))),
    );
    this.run = null;
    this.joinGroup(row, entry);
    if (!isMine) return row;
    row.setAttribute("aria-live", "off"); // who has written it knows it, and its state changes three times
    row.append(make("p", { class: "state" }));
    this.fillState(row, entry);
    this.setLastOwn(row);
    return row;
  }

  // The state of what was said last is shown; those before it are delivered as well, or say so themselves.
  setLastOwn(row) {
    this.lastOwn?.removeAttribute("data-last");
    this.lastOwn = row;
    if (row) row.dataset.last = "";
  }

  joinGroup(row, { from, senderId, at }) {
    const { group } = this;
    const isNext = group?.from === from && group.senderId === senderId && at - group.at < GROUP_MS;
    if (isNext) row.dataset.follows = "";
    else this.group = { row, from, senderId, at };
  }

  fillState(row, entry) {
    if (entry.from !== "me") return;
    row.dataset.state = entry.state;
    const failed = entry.state === "failed";
    const state = row.querySelector(".state");
    setText(state, failed ? t("state-failed", { why: tOr("why-" + entry.why, "why-other") }) : t("state-" + entry.state));
    row.querySelector(".message-actions")?.remove();
    if (!failed && entry.state !== "queued") return;
    const actions = make("p", { class: "message-actions" });
    if (failed && entry.why !== "closed") actions.append(this.actionButton("retry", () => this.onRetry(entry)));
    // A message that was sent once may have arrived, so it cannot be removed.
    if (failed || !entry.id) actions.append(this.actionButton("remove", () => this.onRemove(entry)));
    if (actions.firstChild) row.append(actions);
  }

  actionButton(name, action) {
    return button(t(name), { class: "small", ["data-" + name]: "" }, () => {
      action();
      this.log.focus(); // the button that had the focus is gone
    });
  }

  scrolled() {
    const { scrollHeight, scrollTop, clientHeight } = this.log;
    this.isAtEnd = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (this.isAtEnd) this.clearNewCount();
  }

  scrollToEnd() {
    this.log.scrollTop = this.log.scrollHeight;
    this.isAtEnd = true;
    this.clearNewCount();
  }

  // What is unread is read from its beginning.
  scrollToUnread() {
    this.scrollToEnd();
    if (!this.divider) return;
    this.log.scrollTop = Math.min(this.log.scrollTop, this.divider.offsetTop);
    this.scrolled(); // the event comes later, and a change of the log's height before it would lead to the end
  }

  clearNewCount() {
    this.newCount = 0;
    this.drawNewButton();
  }

  drawNewButton() {
    if (!this.newCount && document.activeElement === this.newButton) this.log.focus();
    this.newButton.hidden = this.newCount === 0;
    if (this.newCount) setText(this.newButton, t("new-messages", { count: this.newCount }));
  }

  // Saves what was said as a file. The other side has never seen what failed.
  save(chat) {
    const said = chat.entries.filter((entry) => entry.state !== "failed");
    const lines = said.map((entry) => {
      const text = entry.kind === "message" ? `${entry.sender ?? t("you")}: ${entry.text}` : this.lineText(entry);
      return `${fullDay(entry.at)} ${clockTime(entry.at)}  ${text}`;
    });
    const text = `${chat.subject}\n${t("ticket")} ${chat.ticketId}\n\n${lines.join("\n")}\n`;
    saveFile(`ticket-${chat.ticketId}.txt`, "text/plain", text);
  }
}
