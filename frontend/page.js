// page.js: what both pages use: elements, storage that may fail, words in the reader's language, times.
"use strict";

// ---- Elements. Text from peers only ever becomes text: strings given here become text nodes.

const byId = (id) => document.getElementById(id);

function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

function button(text, attributes, action) {
  const element = make("button", { type: "button", ...attributes }, text);
  element.addEventListener("click", action);
  return element;
}

const onClick = (id, action) => byId(id).addEventListener("click", action);

// Only where it differs: a live region speaks once.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// An error under its field: announced (role=alert) and tied to it.
function setError(field, text) {
  setText(byId(field.id + "-error"), text);
  if (text) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

// ---- Storage: the tab's own, and what is kept for later visits (preferences only).
// Either may throw (blocked, full): then the page remembers for as long as it is open.

function storage(open, keyOf) {
  const memory = new Map();
  return {
    // What was stored may be anything: a value that `isValid` refuses counts as absent.
    get(name, isValid, fallback = null) {
      if (memory.has(name)) return memory.get(name) ?? fallback;
      try {
        const value = JSON.parse(open().getItem(keyOf(name)));
        return isValid(value) ? value : fallback;
      } catch {
        return fallback;
      }
    },
    set(name, value) {
      memory.set(name, value);
      try {
        if (value === null) open().removeItem(keyOf(name));
        else open().setItem(keyOf(name), JSON.stringify(value));
      } catch {}
    },
  };
}

const store = {
  kept: storage(() => localStorage, (name) => "deskwire." + name),
  // Everything that concerns one desk is stored under its address: what one desk gave is sent to no other.
  tab: storage(() => sessionStorage, (name) => `deskwire.${name}@${deskAddress}`),
};

const isText = (value) => typeof value === "string";
const isBoolean = (value) => typeof value === "boolean";
const isListOfTexts = (value) => Array.isArray(value) && value.every(isText);

// ---- Ids and secrets, as the desk takes them

const ID_FORM = /^[A-Za-z0-9._~-]{1,64}$/;
const SECRET_FORM = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/; // RFC 7230 3.2.6: what a subprotocol's name may hold
const isId = (value) => isText(value) && ID_FORM.test(value);
const isSecret = (value) => isText(value) && SECRET_FORM.test(value);

function idFromName(name) {
  const plain = name.normalize("NFKD").replace(/\p{M}/gu, "").replace(/[^A-Za-z0-9._~]+/g, "-");
  // Not randomUUID: it is missing on plain http by name.
  const tail = crypto.getRandomValues(new Uint32Array(2)).join("").slice(0, 9);
  return `${plain.replace(/^-|-$/g, "").slice(0, 40) || "visitor"}-${tail}`;
}

// Lengths are in Unicode scalar values; half a surrogate pair is none and would spoil the frame.
const wellFormed = (text) => text.replace(/\p{Surrogate}/gu, "\uFFFD");
const lengthOf = (text) => [...text].length;

// ---- Words: one table per page (strings-*.js), a column a language.

const words = {
  column: 0,

  start() {
    const wanted = [store.kept.get("language", isText), ...(navigator.languages ?? [])];
    const known = wanted.map((tag) => STRINGS.languages.indexOf(String(tag).toLowerCase().split("-")[0]));
    this.use(known.find((column) => column >= 0) ?? 0);
  },

  get language() {
    return STRINGS.languages[this.column];
  },

  use(column) {
    this.column = column;
    document.documentElement.lang = this.language;
    this.fill();
  },

  // Fills what the HTML names: data-text (content), data-label (aria-label), data-hint (placeholder).
  fill() {
    const each = (name, set) => document.querySelectorAll(`[data-${name}]`).forEach((e) => set(e, t(e.dataset[name])));
    each("text", setText);
    each("label", (element, text) => element.setAttribute("aria-label", text));
    each("hint", (element, text) => (element.placeholder = text));
  },

  // The choice in the page; `changed` draws anew what was made by script.
  offer(select, changed) {
    STRINGS.languages.forEach((tag, column) => {
      select.append(make("option", { value: tag, lang: tag }, STRINGS.languageName[column]));
    });
    select.value = this.language;
    select.addEventListener("change", () => {
      store.kept.set("language", select.value);
      this.use(select.selectedIndex);
      changed();
    });
  },
};

// A text by name. A text with a count is an object of plural forms: { one, other }.
function t(key, values = {}) {
  let text = STRINGS[key]?.[words.column] ?? key;
  if (typeof text === "object") text = text[new Intl.PluralRules(words.language).select(values.count)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (whole, name) => values[name] ?? whole);
}

// A text by name, or another where the table has none.
const tOr = (key, other, values) => t(key in STRINGS ? key : other, values);

// ---- Times. The desk's clock is the one that counts; ours may be off.

let clockSkewMs = 0;
const deskNow = () => Date.now() + clockSkewMs;
const setDeskClock = (now) => (clockSkewMs = now - Date.now());

const format = (at, options) => new Intl.DateTimeFormat(words.language, options).format(at);
const clockTime = (at) => format(at, { hour: "2-digit", minute: "2-digit" });
const dayName = (at) => format(at, { weekday: "long", day: "numeric", month: "long" });
const dayKey = (at) => new Date(at).toDateString();
const timeElement = (at, text) => make("time", { datetime: new Date(at).toISOString() }, text);

// "3 minutes", "2 hours": rounded up, never "0 minutes".
function duration(seconds) {
  const minutes = Math.max(1, Math.ceil(seconds / 60));
  const [count, unit] = minutes < 60 ? [minutes, "minute"] : [Math.round(minutes / 60), "hour"];
  return new Intl.NumberFormat(words.language, { style: "unit", unit, unitDisplay: "long" }).format(count);
}

// ---- Waiting before another try: each wait is twice as long as the one before it. `act` is called at its end.

class Backoff {
  constructor(act, firstMs, maxMs) {
    Object.assign(this, { act, firstMs, maxMs, nextMs: firstMs, timer: null });
  }

  get isWaiting() {
    return this.timer !== null;
  }

  wait() {
    clearTimeout(this.timer);
    // Jitter: those who were refused together do not come back together.
    this.timer = setTimeout(() => this.now(), this.nextMs * (1 + Math.random() / 4));
    this.nextMs = Math.min(this.nextMs * 2, this.maxMs);
  }

  now() {
    clearTimeout(this.timer);
    this.timer = null;
    this.act();
  }

  reset() {
    clearTimeout(this.timer);
    this.timer = null;
    this.nextMs = this.firstMs;
  }
}

// ---- What both pages have: settings, the link to the other page, a voice for the screen reader.
// `changed` draws anew after another language was chosen.

function startSettings(changed) {
  const address = byId("server-address");
  const open = () => {
    address.value = deskAddress;
    byId("settings").showModal();
  };
  onClick("open-settings", open);
  onClick("change-address", open);
  for (const element of document.querySelectorAll(".disk-only")) element.hidden = isServed;
  byId("settings-form").addEventListener("submit", () => {
    if (!isServed) moveTo(tidyAddress(address.value));
  });
  words.offer(byId("language"), changed);
  alerts.start(byId("sound"));
  // Served, the pages are ./ and ./staff; on disk they are files, and a `?ws=` goes along.
  const link = document.querySelector("[data-other-page]");
  if (isServed) link.setAttribute("href", link.dataset.otherPage);
  else link.href += location.search;
}

function drawConnection() {
  const { state, reason } = wire;
  byId("status").dataset.connection = state;
  setText(byId("status"), t("status-" + (state === "retrying" ? "connecting" : state)));
  const told = reason && reason !== "refused"; // a refused sign-in is told at its field
  byId("notice").hidden = !told;
  byId("notice").dataset.reason = reason ?? "";
  setText(byId("notice-text"), told ? t("notice-" + reason, { address: deskAddress }) : "");
  const offer = (id, ...reasons) => byId(id) && (byId(id).hidden = !reasons.includes(reason));
  offer("use-here", "elsewhere");
  offer("start-fresh", "not-yours");
  offer("try-now", ...Object.values(RETRY_REASONS), "lost");
  offer("change-address", ...(isServed ? [] : ["lost", "bad-address"]));
}

// Messages that wait for long: why, in words.
function drawHold(code, name) {
  setText(byId("hold"), code ? t("hold-" + code, { name }) : "");
}

// For screen readers, once.
function announce(text) {
  setText(byId("alert"), "");
  setTimeout(() => setText(byId("alert"), text), 50);
}
