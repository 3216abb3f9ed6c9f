// settings.js: the settings dialog, and the link to the other page.
"use strict";

function startSettings(changed) {
  const address = byId("server-address");
  const open = () => {
    address.value = deskAddress;
    setError(address, "");
    byId("settings").showModal();
  };
  onClick("open-settings", open);
  onClick("change-address", open);
  for (const element of document.querySelectorAll(".disk-only")) element.hidden = isServed;
  byId("settings").querySelector("form").addEventListener("submit", (event) => {
    if (isServed || event.submitter?.value === "sign-out") return;
    const chosen = tidyAddress(address.value);
    setError(address, isAddress(chosen) ? "" : t("address-bad"));
    if (isAddress(chosen)) return switchTo(chosen);
    event.preventDefault();
    address.focus();
  });
  i18n.offer(byId("language"), changed);
  alerts.start(byId("sound"));
  // The served pages are ./ and ./staff. On disk they are files, and the link keeps `?ws=`.
  const link = document.querySelector("[data-other-page]");
  if (isServed) link.setAttribute("href", link.dataset.otherPage);
  else link.href += location.search;
}
