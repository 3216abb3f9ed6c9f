// dialogs.js: the dialogs that both pages have: the settings, and the question before a ticket is closed.
// A page's own settings stand in its HTML, in templates.
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
  }),
  make(
    "p",
    { class: "actions" },
    make("button", { id: "save-address", class: "primary", "data-text": "done" }),
    ownContent("own-settings-actions"),
  ),
);

addDialog(
  "confirm-close",
  "confirm-close",
  make("p", { "data-text": "confirm-close-note" }),
  make(
    "p",
    { class: "actions" },
    make("button", { id: "confirm-yes", class: "primary", value: "yes", "data-text": "close-ticket" }),
    make("button", { value: "no", "data-text": "confirm-no" }),
  ),
);

// Calls `close` when the reader has said yes.
function startConfirmClose(close) {
  onClick("close-ticket", () => byId("confirm-close").showModal());
  byId("confirm-close").addEventListener("close", ({ target }) => {
    if (target.returnValue === "yes") close();
    target.returnValue = ""; // the Escape key leaves it as it was
  });
}
