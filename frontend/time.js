// time.js: the desk's clock, and times in the reader's format.
"use strict";

// Times are the desk's, since the reader's clock may be wrong.
let clockOffsetMs = 0;
const deskNow = () => Date.now() + clockOffsetMs;
const setDeskClock = (now) => (clockOffsetMs = now - Date.now());

// How long ago that was, by the reader's clock. If the clock was set back it cannot be known, and counts as long ago.
const elapsedMs = (since) => (Date.now() < since ? Infinity : Date.now() - since);

const format = (at, options) => formatter(Intl.DateTimeFormat, options).format(at);
const clockTime = (at) => format(at, { hour: "2-digit", minute: "2-digit" });
const dayName = (at) => format(at, { weekday: "long", day: "numeric", month: "long" });
const fullDay = (at) => format(at, { year: "numeric", month: "short", day: "numeric" });
const dayKey = (at) => new Date(at).toDateString();
const timeElement = (at, text) => make("time", { datetime: new Date(at).toISOString() }, text);

// "3 minutes", "2 hours": rounded up, never "0 minutes".
function duration(seconds, unitDisplay = "long") {
  const minutes = Math.max(1, Math.ceil(seconds / 60));
  const [count, unit] = minutes < 60 ? [minutes, "minute"] : [Math.round(minutes / 60), "hour"];
  return formatter(Intl.NumberFormat, { style: "unit", unit, unitDisplay }).format(count);
}
