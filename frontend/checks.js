// checks.js: checks of texts, ids and secrets.
"use strict";

const isText = (value) => typeof value === "string";
const isBoolean = (value) => typeof value === "boolean";
const isListOfTexts = (value) => Array.isArray(value) && value.every(isText);

const ID_FORM = /^[A-Za-z0-9._~-]{1,64}$/;
const SECRET_FORM = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/; // RFC 7230 3.2.6: what a subprotocol's name may hold
const isId = (value) => isText(value) && ID_FORM.test(value);
const isSecret = (value) => isText(value) && SECRET_FORM.test(value);

// Not randomUUID: it is missing on plain http by name.
const newId = () => "user-" + crypto.getRandomValues(new Uint32Array(2)).join("").slice(0, 9);

// The desk counts Unicode scalar values. A lone surrogate is not one, and cannot be sent in UTF-8.
const wellFormed = (text) => text.replace(/\p{Surrogate}/gu, "\uFFFD");
const lengthOf = (text) => [...text].length;

// A name or a subject without a visible character is shown as the id instead.
const isVisible = (text) => /[^\p{DI}\p{Z}\p{C}\p{M}]/u.test(text ?? "");
const visibleOr = (text, id) => (isVisible(text) ? text : id);

// A name as the desk takes it: without control and bidirectional control characters.
const NAME_MAX = 64; // characters
const NO_NAME = /[\p{Cc}\u061C\u200E\u200F\u202A-\u202E\u2066-\u2069]/gu;
const tidyName = (typed) =>
  isVisible(typed) ? [...wellFormed(typed).replace(NO_NAME, " ").trim()].slice(0, NAME_MAX).join("").trim() : "";
