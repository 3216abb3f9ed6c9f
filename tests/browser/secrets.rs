//! Secrets: a token or a session goes to its own desk alone.

use std::net::{SocketAddr, TcpListener};

use serde_json::json;

use crate::chromium::lock;
use crate::page::{Page, quoted};
use crate::scripted::{ScriptedDesk, under_path};
use crate::session_conflicts::change_address;
use crate::setup::{BOTH, Console, Kind, Source, Stage, UserPage, sign_in, stories};
use crate::support::TOKEN;

stories![garbage_in_storage_breaks_no_page];

/// A foreign server, to which nothing may connect.
struct Elsewhere(TcpListener);

impl Elsewhere {
    fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        Self(listener)
    }

    fn addr(&self) -> SocketAddr {
        self.0.local_addr().unwrap()
    }

    /// Asserts that nobody has connected. The kernel completes a connection before it is accepted, so none is missed.
    #[track_caller]
    fn nothing_came(&self) {
        assert!(self.0.accept().is_err(), "something came");
    }
}

/// Asserts that the page is connected to this host, and has been from the beginning.
fn connected_to(page: &Page, addr: SocketAddr) {
    page.until_connected();
    let strange: Vec<_> =
        page.sockets().into_iter().filter(|url| !url.starts_with(&format!("ws://{addr}/ws/"))).collect();
    assert!(strange.is_empty(), "{strange:?}");
}

fn store_address(addr: SocketAddr) -> String {
    format!("localStorage.setItem('deskwire.address', JSON.stringify('ws://{addr}'))")
}

#[test]
fn a_served_page_follows_no_link_and_no_stored_address_to_another_host() {
    let stage = Stage::new(Source::Served);
    let (own, elsewhere) = (stage.desk.server.addr, Elsewhere::new());
    let other = elsewhere.addr();
    for kind in BOTH {
        let page = stage.page(kind).open();
        if kind == Kind::Staff {
            sign_in(&page, "sam", TOKEN);
        }
        page.until_connected(); // and the tab has a secret now
        page.eval(&store_address(other));
        page.reload();
        connected_to(&page, own);
        let path = if kind == Kind::Staff { "staff" } else { "" };
        for link in ["?ws=ws://OTHER", "?ws=//OTHER", "?ws=OTHER", "?ws=ws://OTHER#ws=ws://OTHER"] {
            page.go(&format!("http://{own}/{path}{}", link.replace("OTHER", &other.to_string())));
            connected_to(&page, own);
        }
    }
    let linked = stage.page(Kind::Staff).fragment(&format!("?ws=ws://{other}#token={TOKEN}")).open();
    linked.put("#staff-id", "kim");
    linked.key("Enter");
    connected_to(&linked, own);
    elsewhere.nothing_came();
}

#[test]
fn a_served_page_offers_no_address() {
    let stage = Stage::new(Source::Served);
    let proxy = stage.proxy();
    for kind in BOTH {
        let page = stage.page(kind).by(&proxy).open();
        page.click("#open-settings");
        page.until_there("#save-address");
        assert!(!page.is_there("#server-address") && !page.is_there("label[for=server-address]"));
        page.click("#save-address");
        if kind == Kind::Staff {
            sign_in(&page, "sam", TOKEN);
        }
        page.until_connected();
        proxy.disconnect();
        page.until_there("#notice[data-reason=lost]");
        assert!(page.is_there("#try-now") && !page.is_there("#change-address"));
        proxy.restore();
        page.until_connected();
    }
}

