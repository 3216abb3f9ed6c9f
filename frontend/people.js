// people.js: shows who somebody is at a glance: the initials of a name, in a circle.
"use strict";

const TONES = 5;

const firstLetter = (word) => /\p{L}\p{M}*/u.exec(word)?.[0];
const isCased = (letter) => letter.toLowerCase() !== letter.toUpperCase();

// The initials of the first and the last word. If a script has no capitals, only one letter: two would be read as a
// word, or be joined.
function initials(name) {
  const letters = name.split(/[\s._~-]+/).map(firstLetter).filter(Boolean);
  const two = letters.length > 1 && letters.every(isCased);
  return (two ? letters[0] + letters.at(-1) : (letters[0] ?? "?")).toUpperCase();
}

// Not read out, since the name is beside it. An id has the same colour everywhere.
function avatar(name, id = name) {
  const tone = [...id].reduce((sum, letter) => sum + letter.codePointAt(0), 0) % TONES;
  return make("span", { class: "avatar", "data-tone": tone, title: id, "aria-hidden": "true" }, initials(name));
}
