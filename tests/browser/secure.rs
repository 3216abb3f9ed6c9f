//! Pages over TLS, which ends at a proxy or at the desk.

use std::net::SocketAddr;

use serde_json::json;

use crate::page::Page;
use crate::setup::{Console, UserPage, sign_in};
use crate::support::TOKEN;

/// Opens a page over TLS without checking the certificate.
pub fn secure_page(addr: SocketAddr, path: &str, before: &str) -> Page {
    let mut page = Page::fresh((1280, 800));
    page.is_reusable.set(false); // the next test is to look at certificates
    let directory = &path[..=path.rfind('/').unwrap()];
    page.allowed = vec![format!("https://{addr}{directory}"), format!("wss://{addr}{directory}ws/")];
    page.cdp("Security.setIgnoreCertificateErrors", json!({ "ignore": true }));
    page.before_scripts(before);
    page.go(&format!("https://{addr}{path}"));
    page
}

/// Opens both pages, and a chat between them.
pub fn secure_chat(addr: SocketAddr, directory: &str, before: &str) -> (UserPage, Console) {
    let console = Console::from(secure_page(addr, &format!("{directory}staff"), before));
    sign_in(&console, "sam", TOKEN);
    console.until_connected();
    console.go_online();
    let user = UserPage::from(secure_page(addr, directory, before));
    user.until_connected();
    let ticket = user.ask("the printer");
    console.pick(&ticket);
    user.until_unlocked();
    (user, console)
}
