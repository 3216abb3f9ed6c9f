//! The desk in another site: widget.js on the page of a shop, whose origin and site are not the desk's.
//!
//! The frame is a page of its own with a session of its own; what is clicked and typed goes through the shop's page.

use std::io::{BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener};
use std::thread;

use serde_json::{Value, json};

use crate::chromium::lock;
use crate::page::{Page, poll};
use crate::setup::{Console, Source, Stage, UserPage};
use crate::support::{Desk, Staff};

/// A site whose only page loads the widget of a desk.
pub struct Shop {
    pub addr: SocketAddr,
    listener: TcpListener,
}

impl Shop {
    /// Opens the shop at an address other than the desk's, so that the two are different sites.
    pub fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.2:0").expect("a free port");
        Self { addr: listener.local_addr().expect("it is bound"), listener }
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Serves a page with this body from now on, and the desk's script in its head. Returns the URL.
    pub fn sell(self, desk: SocketAddr, how: &str, body: &str) -> String {
        let script = format!("<script src='http://{desk}/widget.js' {how}></script>");
        self.serve("", format!("<!doctype html>{HEAD}{script}<body>{body}"))
    }

    /// Serves this page from now on, with these fields in its response. Returns the URL.
    pub fn serve(self, fields: &str, page: String) -> String {
        let url = self.origin() + "/lamps?basket=secret";
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\n{fields}Content-Length: {}\r\n\r\n",
            page.len()
        );
        let response = head + &page;
        thread::spawn(move || {
            for stream in self.listener.incoming().flatten() {
                let response = response.clone();
                thread::spawn(move || {
                    let mut lines = BufReader::new(&stream).lines().map_while(Result::ok);
                    if lines.by_ref().take_while(|line| !line.is_empty()).count() == 0 {
                        return; // opened in advance, and never used
                    }
                    let _ = (&stream).write_all(response.as_bytes());
                });
            }
        });
        url
    }
}

const HEAD: &str = "<html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'><title>Lamps</title><link rel=icon href='data:,'>";

/// The shop's page in a window. Its widget is in a shadow root, where no selector of the document reaches.
pub struct ShopPage {
    pub page: Page,
}

pub const WIDGET: &str = "[...document.body.children].find(e => e.shadowRoot).shadowRoot";

impl ShopPage {
    pub fn visit(desk: &Desk, shop: Shop, how: &str) -> Self {
        Self::at(desk, &shop.sell(desk.server.addr, how, "<h1>Lamps</h1>"), (1000, 700))
    }

    pub fn at(desk: &Desk, url: &str, size: (u32, u32)) -> Self {
        let mut page = Page::fresh(size);
        page.is_reusable.set(false); // its frames are told apart by the events of this window
        page.allowed = vec![url.to_owned(), format!("http://{}/", desk.server.addr)];
        // A frame waits for the test before it runs its first script.
        let attach = json!({ "autoAttach": true, "waitForDebuggerOnStart": true, "flatten": true });
        page.cdp("Target.setAutoAttach", attach);
        page.go(url);
        let shop = Self { page };
        shop.until("button");
        shop
    }

    /// Waits for something of the widget.
    pub fn until(&self, of_widget: &str) {
        self.page.until(&format!("{WIDGET}.querySelector('{of_widget}')"));
    }

    pub fn button(&self, what: &str) -> Value {
        self.page.eval(&format!("{WIDGET}.querySelector('button').{what}"))
    }

    pub fn is_focused(&self) -> String {
        format!("{WIDGET}.activeElement == {WIDGET}.querySelector('button')")
    }

    /// Clicks the launcher.
    pub fn click(&self) {
        let middle = "(({ x, y, width, height }) => [x + width / 2, y + height / 2])";
        let at =
            self.page.eval(&format!("{middle}({WIDGET}.querySelector('button').getBoundingClientRect())"));
        let event = |kind| {
            let at = json!({ "type": kind, "x": at[0], "y": at[1], "button": "left", "buttons": 1, "clickCount": 1 });
            ("Input.dispatchMouseEvent", at)
        };
        self.page.cdp_all(["mousePressed", "mouseReleased"].map(event));
    }

    /// Waits for the frame that the widget has opened, and lets it run, with this script before its own.
    pub fn frame(&self, desk: &Desk, before: &str) -> UserPage {
        let session = self.page.frame_session();
        let mut frame = Page::of_session(&self.page.context, "", session);
        frame.allowed =
            vec![format!("http://{}/", desk.server.addr), format!("ws://{}/ws/", desk.server.addr)];
        frame.before_scripts(before);
        frame.cdp("Runtime.runIfWaitingForDebugger", json!({}));
        frame.into()
    }
}

