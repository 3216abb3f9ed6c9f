// alerts.js: alerts the reader to news: with a count in the title of a hidden page, and with a sound if it is switched
// on.
"use strict";

const plainTitle = document.title;

const alerts = {
  count: 0,

  start(soundSwitch) {
    soundSwitch.checked = this.hasSound();
    soundSwitch.addEventListener("change", () => {
      store.kept.set("sound", soundSwitch.checked);
      if (soundSwitch.checked) this.beep(); // a sample of the sound
    });
    document.addEventListener("visibilitychange", () => this.isHidden() || this.setCount(0));
  },

  // embedded.js replaces both if the page is in a frame of another site.
  isHidden: () => document.hidden,
  onCount() {},

  setCount(count) {
    this.count = count;
    document.title = count ? `(${count}) ${plainTitle}` : plainTitle;
    this.onCount(count);
  },

  hasSound: () => store.kept.get("sound", isBoolean, false),

  // Alerts the reader to something new.
  notify() {
    if (this.isHidden()) this.setCount(this.count + 1);
    if (this.hasSound()) this.ringInOneTab();
  },

  // If there are several tabs, only the one that gets the lock rings. Without locks, each of them does.
  ringInOneTab() {
    const ring = async (lock) => {
      if (lock) this.beep();
      await new Promise((done) => setTimeout(done, 1000));
    };
    if (!navigator.locks) return this.beep();
    navigator.locks.request("deskwire.ring", { ifAvailable: true }, ring).catch(() => this.beep());
  },

  // A short soft tone. Browsers allow no sound before the first click or key in a page.
  beep() {
    this.audio ??= new AudioContext();
    this.audio.resume();
    const gain = this.audio.createGain();
    const tone = this.audio.createOscillator();
    const now = this.audio.currentTime;
    gain.gain.setValueAtTime(0.1, now);
    gain.gain.exponentialRampToValueAtTime(0.001, now + 0.4);
    tone.frequency.value = 740;
    tone.connect(gain).connect(this.audio.destination);
    tone.start(now);
    tone.stop(now + 0.4);
  },
};
