// staff-board.js: the list of all open tickets, with what can be done with each of them.
"use strict";

const ROWS_MAX = 200; // further tickets are found by the search
const ROWS_AT_ONCE = 10; // made; a slow machine would not take a key for as long as it makes all
const PIECE_MS = 16; // between two such pieces: a frame
const DRAW_MS = 50; // changes that come together are drawn together
const AGES_MS = 20000; // the waiting times are drawn again this often

// Which states each filter lists.
const FILTERS = { "filter-waiting": ["waiting", "paused"], "filter-mine": ["mine"], "filter-taken": ["taken"] };

const board = {
  tickets: new Map(), // by ticket_id, as the desk sent them
  colleagues: new Map(), // names by staff_id
  rows: new Map(),
  filter: null, // the one that is on
  listed: [], // the tickets that have a row, or are about to

  start() {
    byId("search").addEventListener("input", () => this.changed());
    onClick("pick-next", () => this.pickNext());
    for (const id of Object.keys(FILTERS)) onClick(id, () => this.setFilter(id));
    setInterval(() => {
      this.draw();
      chats.drawList();
    }, AGES_MS);
  },

  // A second click on a filter switches it off.
  setFilter(id) {
    this.filter = this.filter === id ? null : id;
    this.draw();
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
    this.timer ??= setTimeout(() => this.draw(), DRAW_MS);
  },

  // Tickets that can be picked come first, then our own, then those of others; of each the oldest first.
  sorted() {
    const order = { waiting: 0, paused: 0, mine: 1, taken: 2 };
    const compare = (a, b) => order[this.stateOf(a)] - order[this.stateOf(b)] || a.created_at - b.created_at;
    return [...this.tickets.values()].sort(compare);
  },

  draw() {
    clearTimeout(this.timer);
    this.timer = null;
    const wanted = byId("search").value.trim().toLowerCase();
    const matching = this.sorted().filter((ticket) => this.isListed(ticket, wanted));
    this.drawRows(matching.slice(0, ROWS_MAX));
    const more = matching.length - ROWS_MAX;
    setText(byId("board-more"), more > 0 ? t("board-more", { count: more }) : "");
    const why = wanted || this.filter ? "board-no-match" : "board-empty";
    const isEmpty = !matching.length && (why === "board-no-match" || !this.tickets.size);
    setText(byId("board-empty"), isEmpty ? t(why) : "");
    this.drawSummary();
    this.drawFilters();
    this.drawColleagues();
    drawPrimary();
    keepFocus();
  },

  // Our own chats have a list of their own.
  isListed(ticket, wanted) {
    if (wanted && !matches(ticket, wanted)) return false;
    if (this.filter) return FILTERS[this.filter].includes(this.stateOf(ticket));
    return Boolean(wanted) || !chats.all.get(ticket.ticket_id)?.open;
  },

  drawFilters() {
    const states = [...this.tickets.values()].map((ticket) => this.stateOf(ticket));
    for (const [id, listed] of Object.entries(FILTERS)) {
      const count = states.filter((state) => listed.includes(state)).length;
      byId(id).setAttribute("aria-pressed", this.filter === id);
      setText(byId(id), t(id, { count }));
    }
  },

  // Rows are kept, and drawn again only where something of them has changed.
  drawRows(tickets) {
    this.listed = tickets;
    const shown = new Set(tickets.map((ticket) => ticket.ticket_id));
    for (const id of this.rows.keys()) if (!shown.has(id)) this.rows.delete(id);
    for (const [row, ticket] of this.made()) this.fillRow(row, ticket);
    this.drawMissing();
  },

  // Few rows are made at once, many in pieces: between two of them the page takes keys.
  drawMissing() {
    clearTimeout(this.piecesTimer);
    const missing = this.listed.filter(({ ticket_id }) => !this.rows.has(ticket_id));
    for (const ticket of missing.slice(0, ROWS_AT_ONCE)) this.fillRow(this.makeRow(ticket), ticket);
    if (missing.length > ROWS_AT_ONCE) this.piecesTimer = setTimeout(() => this.drawMissing(), PIECE_MS);
    placeRows(byId("tickets"), this.made().map(([row]) => row));
  },

  // The listed tickets that have a row, each behind it.
  made() {
    return this.listed.map((ticket) => [this.rows.get(ticket.ticket_id), ticket]).filter(([row]) => row);
  },

  makeRow({ ticket_id, subject: asked, user_id, user_name }) {
    const [subject, name] = [visibleOr(asked, ticket_id), visibleOr(user_name, user_id)];
    const user = make("bdi", { title: user_id }, name);
    const stateLine = make("span", { class: "state-line" }, make("span", { class: "badge" }), " ", make("span", { class: "age" }));
    const choose = button("", { class: "row" }, ({ currentTarget }) => {
      if (currentTarget.hasAttribute("data-open")) chats.show(ticket_id);
      else this.pick(ticket_id);
    });
    choose.append(
      make("span", { class: "subject", dir: "auto", title: subject }, subject),
      " ",
      make("span", { class: "facts" }, avatar(name, user_id), user, " ", stateLine, " ", make("span", { class: "away" })),
      " ",
      make("span", { class: "act" }),
    );
    const row = make("li", { class: "ticket", "data-ticket": ticket_id, title: ticket_id }, choose);
    this.rows.set(ticket_id, row);
    return row;
  },

  fillRow(row, ticket) {
    const state = this.stateOf(ticket);
    const pickable = this.pickable(ticket);
    const since = age(ticket.since ?? ticket.created_at);
    const drawn = [i18n.language, state, pickable, since, ticket.user_online, ticket.staff_id, ticket.staff_name].join();
    if (row.drawn === drawn) return;
    row.drawn = drawn;
    row.dataset.state = state;
    row.dataset.pickable = pickable;
    const who = { paused: ticket.staff_id === desk.me ? "was-yours" : "was-with", taken: "with" }[state];
    const stateText = t("state-" + state) + (who ? " · " + t(who, { name: staffOf(ticket) }) : "");
    setText(row.querySelector(".badge"), stateText);
    setText(row.querySelector(".age"), since);
    setText(row.querySelector(".away"), ticket.user_online ? "" : t("away"));
    this.fillButton(row.querySelector("button"), state, pickable, ticket.ticket_id);
  },

  fillButton(element, state, pickable, ticketId) {
    element.toggleAttribute("data-open", state === "mine");
    if (state === "mine" || state === "taken") element.removeAttribute("data-pick");
    else element.setAttribute("data-pick", ticketId);
    element.disabled = state !== "mine" && pickable !== "yes";
    const act = state === "mine" ? "open" : "pick";
    setText(element.querySelector(".act"), element.disabled ? "" : t(act));
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

  // How many chats a colleague has.
  loadOf(id) {
    return [...this.tickets.values()].filter((ticket) => ticket.state === "active" && ticket.staff_id === id).length;
  },
};

const staffOf = (ticket) => visibleOr(ticket?.staff_name, ticket?.staff_id);

// Somebody whose chat was paused waits as well, as long as they are there.
const isWaiting = ({ state, user_online }) => state === "waiting" || (state === "paused" && user_online);

// How long the present state has lasted, in whole minutes.
const lasting = (since) => duration((deskNow() - since) / 1000 - 59);
const shortAge = (at) => (deskNow() - at < 60000 ? t("since-now-short") : duration((deskNow() - at) / 1000 - 59, "short"));
const age = (since) => (deskNow() - since < 60000 ? t("since-now") : t("since", { time: lasting(since) }));

function matches(ticket, wanted) {
  if (!wanted) return true;
  const { subject, ticket_id, user_id, user_name, staff_id, staff_name } = ticket;
  const texts = [subject, ticket_id, user_id, user_name ?? "", staff_id ?? "", staff_name ?? ""];
  return texts.some((text) => text.toLowerCase().includes(wanted));
}
