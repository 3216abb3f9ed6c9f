// staff-board.js: the list of all open tickets, with what can be done with each of them.
"use strict";

const ROWS_MAX = 200; // further tickets are found by the search
const DRAW_MS = 50; // changes that come together are drawn together
const AGES_MS = 20000; // the waiting times are drawn again this often

const board = {
  tickets: new Map(), // by ticket_id, as the desk sent them
  colleagues: new Map(), // names by staff_id
  rows: new Map(),

  start() {
    byId("search").addEventListener("input", () => this.draw());
    onClick("pick-next", () => this.pickNext());
    setInterval(() => this.draw(), AGES_MS);
  },

  // ---- What can be done with a ticket

  stateOf(ticket) {
    if (ticket.state !== "active") return ticket.state;
    return ticket.staff_id === desk.me ? "mine" : "taken";
  },

  // "yes", or why not: "no" (a staff member has it), "offline" (we are), "full" (we have max_chats).
  pickable(ticket) {
    if (ticket.state === "active") return "no";
    if (!desk.online) return "offline";
    return chats.activeCount() < desk.maxChats ? "yes" : "full";
  },

  pick(ticketId) {
    desk.act("pick_ticket", ticketId);
  },

  pickNext() {
    const next = this.sorted().find((ticket) => this.pickable(ticket) === "yes");
    if (next) this.pick(next.ticket_id);
    else desk.report("outcome-nothing");
  },

  // ---- Drawing

  changed() {
    this.timer ??= setTimeout(() => {
      this.timer = null;
      this.draw();
    }, DRAW_MS);
  },

  // Tickets that can be picked come first, then our own, then those of others; of each the oldest first.
  sorted() {
    const order = { waiting: 0, paused: 0, mine: 1, taken: 2 };
    const compare = (a, b) => order[this.stateOf(a)] - order[this.stateOf(b)] || a.created_at - b.created_at;
    return [...this.tickets.values()].sort(compare);
  },

  draw() {
    const wanted = byId("search").value.trim().toLowerCase();
    const matching = this.sorted().filter((ticket) => matches(ticket, wanted));
    this.drawRows(matching.slice(0, ROWS_MAX));
    const more = matching.length - ROWS_MAX;
    setText(byId("board-more"), more > 0 ? t("board-more", { count: more }) : "");
    setText(byId("board-empty"), matching.length ? "" : t(wanted ? "board-no-match" : "board-empty"));
    this.drawSummary();
    this.drawColleagues();
  },

  // Rows are kept and moved, so that the focus stays on its button.
  drawRows(tickets) {
    const list = byId("tickets");
    const shown = new Set(tickets.map((ticket) => ticket.ticket_id));
    for (const [id, row] of this.rows) if (!shown.has(id)) row.remove(), this.rows.delete(id);
    tickets.forEach((ticket, index) => {
      const row = this.rows.get(ticket.ticket_id) ?? this.makeRow(ticket);
      this.fillRow(row, ticket);
      if (list.children[index] !== row) list.insertBefore(row, list.children[index] ?? null);
    });
  },

  makeRow({ ticket_id, subject, user_id, user_name }) {
    const user = make("bdi", { title: user_id }, user_name ?? user_id);
    const row = make("li", { class: "ticket", "data-ticket": ticket_id });
    row.append(
      make("p", { class: "subject", dir: "auto", title: subject, id: "subject-of-" + ticket_id }, subject),
      make("p", { class: "state-line" }, make("span", { class: "badge" }), " ", make("span", { class: "age" })),
      make("p", { class: "facts" }, avatar(user_name ?? user_id, user_id), user, make("span", { class: "away" }), make("code", {}, ticket_id)),
      make("p", { class: "cannot" }),
      make("button", { type: "button", "aria-describedby": "subject-of-" + ticket_id }),
    );
    row.querySelector("button").addEventListener("click", ({ currentTarget }) => {
      if (currentTarget.hasAttribute("data-open")) chats.show(ticket_id);
      else this.pick(ticket_id);
    });
    this.rows.set(ticket_id, row);
    return row;
  },

  fillRow(row, ticket) {
    const state = this.stateOf(ticket);
    const pickable = this.pickable(ticket);
    row.dataset.state = state;
    row.dataset.pickable = pickable;
    const who = { paused: ticket.staff_id === desk.me ? "was-yours" : "was-with", taken: "with" }[state];
    const stateText = t("state-" + state) + (who ? " · " + t(who, { name: staffOf(ticket) }) : "");
    setText(row.querySelector(".badge"), stateText);
    setText(row.querySelector(".age"), age(ticket.since ?? ticket.created_at));
    setText(row.querySelector(".away"), ticket.user_online ? "" : t("away"));
    const cannot = pickable === "offline" || pickable === "full";
    setText(row.querySelector(".cannot"), cannot ? t("cannot-pick") : "");
    this.fillButton(row.querySelector("button"), state, pickable, ticket.ticket_id);
  },

  fillButton(element, state, pickable, ticketId) {
    element.hidden = state === "taken";
    element.toggleAttribute("data-open", state === "mine");
    if (state === "mine") element.removeAttribute("data-pick");
    else element.setAttribute("data-pick", ticketId);
    element.disabled = state !== "mine" && pickable !== "yes";
    setText(element, t(state === "mine" ? "open" : "pick"));
  },

  drawSummary() {
    const waiting = [...this.tickets.values()].filter(isWaiting);
    const oldest = waiting.reduce((at, ticket) => Math.min(at, ticket.since ?? ticket.created_at), deskNow());
    const values = { count: waiting.length, time: lasting(oldest) };
    setText(byId("oldest-waiting"), waiting.length ? t("oldest-waiting", values) : t("none-waiting"));
    setText(byId("board-count"), String(waiting.length || ""));
    byId("pick-next").disabled = ![...this.tickets.values()].some((ticket) => this.pickable(ticket) === "yes");
    setText(byId("pick-note"), this.pickNote());
  },

  pickNote() {
    const count = chats.activeCount();
    if (!desk.online) return t("pick-offline");
    if (count >= desk.maxChats) return t("pick-full", { count, max: desk.maxChats });
    return desk.assign === "manual" ? "" : t("pick-auto");
  },

  drawColleagues() {
    const colleagues = this.sortedColleagues();
    byId("colleagues-empty").hidden = colleagues.length > 0;
    const row = ([id, name]) => make("li", { class: "facts", "data-colleague": id, title: id }, avatar(name, id), make("bdi", {}, name));
    const drawn = JSON.stringify(colleagues);
    if (drawn === this.drawnColleagues) return;
    this.drawnColleagues = drawn;
    byId("colleagues").replaceChildren(...colleagues.map(row));
  },

  sortedColleagues() {
    return [...this.colleagues].sort(([, a], [, b]) => a.localeCompare(b));
  },
};

const staffOf = (ticket) => ticket?.staff_name ?? ticket?.staff_id;

// Somebody whose chat was paused waits as well, as long as they are there.
const isWaiting = ({ state, user_online }) => state === "waiting" || (state === "paused" && user_online);

// How long the present state has lasted, in whole minutes.
const lasting = (since) => duration((deskNow() - since) / 1000 - 59);
const age = (since) => (deskNow() - since < 60000 ? t("since-now") : t("since", { time: lasting(since) }));

function matches(ticket, wanted) {
  if (!wanted) return true;
  const { subject, ticket_id, user_id, user_name, staff_id, staff_name } = ticket;
  const texts = [subject, ticket_id, user_id, user_name ?? "", staff_id ?? "", staff_name ?? ""];
  return texts.some((text) => text.toLowerCase().includes(wanted));
}
