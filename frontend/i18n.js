// i18n.js: texts by name in the reader's language, from the tables in strings*.js.
"use strict";

const i18n = {
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

  // Fills in the texts that the HTML names: data-text (content), data-label (aria-label), data-hint (placeholder).
  fill() {
    const each = (name, set) => document.querySelectorAll(`[data-${name}]`).forEach((e) => set(e, t(e.dataset[name])));
    each("text", setText);
    each("label", (element, text) => element.setAttribute("aria-label", text));
    each("hint", (element, text) => (element.placeholder = text));
  },

  // Fills the choice of languages. `changed` redraws what scripts have made.
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

// Returns a formatter of this kind in the reader's language. Making one takes longer than drawing a row.
const formatters = new Map();
function formatter(Kind, options = {}) {
  const key = Kind.name + i18n.language + JSON.stringify(options);
  if (!formatters.has(key)) formatters.set(key, new Kind(i18n.language, options));
  return formatters.get(key);
}

// A value beyond Europe's scripts may be read from right to left: it is isolated from the sentence that it is put into (UAX
// #9, FSI and PDI). What orders text is left out of it: an unmatched PDI would end the isolation.
const isolated = (value) =>
  /[^\0-\u058F]/.test(value) ? `\u2068${String(value).replace(/\p{Bidi_C}/gu, "")}\u2069` : value;

// Returns a text by name. A text with a count is an object of plural forms: { one, other }.
function t(key, values = {}) {
  let text = STRINGS[key]?.[i18n.column] ?? key;
  if (typeof text === "object") text = text[formatter(Intl.PluralRules).select(values.count)] ?? text.other;
  return text.replace(/\{(\w+)\}/g, (whole, name) => isolated(values[name] ?? whole));
}

// Returns a text by name, or another text if that name has none.
const tOr = (key, other, values) => t(key in STRINGS ? key : other, values);