/// A script that gets in could not send anything elsewhere.
#[test]
fn the_policy_of_a_served_page_lets_it_reach_no_other_host() {
    let stage = Stage::new(Source::Served);
    let elsewhere = Elsewhere::new();
    for kind in BOTH {
        let page = stage.page(kind).open();
        for scheme in ["ws", "http"] {
            let url = format!("{scheme}://{}/", elsewhere.addr());
            let open = if scheme == "ws" { "new WebSocket(url)" } else { "fetch(url).catch(() => {})" };
            let refused_by = format!(
                "new Promise(resolve => {{
                    document.addEventListener('securitypolicyviolation', event => resolve(event.effectiveDirective), {{ once: true }});
                    setTimeout(resolve, 5000, 'nothing');
                    const url = {};
                    try {{ {open} }} catch {{}}
                }})",
                quoted(&url)
            );
            assert_eq!(page.eval(&refused_by), "connect-src");
        }
        lock(&page.events).clear(); // the browser has complained, as it should
    }
    elsewhere.nothing_came();
}

#[test]
fn a_page_under_a_proxys_path_finds_its_socket_there() {
    let stage = Stage::new(Source::Served);
    let addr = under_path("/support", stage.desk.server.addr);
    let mut user = UserPage::from(Page::fresh((1280, 800)));
    user.allowed = vec![format!("http://{addr}/support/"), format!("ws://{addr}/support/ws/user/")];
    user.go(&format!("http://{addr}/support/staff"));
    user.click("a[data-other-page]"); // from the one page to the other
    user.until("location.pathname == '/support/' && document.readyState == 'complete'");
    user.until_connected();
    let ticket = user.ask("the printer");

    let mut console = Console::from(Page::fresh((1280, 800)));
    console.allowed = vec![format!("http://{addr}/support/"), format!("ws://{addr}/support/ws/")];
    console.go(&format!("http://{addr}/support/staff"));
    sign_in(&console, "sam", TOKEN);
    console.until_connected();
    console.go_online();
    console.pick(&ticket);
    user.until_unlocked();
}

#[test]
fn a_token_goes_to_no_other_address_than_its_own() {
    let stage = Stage::new(Source::Disk);
    let (own, other) = (stage.desk.server.addr, ScriptedDesk::beside(stage.desk.server.addr));
    let mut console = stage.page(Kind::Staff).console("sam");
    console.allowed.push(format!("ws://{}/ws/staff/", other.addr));

    // By the settings.
    change_address(&console, "#open-settings", &other.addr.to_string());
    console.until_there("#sign-in-form");
    console.until_text("#sign-in-address", &other.addr.to_string());
    assert_eq!(console.value("#token"), "");
    other.nobody_came();
    sign_in(&console, "kim", "the-others-token");
    let mut connection = other.accept();
    assert_eq!(
        (&*connection.path, &*connection.offered),
        ("/ws/staff/kim", "deskwire.v1, secret.the-others-token")
    );
    connection.welcome(Kind::Staff, None);
    console.until_text("#who", "kim");

    // Back, with what was given for this address; and to the other one, with its own.
    change_address(&console, "#open-settings", &own.to_string());
    console.until_connected();
    console.until_text("#who", "sam");
    let link = |addr: SocketAddr| stage.page(Kind::Staff).at(addr).url();
    console.go(&link(other.addr));
    assert_eq!(other.accept().offered, "deskwire.v1, secret.the-others-token");
}

#[test]
fn a_link_takes_no_token_along_and_its_own_token_replaces_none() {
    let stage = Stage::new(Source::Disk);
    let (own, other) = (stage.desk.server.addr, ScriptedDesk::beside(stage.desk.server.addr));
    let mut console = stage.page(Kind::Staff).console("sam");
    console.allowed.push(format!("ws://{}/ws/staff/", other.addr));
    let link = |addr: SocketAddr| stage.page(Kind::Staff).at(addr).url();

    console.go(&link(other.addr));
    console.until_there("#sign-in-form");
    other.nobody_came();
    console.go(&link(own)); // a fragment alone loads nothing
    console.go(&format!("{}#token=of-the-link", link(other.addr)));
    console.until("document.querySelector('#token').value == 'of-the-link'");
    console.put("#staff-id", "sam");
    console.key("Enter");
    let mut connection = other.accept();
    assert_eq!(connection.offered, "deskwire.v1, secret.of-the-link");
    connection.welcome(Kind::Staff, None);
    console.until_connected();

    console.go(&link(own));
    console.until_connected();
    console.until_text("#who", "sam");
}

