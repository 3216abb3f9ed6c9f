// log.js: draws a conversation: days, messages with their state, system lines, and the "3 new" button.
"use strict";

const NEAR_END_PX = 48; // closer than this to the end counts as reading the end

const FENCE = /```\n?([^]*?)\n?```/; // three backticks give a block in monospace
const LINK = /(https?:\/\/[^\s<>"]*[^\s<>"'.,;:!?)\]}])/i;

// The text as text nodes, links and blocks of code.
function piecesOf(text) {
  return text.split(FENCE).flatMap((part, index) => {
    if (index % 2) return [make("code", { class: "code" }, part)];
    return part.split(LINK).map((piece, at) => (at % 2 && URL.canParse(piece) ? linkTo(piece) : piece));
  });
}

const linkTo = (url) => make("a", { href: url, target: "_blank", rel: "noopener noreferrer" }, url);

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

  // Draws earlier entries. The live region is off meanwhile, so that they are not read out again.
  show(entries) {
    this.log.setAttribute("aria-live", "off");
    this.list.replaceChildren();
    this.rows.clear();
    this.lastDay = null;
    for (const entry of entries) this.add(entry);
    this.scrollToEnd();
    clearTimeout(this.announceTimer);
    this.announceTimer = setTimeout(() => this.log.setAttribute("aria-live", "polite"), 300);
  }

  append(entry) {
    this.add(entry);
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
    this.rows.get(entry)?.remove();
    this.rows.delete(entry);
  }

  add(entry) {
    if (dayKey(entry.at) !== this.lastDay) {
      this.lastDay = dayKey(entry.at);
      this.list.append(make("li", { class: "day" }, timeElement(entry.at, dayName(entry.at))));
    }
    const row = entry.kind === "message" ? this.messageRow(entry) : this.systemRow(entry);
    this.rows.set(entry, row);
    this.list.append(row);
  }

  systemRow(entry) {
    const text = make("span", { dir: "auto" }, this.lineText(entry));
    return make("li", { class: "system", "data-kind": entry.what }, text, " ", timeElement(entry.at, clockTime(entry.at)));
  }

  lineText({ what, values }) {
    return tOr("line-" + what, "notice-" + what, values);
  }

  messageRow(entry) {
    const row = make("li", { class: "message", "data-from": entry.from });
    const who = entry.from === "me" ? t("you") : entry.sender;
    const sender = make("bdi", { class: "who", title: entry.senderId ?? null }, who);
    const state = make("span", { class: "state" });
    row.append(
      make("p", { class: "text" }, make("span", { class: "said", dir: "auto" }, ...piecesOf(entry.text))),
      make("p", { class: "meta" }, sender, timeElement(entry.at, clockTime(entry.at)), state),
    );
    this.fillState(row, entry);
    return row;
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

  clearNewCount() {
    this.newCount = 0;
    this.drawNewButton();
  }

  drawNewButton() {
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
    const link = make("a", { href: URL.createObjectURL(new Blob([text], { type: "text/plain" })) });
    link.download = `ticket-${chat.ticketId}.txt`;
    link.click();
  }
}
