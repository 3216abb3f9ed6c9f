// elements.js: makes and fills elements. Texts from peers only ever become text nodes.
"use strict";

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

// Changes the text only where it differs, so that a live region is read out once.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Shows an error under its field: announced (role=alert) and tied to it.
function setError(field, text) {
  setText(byId(field.id + "-error"), text);
  if (text) field.setAttribute("aria-invalid", "true");
  else field.removeAttribute("aria-invalid");
}

// Has a text read out by screen readers, once.
function announce(text) {
  setText(byId("alert"), "");
  setTimeout(() => setText(byId("alert"), text), 50);
}