#[test]
fn a_session_and_a_chat_stay_with_their_address() {
    let stage = Stage::new(Source::Disk);
    let (own, other) = (stage.desk.server.addr, ScriptedDesk::beside(stage.desk.server.addr));
    let mut sam = stage.desk.staff("sam").online();
    let mut user = stage.user();
    user.allowed.push(format!("ws://{}/ws/user/", other.addr));
    let ticket = user.ask("the printer");
    sam.pick(&ticket);
    user.until_unlocked();
    user.say("for sam alone");
    user.until_said("for sam alone", "sent");
    let id = user.id();

    change_address(&user, "#open-settings", &other.addr.to_string());
    let mut connection = other.accept();
    assert_eq!(connection.offered, "deskwire.v1", "no secret yet");
    assert_ne!(connection.path, format!("/ws/user/{id}"), "an id that the other desk has not seen");
    connection.welcome(Kind::User, None);
    user.until_connected();
    user.check("document.body.dataset.view == 'ask'");

    change_address(&user, "#open-settings", &own.to_string());
    user.until_unlocked();
    assert_eq!(user.id(), id);
    assert_eq!(user.messages(), ["for sam alone"]);
    drop(connection);
    user.go(&stage.page(Kind::User).at(other.addr).url());
    assert_eq!(other.accept().offered, "deskwire.v1, secret.a-session");
}

fn garbage_in_storage_breaks_no_page(source: Source) {
    let stage = Stage::new(source);
    let addr = stage.desk.server.addr;
    let values = [
        "{",
        "null",
        "5",
        "true",
        "\"x\"",
        "[]",
        "{}",
        "[null]",
        "[5]",
        "[\"x\"]",
        "{\"id\":\"a b\",\"token\":5}",
        "{\"id\":\"sam\",\"token\":\"a b\"}",
        "{\"id\":\"alice\",\"session\":\"a b\"}",
        "{\"ticketId\":\"x\",\"subject\":\"\",\"state\":\"active\",\"draft\":\"\",\"nextId\":1,\"receivedSeq\":0,\
          \"confirmedSeq\":0,\"deliveredSeq\":0,\"order\":[null]}",
        "{\"ticketId\":\"x\",\"subject\":\"\",\"state\":\"active\",\"draft\":\"\",\"nextId\":1,\"receivedSeq\":0,\
          \"confirmedSeq\":0,\"deliveredSeq\":0,\"order\":[\"odd\",\"missing\"]}",
    ];
    for kind in BOTH {
        let page = stage.page(kind).open();
        for value in values {
            let fill = format!(
                "{{
                    const value = {};
                    store.tab.set = store.kept.set = () => {{}};
                    for (const name of ['user', 'asking', 'chat', 'staff', 'chats', 'chat.x', 'shown'])
                        sessionStorage.setItem(`deskwire.${{name}}@ws://{addr}`, value);
                    for (const name of ['chat/odd', 'chat.x/odd'])
                        sessionStorage.setItem(`deskwire.${{name}}@ws://{addr}`, '{{\"kind\":\"system\",\"what\":\"joined\",\"at\":1e300}}');
                    for (const name of ['address', 'language', 'sound', 'shortcuts', 'canned'])
                        localStorage.setItem('deskwire.' + name, value);
                }}",
                json!(value)
            );
            page.eval(&fill);
            page.reload();
            if kind == Kind::Staff {
                sign_in(&page, "sam", TOKEN);
            }
            page.until_connected();
            page.click("#open-settings");
            page.until_there("#settings");
            page.key("Escape");
            page.until_gone("#settings");
        }
    }
}
