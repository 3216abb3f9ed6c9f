// staff-canned.js: ready replies: kept in this browser, and taken to another one in a file.
"use strict";

const CANNED_MAX = 500; // replies
const CANNED_BYTES_MAX = 2000000; // of a file; a browser keeps about 5 MB for all of the page
const NAME_PLACE = / ?\{name\}/g; // with the space before it, which goes where there is no name

const isCannedList = (value) =>
  isListOfTexts(value) && value.length <= CANNED_MAX && value.every((text) => text.trim() && lengthOf(text) <= TEXT_MAX);

const canned = {
  editing: null, // the reply that is being changed

  list: () => store.kept.get("canned", isListOfTexts) ?? [t("canned-1"), t("canned-2"), t("canned-3")],

  start() {
    onClick("open-canned", () => this.open());
    onClick("canned-done", () => byId("canned").close());
    onClick("canned-export", () => saveFile("replies.json", "application/json", JSON.stringify(this.list(), null, 2)));
    onClick("canned-import", () => byId("canned-file").click());
    onClick("canned-cancel", () => this.edit(null));
    byId("canned-file").addEventListener("change", ({ target }) => this.import(target));
    byId("canned-filter").addEventListener("input", () => this.draw());
    byId("canned-filter").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      byId("canned-list").querySelector("[data-canned]")?.click();
    });
    byId("canned-form").addEventListener("submit", (event) => this.submit(event));
  },

  open() {
    if (!chats.shown || chats.composer.locked) return;
    byId("canned-filter").value = "";
    setText(byId("canned-outcome"), "");
    this.edit(null);
    byId("canned").showModal();
    byId("canned-filter").focus();
  },

  draw() {
    const wanted = byId("canned-filter").value.trim().toLowerCase();
    const matching = this.list().filter((text) => this.filled(text).toLowerCase().includes(wanted));
    const rows = matching.map((text) => this.row(text));
    byId("canned-list").replaceChildren(...rows);
    byId("canned-empty").hidden = rows.length > 0;
    const isEdit = this.editing !== null;
    setText(byId("canned-new-label"), t(isEdit ? "canned-change" : "canned-new"));
    setText(byId("canned-add"), t(isEdit ? "canned-save" : "canned-add"));
    byId("canned-cancel").hidden = !isEdit;
  },

  row(text) {
    const use = button(this.filled(text), { class: "use", "data-canned": "", dir: "auto" }, () => this.use(text));
    const icon = (key) => ({ class: "icon", "aria-label": `${t(key)}: ${text}` });
    const edit = button("✎", { "data-canned-edit": "", ...icon("canned-change") }, () => this.edit(text));
    const remove = button("×", { "data-canned-remove": "", ...icon("canned-remove") }, () => {
      if (text === this.editing) this.edit(null);
      this.keep(this.list().filter((other) => other !== text));
      byId("canned-filter").focus(); // the button that had the focus is gone
    });
    return make("li", {}, use, edit, remove);
  },

  // The reply as it is said: to somebody with a name, or without one. Nobody is called by an id.
  filled(text) {
    const { user, userId } = chats.shown ?? {};
    return text.replace(NAME_PLACE, (place) => (user === userId ? "" : place.replace("{name}", () => user)));
  },

  use(text) {
    byId("canned").close();
    const field = byId("text");
    field.focus();
    field.setRangeText(this.filled(text), field.selectionStart, field.selectionEnd, "end");
    chats.composer.changed();
  },

  // Puts a reply into the field in which it is written, or empties that.
  edit(text) {
    this.editing = text;
    byId("canned-new").value = text ?? "";
    setError(byId("canned-new"), "");
    this.draw();
    if (text !== null) byId("canned-new").focus();
  },

  submit(event) {
    event.preventDefault();
    const text = wellFormed(byId("canned-new").value.trim());
    const list = this.list();
    const others = list.filter((other) => other !== this.editing);
    const over = lengthOf(text) - TEXT_MAX;
    const problem = !text ? "canned-nothing" : over > 0 ? "too-long" : others.length >= CANNED_MAX ? "canned-full" : null;
    setError(byId("canned-new"), problem ? t(problem, { count: over > 0 ? over : CANNED_MAX }) : "");
    if (problem) return byId("canned-new").focus();
    const changed = this.editing === null ? [...list, text] : list.map((other) => (other === this.editing ? text : other));
    this.edit(null);
    this.keep([...new Set(changed)]);
    byId("canned-new").focus();
  },

  // Adds the replies of a file to those that are there.
  async import(field) {
    const [file] = field.files;
    field.value = ""; // so that the same file can be chosen again
    if (!file) return;
    const read = file.size <= CANNED_BYTES_MAX ? await file.text().then(JSON.parse).catch(() => null) : null;
    const list = this.list();
    const all = isCannedList(read) ? [...new Set([...list, ...read.map((text) => wellFormed(text.trim()))])] : null;
    const isKept = all !== null && all.length <= CANNED_MAX;
    if (isKept) this.keep(all);
    const key = isKept ? "canned-imported" : all ? "canned-full" : "canned-no-file";
    setText(byId("canned-outcome"), t(key, { count: isKept ? all.length - list.length : CANNED_MAX }));
  },

  keep(list) {
    store.kept.set("canned", list);
    this.draw();
  },
};
