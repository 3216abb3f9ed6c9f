// Has a page do what a page of the simulation did, and says where it does something else. It runs before the page's own
// scripts, and gives them a clock, sockets and chances of its own; `START` says how the page begins (agreement.rs).
"use strict";

const replay = (() => {
  const SHOWN_MAX = 100; // messages: of long chats the page keeps less than the simulation
  const DRAWN_MIN = 300; // entries: those before them come on demand
  const ROUNDS_MAX = 100000;
  let { now, hidden } = START;
  let wait = 0.5;
  let number = 0;
  let socket = null;
  let sent = [];

  // ---- The world of the page

  const timers = new Map();
  let lastTimer = 0;
  const later = (act, ms = 0, every = null) => {
    timers.set((lastTimer += 1), { act, due: now + Math.round(ms), every });
    return lastTimer;
  };
  Date.now = () => now;
  Math.random = () => 2 * wait - 1;
  window.setTimeout = later;
  window.setInterval = (act, ms) => later(act, ms, ms);
  window.clearTimeout = window.clearInterval = (id) => timers.delete(id);
  Object.defineProperty(document, "hidden", { get: () => hidden });
  HTMLElement.prototype.focus = () => {}; // the model knows nothing of the focus

  window.WebSocket = class {
    constructor(url, protocols) {
      const secret = protocols.find((protocol) => protocol.startsWith("secret."));
      sent.push({ type: "connect", path: new URL(url).pathname, secret: secret?.slice(7) ?? null });
      socket = this;
    }
    send(text) {
      sent.push(JSON.parse(text));
    }
    close() {
      if (socket === this) socket = null;
    }
  };

  // The browser's own may come to the next page a moment too late.
  const stored = START.stored ?? { [`deskwire.${START.kind}@${START.address}`]: JSON.stringify(START.person) };
  const storage = {
    getItem: (key) => stored[key] ?? null,
    setItem: (key, value) => (stored[key] = value),
    removeItem: (key) => delete stored[key],
  };
  Object.defineProperty(window, "sessionStorage", { get: () => storage });

  // Runs the timers that are due before `end`, and those that are due then if it is `included`.
  function pass(end, included) {
    for (let round = 0; ; round += 1) {
      if (round > ROUNDS_MAX) throw new Error("the page's timers do not come to rest");
      const due = [...timers].filter(([, timer]) => (included ? timer.due <= end : timer.due < end));
      const [first] = due.sort(([a, one], [b, other]) => one.due - other.due || a - b);
      if (!first) break;
      const [id, timer] = first;
      now = Math.max(now, timer.due);
      if (timer.every === null) timers.delete(id);
      else timer.due += timer.every;
      timer.act();
    }
    now = end;
  }

  // ---- What its person does

  const isUser = () => START.kind === "user";
  const allChats = () => (isUser() ? [chat].filter(Boolean) : [...chats.all.values()]);
  const chatOf = (ticket) => allChats().find(({ ticketId }) => ticketId === ticket);

  const acts = {
    ask(subject) {
      if (chat) showForm(true);
      byId("subject").value = subject;
      byId("ask-form").requestSubmit();
    },
    closeOwn() {
      setClosing(true); // as the dialog does after a yes
      wire.send({ type: "close_ticket" });
    },
    rate(score) {
      if (showsForm) showForm(false);
      if (byId("rating").hidden) throw new Error("no rating is offered");
      byId("scores").children[score - 1].click();
    },
    write(text) {
      byId("text").value = text;
      byId("composer").requestSubmit();
    },
    type(isSomething) {
      byId("text").value = isSomething ? "x" : "";
      byId("text").dispatchEvent(new Event("input"));
    },
    retry(ticket, text) {
      const entry = chatOf(ticket).entries.find(({ state }) => state === "failed");
      entry.text = text; // no text is said twice in the simulation
      chatOf(ticket).retry(entry);
    },
    goOnline: (online) => desk.setOnline(online),
    button: (kind, ticket, more) => desk.act(kind, ticket, more),
    show: (ticket) => chats.show(ticket),
    look(looks) {
      hidden = !looks;
      document.dispatchEvent(new Event("visibilitychange"));
    },
  };

  // Two tabs must not choose the same ids. A page of the simulation knows by its number which are its own (pages/mod.rs).
  const IDS_A_MS = 64;
  function newId() {
    const least = Math.max(this.nextId, now * IDS_A_MS);
    const id = least + ((number + IDS_A_MS - (least % IDS_A_MS)) % IDS_A_MS);
    this.nextId = id + 1;
    return id;
  }

  // ---- What is compared

  const isSaid = ({ kind }) => kind === "message";
  const LETTERS = { queued: "q", sending: "g", sent: "s", delivered: "d", failed: "f" };
  const letterOf = ({ from, state, isRecap }) =>
    from === "me" ? LETTERS[state] : from === "colleague" ? "c" : isRecap ? "r" : "t";

  function showsChat({ ticketId, state, open, entries }) {
    const all = entries.filter(isSaid);
    const messages = all.slice(-SHOWN_MAX).map(letterOf).join("");
    return { ticket: ticketId, state, open: isUser() ? null : open, messages, last: all.at(-1)?.text ?? null };
  }

  function shows() {
    const both = { line: wire.state, chats: allChats().map(showsChat) };
    // The composer of a closed chat is not drawn while another ticket is asked for.
    if (isUser()) {
      const locked = chat ? chat.state === "closed" || Boolean(composer.locked) : null;
      return { ...both, asking, locked, score: chat?.score ?? null, rates: offersRating() };
    }
    const { shown } = chats;
    const board_ = [...board.tickets.keys()].sort();
    const colleagues = [...board.colleagues.keys()].sort();
    const locked = shown ? Boolean(chats.composer.locked) : null;
    return { ...both, online: desk.online, shown: shown?.ticketId ?? null, board: board_, colleagues, locked };
  }

  function offersRating() {
    if (chat && document.body.dataset.view !== "chat") drawRating(); // it is not drawn behind the form
    return Boolean(chat) && !byId("ended").hidden && !byId("rating").hidden;
  }

  const textOf = (row) => row.querySelector(".text").textContent;

  // What is drawn of the chat on the screen is what the page has of it: all, or the last 300 entries and what came after them.
  function misdrawn() {
    const shown = isUser() ? chat : chats.shown;
    if (!shown) return null;
    const rows = [...document.querySelectorAll("#log li.message")];
    const drawn = rows.map((row) => [row.dataset.from, row.dataset.state ?? null, "recap" in row.dataset, textOf(row)]);
    const all = shown.entries.filter(isSaid);
    const right = all.map(({ from, state, isRecap, text }) => [from, state ?? null, Boolean(isRecap), text]);
    const last = right.slice(-drawn.length || right.length);
    const isEnough = drawn.length >= shown.entries.slice(-DRAWN_MIN).filter(isSaid).length;
    return isEnough && JSON.stringify(drawn) === JSON.stringify(last) ? null : { drawn, right };
  }

  // The same text for the same value, in whatever order its fields are.
  const plain = (value) =>
    JSON.stringify(value, (_, inner) =>
      inner instanceof Object && !Array.isArray(inner) ? Object.fromEntries(Object.entries(inner).sort()) : inner,
    );

  function happens({ at, event, of }) {
    pass(at, event === "time");
    if (event === "starts") wire.start();
    if (event === "act") acts[of[0]](...of.slice(1));
    if (event === "frame") socket.onmessage({ data: JSON.stringify(of) });
    if (event === "closed") socket.onclose({ code: of });
  }

  function step(moment) {
    ({ wait, number } = moment);
    if (moment.event !== "loads") happens(moment);
    const [did, right] = [sent, moment.sent].map((frames) => frames.map(plain).sort());
    sent = [];
    if (plain(did) !== plain(right)) return { sent: did, right };
    if (plain(shows()) !== plain(moment.shows)) return { shows: shows(), right: moment.shows };
    return null;
  }

  return {
    // Returns the first thing that is not as it was there, or null.
    run(moments) {
      Conversation.prototype.newId = newId;
      for (const [index, moment] of moments.entries()) {
        let problem;
        try {
          problem = step(moment);
        } catch (error) {
          problem = { thrown: String(error.stack) };
        }
        if (problem) return { index, ...problem };
      }
      const problem = misdrawn();
      return problem && { index: moments.length - 1, ...problem };
    },
    stored,
  };
})();
