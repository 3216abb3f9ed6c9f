// checks.js: what texts, ids and secrets must be.
"use strict";

const isText = (value) => typeof value === "string";
const isBoolean = (value) => typeof value === "boolean";
const isListOfTexts = (value) => Array.isArray(value) && value.every(isText);

const ID_FORM = /^[A-Za-z0-9._~-]{1,64}$/;
const SECRET_FORM = /^[A-Za-z0-9!#$%&'*+.^_`|~-]+$/; // RFC 7230 3.2.6: what a subprotocol's name may hold
const isId = (value) => isText(value) && ID_FORM.test(value);
const isSecret = (value) => isText(value) && SECRET_FORM.test(value);

function idFromName(name) {
  const plain = name.normalize("NFKD").replace(/\p{M}/gu, "").replace(/[^A-Za-z0-9._~]+/g, "-");
  // Not randomUUID: it is missing on plain http by name.
  const tail = crypto.getRandomValues(new Uint32Array(2)).join("").slice(0, 9);
  return `${plain.replace(/^-|-$/g, "").slice(0, 40) || "user"}-${tail}`;
}

// The desk counts Unicode scalar values. A lone surrogate is none, and no UTF-8 frame can hold it.
const wellFormed = (text) => text.replace(/\p{Surrogate}/gu, "\uFFFD");
const lengthOf = (text) => [...text].length;
