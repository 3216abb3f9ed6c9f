// people.js: shows who somebody is at a glance: the initials of a name, in a circle.
"use strict";

const TONES = 5;

const firstLetter = (word) => /\p{L}\p{M}*/u.exec(word)?.[0];
const isCased = (letter) => letter.toLowerCase() !== letter.toUpperCase();

// The initials of the first and the last word. If a script has no capitals, only one letter: two would be read as a
// word, or be joined.
function initials(name) {
  const all = name.split(/[\s._~-]+/).map(firstLetter).filter(Boolean);
  const isPair = all.length > 1 && all.every(isCased);
  return (isPair ? all[0] + all.at(-1) : (all[0] ?? "?")).toUpperCase();
}

// Not read out, since the name is beside it. An id has the same colour everywhere.
function avatar(name, id = name) {
  const tone = [...id].reduce((sum, character) => sum + character.codePointAt(0), 0) % TONES;
  return make("span", { class: "avatar", "data-tone": tone, title: id, "aria-hidden": "true" }, initials(name));
}
