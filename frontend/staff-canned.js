// staff-canned.js: ready replies, kept in this browser.
"use strict";

const canned = {
  list: () => store.kept.get("canned", isListOfTexts) ?? [t("canned-1"), t("canned-2"), t("canned-3")],

  start() {
    onClick("open-canned", () => this.open());
    onClick("canned-done", () => byId("canned").close());
    byId("canned-filter").addEventListener("input", () => this.draw());
    byId("canned-filter").addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault();
      byId("canned-list").querySelector("[data-canned]")?.click();
    });
    byId("canned-form").addEventListener("submit", (event) => this.add(event));
  },

  open() {
    if (!chats.shown || chats.composer.locked) return;
    byId("canned-filter").value = "";
    this.draw();
    byId("canned").showModal();
    byId("canned-filter").focus();
  },

  draw() {
    const wanted = byId("canned-filter").value.trim().toLowerCase();
    const rows = this.list().filter((text) => text.toLowerCase().includes(wanted)).map((text) => this.row(text));
    byId("canned-list").replaceChildren(...rows);
    byId("canned-empty").hidden = rows.length > 0;
  },

  row(text) {
    const use = button(text, { class: "use", "data-canned": "" }, () => this.use(text));
    const label = `${t("canned-remove")}: ${text}`;
    const remove = button("×", { class: "icon", "data-canned-remove": "", "aria-label": label }, () =>
      this.keep(this.list().filter((other) => other !== text)),
    );
    return make("li", {}, use, remove);
  },

  use(text) {
    byId("canned").close();
    const field = byId("text");
    field.focus();
    field.setRangeText(text, field.selectionStart, field.selectionEnd, "end");
    chats.composer.changed();
  },

  add(event) {
    event.preventDefault();
    const text = byId("canned-new").value.trim();
    if (text && !this.list().includes(text)) this.keep([...this.list(), text]);
    byId("canned-new").value = "";
  },

  keep(list) {
    store.kept.set("canned", list);
    this.draw();
  },
};