impl Page {
    /// Waits until a frame of another site is there, and returns its session.
    fn frame_session(&self) -> String {
        let attached = || {
            let events = lock(&self.events);
            let event = events.iter().find(|event| event["method"] == "Target.attachedToTarget");
            event.and_then(|event| event["params"]["sessionId"].as_str().map(str::to_owned))
        };
        poll(attached).expect("a frame is opened")
    }
}

/// Makes both storages throw, as they do in a frame where its reader's browser blocks those of third parties.
const BLOCKED_STORAGE: &str = "for (const name of ['localStorage', 'sessionStorage']) {
    Object.defineProperty(window, name, { get() { throw new DOMException('blocked', 'SecurityError'); } });
}";

/// Asks for help in the frame. Returns the ticket.
fn ask(frame: &UserPage, sam: &mut Staff) -> String {
    frame.until_connected();
    frame.until("document.activeElement.id == 'subject'");
    let ticket = frame.ask("the lamp is dark");
    sam.pick(&ticket);
    frame.until_unlocked();
    ticket
}

#[test]
fn a_click_opens_the_desk_on_another_site_and_staff_see_from_where() {
    let shop = Shop::open();
    let stage = Stage::with(Source::Served, &["--name", "Acme", "--allow-embed", &shop.origin()]);
    let console = stage.console("kim");
    let mut sam = stage.desk.staff("sam").online();
    let from = shop.origin() + "/lamps";
    let shop = ShopPage::visit(&stage.desk, shop, "async");
    assert_eq!(shop.button("textContent"), "Acme");
    assert_eq!(shop.button("getAttribute('aria-expanded')"), "false");
    assert!(
        shop.button("offsetHeight").as_f64() >= Some(44.0)
            && shop.button("offsetWidth").as_f64() >= Some(44.0)
    );
    shop.click();
    let frame = shop.frame(&stage.desk, "");
    let ticket = ask(&frame, &mut sam);
    frame.say("hello from the shop");
    sam.expect_where("message", "the text", |message| message["text"] == "hello from the shop");
    frame.until_said("hello from the shop", "sent");

    // Staff see the page, without what may be a secret in its address.
    console.go_online();
    sam.transfer(&ticket, "kim", "");
    console.until_shown(&ticket);
    console.until_text("#chat-page", &from);
    console.check("!document.body.innerText.includes('secret')");
    console.check("document.querySelector('#chat-page a').rel == 'noopener noreferrer'");
    see_unread(&shop, &frame, &console);
}

/// Escape in the frame closes it. What comes then is counted at the launcher until it is opened again.
fn see_unread(shop: &ShopPage, frame: &UserPage, console: &Console) {
    frame.key("Escape");
    shop.until("iframe[hidden]");
    shop.page.until(&shop.is_focused());
    assert_eq!(shop.button("getAttribute('aria-expanded')"), "false");
    for count in 1..=2 {
        console.say(&format!("are you there? {count}"));
        shop.page.until(&format!("{WIDGET}.querySelector('span:not([hidden])').textContent == '{count}'"));
        let label =
            format!("{WIDGET}.querySelector('button').getAttribute('aria-label') == 'Acme ({count})'");
        shop.page.until(&label);
    }
    frame.check("chat.confirmedSeq == 0"); // nobody has seen it
    shop.page.key("Enter"); // the launcher has the focus
    shop.until("iframe:not([hidden])");
    shop.until("span[hidden]");
    console.until_said("are you there? 2", "delivered");
    frame.until("document.activeElement.id == 'text'");
    assert_eq!(shop.button("hasAttribute('aria-label')"), false);
    // Escape on the shop's page closes it as well, and so does the launcher.
    shop.click();
    shop.until("iframe[hidden]");
    shop.click();
    shop.until("iframe:not([hidden])");
    shop.page.eval(&format!("{WIDGET}.querySelector('button').focus()"));
    shop.page.key("Escape");
    shop.until("iframe[hidden]");
    shop.page.until(&shop.is_focused());
}

