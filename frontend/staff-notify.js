// staff-notify.js: desktop notifications, asked for on a click only, shown only while the page is hidden.
"use strict";

const notices = {
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
    alerts.call();
    if (!document.hidden || window.Notification?.permission !== "granted") return;
    try {
      const notice = new Notification(title, { body, tag: "deskwire." + ticketId });
      notice.onclick = () => {
        window.focus();
        if (chats.all.get(ticketId)?.open) chats.show(ticketId);
      };
    } catch {} // some phones know the name and refuse the use
  },
};
