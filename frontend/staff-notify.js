// staff-notify.js: desktop notifications: permission is asked only on a click, and they are shown only while the page
// is hidden.
"use strict";

const notifications = {
  start() {
    onClick("notify", async () => {
      if (window.Notification) await Notification.requestPermission();
      this.draw();
    });
    this.draw();
  },

  draw() {
    const permission = window.Notification?.permission ?? "missing";
    byId("notify").disabled = permission !== "default";
    setText(byId("notify-state"), t("notify-" + permission));
  },

  show(title, body, ticketId) {
    alerts.notify();
    if (!document.hidden || window.Notification?.permission !== "granted") return;
    try {
      const notification = new Notification(title, { body, tag: "deskwire." + ticketId });
      notification.onclick = () => {
        window.focus();
        if (chats.all.get(ticketId)?.open) chats.show(ticketId);
      };
    } catch {} // some phones have Notification and throw when it is used
  },
};
