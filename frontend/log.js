// log.js: a conversation as it is seen: days, messages with their state, system lines, and the "3 new" button.
"use strict";

const NEAR_END_PX = 48; // closer than this to the end counts as reading the end

class Log {
  constructor({ log, newButton, onRetry, onRemove }) {
    Object.assign(this, { log, newButton, onRetry, onRemove });
    this.list = log.querySelector("ol");
    this.rows = new Map();
    this.newCount = 0;
    this.reading = true; // the end, as most do
    newButton.addEventListener("click", () => this.toEnd());
    // A phone's keyboard makes the log shorter: that is not the reader scrolling away from the end.
    log.addEventListener("scroll", () => log.clientHeight === this.height && this.look());
    new ResizeObserver(() => {
      this.height = log.clientHeight;
      if (this.reading) this.toEnd();
    }).observe(log);
  }

  // Draws what was said before, without having it read out again: the region is silent meanwhile.
  show(entries) {
    this.log.setAttribute("aria-live", "off");
    this.list.replaceChildren();
    this.rows.clear();
    this.lastDay = null;
    for (const entry of entries) this.add(entry);
    this.toEnd();
    clearTimeout(this.quietTimer);
    this.quietTimer = setTimeout(() => this.log.setAttribute("aria-live", "polite"), 300);
  }

  append(entry) {
    this.add(entry);
    if (this.reading || entry.from === "me") return this.toEnd();
    if (entry.kind === "message") this.newCount += 1;
    this.drawNew();
  }

  update(entry) {
    const row = this.rows.get(entry);
    if (!row) return;
    this.fillState(row, entry);
    if (entry.state === "failed") announce(row.querySelector(".state").textContent);
    if (this.reading) this.toEnd();
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
    const state = make("span", { class: "state" });
    row.append(
      make("p", { class: "text", dir: "auto" }, entry.text),
      make("p", { class: "meta" }, make("bdi", { class: "who" }, who), timeElement(entry.at, clockTime(entry.at)), state),
    );
    this.fillState(row, entry);
    return row;
  }

  fillState(row, entry) {
    if (entry.seq) row.dataset.seq = entry.seq;
    if (entry.from !== "me") return;
    row.dataset.state = entry.state;
    const failed = entry.state === "failed";
    const state = row.querySelector(".state");
    setText(state, failed ? t("state-failed", { why: tOr("why-" + entry.why, "why-other") }) : t("state-" + entry.state));
    row.querySelector(".mend")?.remove();
    if (!failed && entry.state !== "queued") return;
    const mend = make("p", { class: "mend" });
    if (failed && entry.why !== "closed") mend.append(this.act("retry", () => this.onRetry(entry)));
    // One that has been on its way may have arrived: it can be waited for, not taken back.
    if (failed || !entry.id) mend.append(this.act("remove", () => this.onRemove(entry)));
    if (mend.firstChild) row.append(mend);
  }

  act(name, action) {
    return button(t(name), { class: "small", ["data-" + name]: "" }, () => {
      action();
      this.log.focus(); // the button is gone
    });
  }

  look() {
    const { scrollHeight, scrollTop, clientHeight } = this.log;
    this.reading = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
    if (this.reading) this.clearNew();
  }

  toEnd() {
    this.log.scrollTop = this.log.scrollHeight;
    this.reading = true;
    this.clearNew();
  }

  clearNew() {
    this.newCount = 0;
    this.drawNew();
  }

  drawNew() {
    this.newButton.hidden = this.newCount === 0;
    if (this.newCount) setText(this.newButton, t("new-messages", { count: this.newCount }));
  }
}
