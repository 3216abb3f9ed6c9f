// dialogs.js: the dialogs of both pages: the settings, and the question before an action that cannot be undone.
// A page's own settings are in templates in its HTML.
"use strict";

function addDialog(id, title, ...content) {
  const heading = make("h2", { id: id + "-title", "data-text": title });
  const form = make("form", { method: "dialog", novalidate: "" }, heading, ...content);
  document.body.append(make("dialog", { id, "aria-labelledby": heading.id }, form));
}

const ownContent = (id) => byId(id)?.content ?? "";

addDialog(
  "settings",
  "settings",
  make("label", { for: "language", "data-text": "language" }),
  make("select", { id: "language" }),
  make(
    "label",
    { class: "switch" },
    make("input", { id: "sound", type: "checkbox", role: "switch" }),
    " ",
    make("span", { "data-text": "sound" }),
  ),
  ownContent("own-settings"),
  make("label", { for: "server-address", class: "disk-only", "data-text": "server-address" }),
  make("input", {
    id: "server-address",
    class: "disk-only",
    inputmode: "url",
    autocomplete: "off",
    spellcheck: "false",
    dir: "ltr",
    "aria-describedby": "server-address-error",
  }),
  make("p", { id: "server-address-error", class: "error disk-only", role: "alert" }),
  make(
    "p",
    { class: "actions" },
    make("button", { id: "save-address", class: "primary", "data-text": "done" }),
    ownContent("own-settings-actions"),
  ),
);

addDialog(
  "confirm",
  null,
  make("p", { id: "confirm-note" }),
  make(
    "p",
    { class: "actions" },
    make("button", { id: "confirm-yes", class: "primary", value: "yes" }),
    make("button", { id: "confirm-no", value: "no" }),
  ),
);

// Asks before an action that affects other people. `texts` names the texts for title, explanation, yes and no.
function confirmFirst(texts, act, values) {
  const dialog = byId("confirm");
  const elements = [dialog.querySelector("h2"), byId("confirm-note"), byId("confirm-yes"), byId("confirm-no")];
  elements.forEach((element, index) => setText(element, t(texts[index], values)));
  dialog.returnValue = ""; // the Escape key does not change it
  dialog.addEventListener("close", () => dialog.returnValue === "yes" && act(), { once: true });
  dialog.showModal();
  byId("confirm-no").focus(); // not by autofocus, which browsers block in a frame of another site
}

const confirmClose = (act) => confirmFirst(["confirm-close", "confirm-close-note", "close-ticket", "confirm-no"], act);
