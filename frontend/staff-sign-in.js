// staff-sign-in.js: signing in and out.
"use strict";

function takeTokenFromLink() {
  const token = /[#&]token=([^&]+)/.exec(location.hash)?.[1];
  if (!token) return false;
  byId("token").value = token;
  // Removes the token from the address bar and the history, since it is as good as a password.
  history.replaceState(null, "", location.pathname + location.search);
  byId("staff-id").focus();
  return true;
}

function signIn(event) {
  event.preventDefault();
  const id = byId("staff-id").value.trim();
  const token = byId("token").value.trim();
  const tokenProblem = !token ? "token-empty" : isSecret(token) ? null : "token-bad";
  setError(byId("staff-id"), isId(id) ? "" : t("staff-id-bad"));
  setError(byId("token"), tokenProblem ? t(tokenProblem) : "");
  const wrong = document.querySelector("#sign-in-form [aria-invalid]");
  if (wrong) return wrong.focus();
  Object.assign(desk, { me: id, token, name: tidyName(byId("staff-name").value) });
  wire.start();
}

function refused() {
  store.tab.set("staff", null);
  byId("staff-id").value = desk.me;
  desk.me = "";
  draw();
  setError(byId("token"), t("token-refused"));
  byId("token").focus();
}

function signOut() {
  wire.stop();
  for (const chat of [...chats.all.values()]) chats.forget(chat);
  chats.show(null);
  store.tab.set("staff", null);
  Object.assign(desk, { me: "", token: "", online: false });
  desk.setWantsOnline(false);
  board.tickets.clear();
  byId("token").value = "";
  draw();
  byId("staff-id").focus();
}
