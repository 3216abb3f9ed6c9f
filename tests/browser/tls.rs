//! Both pages from a desk that speaks TLS itself: https and wss without a proxy. `make test-tls`

use crate::secure::{secure_chat, secure_page};
use crate::support::scenario::eventually;
use crate::support::tls::{Certificate, s_client};
use crate::support::{Launch, Server};

fn desk(certificate: &Certificate) -> Server {
    let options = certificate.options();
    Launch::new().args(&options.iter().map(String::as_str).collect::<Vec<_>>()).start_direct()
}

/// The certificate that the desk serves, as text.
fn served(desk: &Server) -> String {
    let said = s_client(desk.addr, &["-no_ign_eof", "-showcerts"], "Q\n");
    let (_, rest) = said.split_once("-----BEGIN CERTIFICATE-----").unwrap_or_else(|| panic!("{said}"));
    rest.split_once("-----END").unwrap().0.to_owned()
}

#[test]
fn two_people_talk_over_wss_before_and_after_a_new_certificate() {
    let (certificate, renewed) = (Certificate::new(), Certificate::new());
    let desk = desk(&certificate);
    let (user, console) = secure_chat(desk.addr, "/", "");
    user.say("hello, the printer is on fire");
    console.until_received("hello, the printer is on fire");
    console.say("which colour?");
    user.until_received("which colour?");
    for page in [&*user, &*console] {
        assert!(page.sockets()[0].starts_with("wss://"), "{:?}", page.sockets());
        assert!(page.is("window.isSecureContext && location.protocol == 'https:'"));
    }
    // A renewal closes nobody, and those who come later see it.
    let before = served(&desk);
    certificate.renew(&renewed);
    desk.signal("HUP");
    eventually("the new certificate is served", || served(&desk) != before);
    user.say("red, still");
    console.until_received("red, still");
    user.until_said("red, still", "delivered");
    assert_eq!((user.sockets().len(), console.sockets().len()), (1, 1), "no connection was made anew");
    let later = secure_page(desk.addr, "/", "");
    later.until_connected();
}