#[test]
fn where_storage_of_third_parties_is_blocked_the_chat_goes_on_all_the_same() {
    let shop = Shop::open();
    let stage = Stage::with(Source::Served, &["--allow-embed", &shop.origin()]);
    let mut sam = stage.desk.staff("sam").online();
    let shop = ShopPage::visit(&stage.desk, shop, ""); // in the head, and read before there is a body
    shop.page.eval(&format!("{WIDGET}.querySelector('button').focus()"));
    shop.page.key("Enter");
    let frame = shop.frame(&stage.desk, BLOCKED_STORAGE);
    let ticket = ask(&frame, &mut sam);
    frame.check("(() => { try { sessionStorage; } catch { return true; } })()");
    frame.say("no cookies here");
    sam.expect_where("message", "the text", |message| message["text"] == "no cookies here");
    sam.say(&ticket, 1, "none needed");
    frame.until_received("none needed");
    sam.expect("delivered");
}

#[test]
fn a_site_that_was_not_allowed_gets_no_frame_of_the_desk() {
    let allowed = Shop::open();
    let stage = Stage::with(Source::Served, &["--allow-embed", &allowed.origin()]);
    let shop = ShopPage::visit(&stage.desk, Shop::open(), "async");
    shop.click();
    let session = shop.page.frame_session();
    let frame = Page::of_session(&shop.page.context, "", session);
    frame.cdp("Runtime.runIfWaitingForDebugger", json!({}));
    frame.until("document.readyState == 'complete' && !document.querySelector('#subject')");
    assert_eq!(frame.sockets(), Vec::<String>::new());
    let errors = shop.page.console_errors();
    assert!(errors.len() == 1 && errors[0].contains("frame-ancestors"), "{errors:?}");
    lock(&shop.page.events).clear();
}

/// Rules that a site may have for all of its elements, and for the one that the launcher is in.
const RUTHLESS: &str = "<style>* { all: unset } div, body > :last-child { display: none !important; position: static !important; \
    opacity: 0 !important; transform: scale(0.1) !important; inset: 0 !important } button, iframe { width: 3px !important }</style>";

/// Opens the launcher and closes it again, on a page of 1000 x 700 and on a phone.
fn opens_in_its_corner(stage: &Stage, url: &str) {
    let shop = ShopPage::at(&stage.desk, url, (1000, 700));
    let launchers = "[...document.body.children].filter(e => e.shadowRoot).length";
    assert_eq!(shop.page.eval(launchers), 1, "one launcher, however often the script is there");
    let in_corner = format!(
        "(({{ width, height, right, bottom }}) => width >= 44 && height >= 44 && Math.abs(innerWidth - right - 16) <= 1 && Math.abs(innerHeight - bottom - 16) <= 1)\
         ({WIDGET}.querySelector('button').getBoundingClientRect())"
    );
    shop.page.check(&in_corner);
    shop.page.check(&format!("{WIDGET}.host.checkVisibility({{ opacityProperty: true }})"));
    shop.click();
    let frame = shop.frame(&stage.desk, "");
    frame.until_connected();
    frame.until("document.activeElement.id == 'subject'");
    shop.page.check(&format!("{WIDGET}.querySelector('iframe').offsetWidth == 400"));
    frame.key("Escape");
    shop.page.until(&shop.is_focused());
    // On a phone the frame takes all of the screen but the launcher's own line.
    shop.page.resize(360, 640);
    shop.page.key("Enter");
    shop.until("iframe:not([hidden])");
    shop.page.until(&format!(
        "(({{ left, top, right, bottom }}) => left == 0 && top == 0 && right == innerWidth && bottom == innerHeight - 76)\
         ({WIDGET}.querySelector('iframe').getBoundingClientRect())"
    ));
    shop.page.check(&in_corner);
}

#[test]
fn a_strict_policy_lets_the_widget_in_and_twice_the_script_is_one_launcher() {
    let shop = Shop::open();
    let stage = Stage::with(Source::Served, &["--allow-embed", &shop.origin()]);
    let desk = format!("http://{}", stage.desk.server.addr);
    let policy = format!(
        "Content-Security-Policy: default-src 'none'; script-src {desk}; frame-src {desk}; img-src data:; require-trusted-types-for 'script'\r\n"
    );
    let script = format!("<script src='{desk}/widget.js' async></script>");
    let page = format!("<!doctype html>{HEAD}{script}<body><h1>Lamps</h1>{script}");
    let url = shop.serve(&policy, page);
    opens_in_its_corner(&stage, &url);
}

#[test]
fn neither_quirks_mode_nor_the_rules_of_a_site_move_the_launcher() {
    let shop = Shop::open();
    let stage = Stage::with(Source::Served, &["--allow-embed", &shop.origin()]);
    let script = format!("<script src='http://{}/widget.js'></script>", stage.desk.server.addr);
    let url = shop.serve("", format!("{HEAD}{RUTHLESS}{script}<body><h1>Lamps</h1>"));
    opens_in_its_corner(&stage, &url);
}
