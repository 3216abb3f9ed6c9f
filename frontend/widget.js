// widget.js: the desk on another site: <script src="https://desk.example/widget.js" async></script> A button in the
// corner opens the user's page in a frame. Everything is in a shadow root, so that neither site's styles affect the
// other.
"use strict";

(() => {
  // A page may load the script twice by mistake: one launcher is enough.
  const isHere = Symbol.for("deskwire");
  if (window[isHere]) return;
  window[isHere] = true;
  const script = document.currentScript;
  const page = new URL(".", script.src);
  const label = script.dataset.label || "__NAME__";
  const host = document.createElement("div");
  const root = host.attachShadow({ mode: "open" });
  const make = (name, attributes, ...content) => {
    const element = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
    element.append(...content);
    return element;
  };

  // The site's own rules for all elements match the host, too. Important ones of a shadow root win over them.
  const style = new CSSStyleSheet();
  style.replaceSync(`
    :host { all: initial !important; position: fixed !important; inset-block-end: 16px !important; inset-inline-end: 16px !important;
      z-index: 2147483000 !important }
    button { position: relative; min-width: 56px; height: 56px; padding: 0 18px; border: 0; border-radius: 28px;
      background: __ACCENT__; color: #fff; font: 600 16px/1 system-ui, sans-serif; cursor: pointer;
      box-shadow: 0 2px 10px #0004 }
    button::before { content: ""; display: inline-block; width: 18px; height: 15px; margin-inline-end: 10px; vertical-align: -1px;
      border-radius: 5px; border-end-start-radius: 0; background: currentcolor }
    [aria-expanded=true]::before { content: "✕" / ""; background: none }
    button:focus-visible { outline: 3px solid __ACCENT__; outline-offset: 3px }
    span { position: absolute; inset-block-start: -6px; inset-inline-end: -6px; min-width: 22px; padding: 4px 0; border-radius: 11px;
      background: #ab1f2b; color: #fff; font-size: 13px; text-align: center }
    iframe { position: fixed; inset-block-end: 84px; inset-inline-end: 16px; width: min(400px, 100vw - 32px);
      height: min(640px, 100dvh - 100px); border: 0; border-radius: 12px; box-shadow: 0 4px 24px #0004; background: Canvas }
    @media (max-width: 480px) { iframe { inset: 0 0 76px; width: 100vw; height: calc(100dvh - 76px); border-radius: 0 } }
    [hidden] { display: none }
    @media (forced-colors: active) { button, span, [aria-expanded=false]::before { border: 2px solid ButtonText } }`);
  root.adoptedStyleSheets = [style];

  const badge = make("span", { hidden: "" });
  const button = make("button", { type: "button", "aria-expanded": "false" }, label, badge);
  root.append(button);
  let frame = null; // made when it is first opened, so that a page on which nobody asks costs the desk nothing

  const show = (isOpen) => {
    if (isOpen && !frame) {
      // The address of this page without its query and fragment, which may hold secrets.
      const from = encodeURIComponent(location.origin + location.pathname);
      frame = make("iframe", { title: label, src: page.href + "#page=" + from });
      root.prepend(frame);
    }
    if (frame) frame.hidden = !isOpen;
    button.setAttribute("aria-expanded", String(isOpen));
    // Sent to any origin, since it is not a secret: until the frame has loaded, its origin is not the desk's, and a
    // browser would complain.
    frame?.contentWindow?.postMessage({ deskwire: isOpen ? "shown" : "hidden" }, "*");
    if (isOpen) frame.focus();
    else button.focus();
  };
  const count = (unread) => {
    badge.hidden = !unread;
    badge.textContent = unread > 99 ? "99+" : String(unread || "");
    if (unread) button.setAttribute("aria-label", label + " (" + unread + ")");
    else button.removeAttribute("aria-label");
  };
  const isOpen = () => button.getAttribute("aria-expanded") === "true";

  button.addEventListener("click", () => show(!isOpen()));
  document.addEventListener("keydown", ({ key }) => key === "Escape" && isOpen() && show(false));
  // Messages count only from the frame itself: another window may send anything.
  window.addEventListener("message", ({ origin, source, data }) => {
    if (origin !== page.origin || !frame || source !== frame.contentWindow) return;
    if (data?.deskwire === "close") show(false);
    if (data?.deskwire === "unread") count(Math.max(0, Math.trunc(Number(data.count)) || 0));
  });
  // The script may run before there is a body.
  const put = () => document.body.append(host);
  if (document.body) put();
  else document.addEventListener("DOMContentLoaded", put);
})();
