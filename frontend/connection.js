// connection.js: shows the state of the connection, and the actions that may help.
"use strict";

function drawConnection() {
  const { state, reason } = wire;
  byId("status").dataset.connection = state;
  setText(byId("status"), t("status-" + (state === "retrying" ? "connecting" : state)));
  const isShown = reason && reason !== "refused"; // a refused sign-in is shown at its field
  byId("notice").hidden = !isShown;
  byId("notice").dataset.reason = reason ?? "";
  setText(byId("notice-text"), isShown ? t("notice-" + reason, { address: deskAddress }) : "");
  const offer = (id, ...reasons) => byId(id) && (byId(id).hidden = !reasons.includes(reason));
  offer("use-here", "elsewhere");
  offer("start-fresh", "not-yours");
  offer("try-now", ...Object.values(RETRY_REASONS), "lost");
  offer("change-address", ...(isServed ? [] : ["lost", "bad-address"]));
}
