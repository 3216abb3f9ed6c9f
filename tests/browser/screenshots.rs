//! `make screenshots` makes README's pictures from a running desk, `make screenshots-all` those of every state.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::page::Page;
use crate::setup::{Console, Kind, Source, Stage, UserPage, sign_in};
use crate::support::{Staff, TOKEN, User};
use crate::widget::{Shop, ShopPage};

const BYTES_MAX: usize = 200_000; // README is to load on a train, too

/// The directory for the pictures.
fn directory() -> PathBuf {
    let dir = std::env::var("SCREENSHOTS_DIR").expect("SCREENSHOTS_DIR names the directory for the pictures");
    fs::create_dir_all(&dir).expect("the directory can be made");
    dir.into()
}

fn desk_of(shop: &Shop) -> Stage {
    let brand = ["--name", "Lumen Lamps", "--rate-limit", "0", "--allow-embed", &shop.origin()];
    Stage::with(Source::Served, &brand)
}

fn console_of(stage: &Stage) -> Console {
    let console = Console::from(stage.page(Kind::Staff).size(1280, 720).open());
    console.put("#staff-name", "Sam");
    sign_in(&console, "sam", TOKEN);
    console.until_connected();
    console
}

/// Opens the widget on the page of a shop, and fills in what is asked for.
fn visit(stage: &Stage, shop: Shop) -> (ShopPage, UserPage) {
    let url = shop.sell(stage.desk.server.addr, "async", SHOP);
    let shop = ShopPage::at(&stage.desk, &url, (1280, 720));
    shop.click();
    let frame = shop.frame(&stage.desk, "");
    frame.until_connected();
    frame.fill("#name", "Mia");
    frame.fill("#subject", "Does the blue one come with a bulb?");
    (shop, frame)
}

/// Brings the page of a user and the console into the middle of a chat.
fn busy(stage: &Stage, console: &Console) -> (UserPage, Day) {
    let user = stage.page(Kind::User).size(390, 700).user();
    let mut day = Day::begin(stage);
    user.fill("#name", "Ada Okafor");
    let ticket = user.ask("The printer prints only in green");
    console.go_online();
    console.pick(&day.tickets[0]);
    console.pick(&day.tickets[1]);
    console.pick(&ticket);
    user.until_unlocked();
    day.go_on(console);
    talk(&user, console);
    (user, day)
}

#[test]
#[ignore = "it writes files; `make screenshots` asks for it"]
fn screenshots() {
    let dir = directory();
    let shop = Shop::open();
    let stage = desk_of(&shop);
    let console = console_of(&stage);
    let (user, _day) = busy(&stage, &console);
    let (shop, frame) = visit(&stage, shop);
    console.until("!byId('outcome').textContent"); // what was said a moment ago is gone again
    user.fill("#text", "It does now. Th");
    console.until_there("#typing");
    shop.page.cdp("Target.activateTarget", json!({ "targetId": shop.page.target }));
    for (scheme, end) in [("light", ""), ("dark", "-dark")] {
        frame.media(&[("prefers-color-scheme", scheme)]);
        for (page, name) in [(&shop.page, "widget"), (&*console, "staff"), (&*user, "user-phone")] {
            page.media(&[("prefers-color-scheme", scheme)]);
            let bytes = save(page, &dir.join(format!("{name}{end}.png")));
            assert!(bytes < BYTES_MAX, "{name}{end} has {bytes} bytes");
        }
    }
}

/// Both pages in every state and at four widths, to be looked at before a style is changed.
#[test]
#[ignore = "it writes files; `make screenshots-all` asks for it"]
fn screenshots_of_every_state() {
    let dir = directory();
    let shop = Shop::open();
    let stage = desk_of(&shop);
    let console = Console::from(stage.page(Kind::Staff).size(1280, 720).open());
    at_every_width(&console, "staff-sign-in", &dir);
    drop(console);
    let console = console_of(&stage);
    at_every_width(&console, "staff-empty", &dir);
    let asking = stage.user();
    at_every_width(&asking, "user-form", &dir);
    drop(asking);
    let waiting = stage.user();
    waiting.ask("Where is my order?");
    waiting.until_there("#queue");
    at_every_width(&waiting, "user-waiting", &dir);
    let (user, mut day) = busy(&stage, &console);
    for n in 4..8 {
        day.users[n].close_ticket();
    }
    at_every_width(&user, "user-chat", &dir);
    at_every_width(&console, "staff-chat", &dir);
    console.resize(1280, 720);
    console.click("#go-offline");
    console.click("#confirm-yes");
    user.until_locked("staff-offline");
    at_every_width(&user, "user-paused", &dir);
    at_every_width(&console, "staff-paused", &dir);
    user.resize(390, 700);
    user.click("#close-ticket");
    user.click("#confirm-yes");
    user.until_there("#rating");
    at_every_width(&user, "user-closed", &dir);
    let (shop, frame) = visit(&stage, shop);
    shop.page.cdp("Target.activateTarget", json!({ "targetId": shop.page.target }));
    for scheme in SCHEMES {
        frame.media(&[("prefers-color-scheme", scheme)]);
        in_scheme(&shop.page, "widget", scheme, &dir);
    }
}

/// The board of a desk with nine tickets, before any is picked.
#[test]
#[ignore = "it writes files; `make screenshots-all` asks for it"]
fn screenshots_of_nine_tickets() {
    let shop = Shop::open();
    let stage = desk_of(&shop);
    let console = console_of(&stage);
    let _day = Day::begin(&stage);
    let mut ada = stage.desk.user("ada");
    let ninth = ada.create("The printer prints only in green");
    console.go_online();
    console.until_ticket(&ninth, "waiting");
    at_every_width(&console, "staff-nine", &directory());
}

const SCHEMES: [&str; 2] = ["light", "dark"];

fn at_every_width(page: &Page, name: &str, dir: &Path) {
    for scheme in SCHEMES {
        in_scheme(page, name, scheme, dir);
    }
    page.media(&[]);
}

fn in_scheme(page: &Page, name: &str, scheme: &'static str, dir: &Path) {
    page.media(&[("prefers-color-scheme", scheme)]);
    for (width, height) in [(360, 700), (768, 1024), (1440, 900), (1920, 1080)] {
        page.resize(width, height);
        save(page, &dir.join(format!("{name}-{width}-{scheme}.png")));
    }
}

/// A desk in the middle of a day: eight users beside the one whose page is shown.
struct Day {
    users: Vec<User>,
    tickets: Vec<String>,
    _colleague: Staff,
}

impl Day {
    fn begin(stage: &Stage) -> Self {
        let mut colleague = stage.desk.staff("kim").online();
        let asked = [
            ("Leo Brandt", "My parcel says delivered, but it is not here"),
            ("Анна Петрова", "Can I change the name on my order?"),
            ("Noor Haddad", "Refund for the blue lamp"),
            ("Paul Lindqvist", "The voucher is not accepted"),
            ("Yuki Tanaka", "Which bulb fits the Halo 3?"),
            ("Marta Kowalska", "Invoice without VAT for a company"),
            ("Ben Osei", "It flickers when I dim it"),
            ("Chloé Martin", "Où est ma commande ?"),
        ];
        let (mut users, mut tickets) = (Vec::new(), Vec::new());
        for (n, (name, subject)) in asked.into_iter().enumerate() {
            let mut user = stage.desk.user(&format!("user-{n}"));
            user.send(&json!({ "type": "create_ticket", "subject": subject, "name": name, "page": "https://lumen.example/cart" }));
            tickets.push(user.expect("ticket_created")["ticket_id"].as_str().expect("an id").to_owned());
            users.push(user);
        }
        colleague.pick(&tickets[2]);
        colleague.pick(&tickets[3]);
        colleague.release(&tickets[3]);
        Self { users, tickets, _colleague: colleague }
    }

    fn go_on(&mut self, console: &Console) {
        for (n, text) in
            [(0, "Any news?"), (0, "The neighbours have not seen it either."), (1, "It should be “Petrova”.")]
        {
            let id = if text.starts_with("The") { 2 } else { 1 };
            self.users[n].say(id, text);
        }
        console.until_text(&format!("[data-chat='{}'] [data-unread]", self.tickets[0]), "2");
    }
}

/// The page of a shop, plain enough to be read here.
const SHOP: &str = "<style>
    body { margin: 0; font: 1rem/1.5 system-ui, sans-serif; background: light-dark(#fffdf7, #17140f); color: light-dark(#2b2419, #eee6d8); color-scheme: light dark }
    header { padding: 24px 48px; border-bottom: 1px solid #8885; font-weight: 700; letter-spacing: 0.08em }
    main { padding: 32px 48px; display: grid; grid-template-columns: repeat(3, 200px); gap: 32px }
    i { display: block; height: 180px; border-radius: 12px; background: radial-gradient(circle at 50% 40%, #fff6d5, #e0b45c) }
    h1 { grid-column: 1 / -1; margin: 0 }
    </style><header>LUMEN</header><main><h1>Lamps for long evenings</h1>
    <p><i></i>Halo 3<br>€ 89</p><p><i></i>Blue Hour<br>€ 120</p><p><i></i>Ember<br>€ 64</p></main>";

fn talk(user: &UserPage, console: &Console) {
    let turns: [(&Page, &Page, &str); 5] = [
        (user, console, "Hello! Since this morning my printer prints everything in green."),
        (console, user, "Hello Ada, that sounds festive. Which model is it?"),
        (user, console, "An old LaserTwo, the one with the two trays."),
        (
            console,
            user,
            "Then one cartridge is not seated well. Please open the front, press the magenta one until it clicks, and print a test page.",
        ),
        (user, console, "It clicked. One moment, the test page is coming."),
    ];
    for (from, to, text) in turns {
        from.say(text);
        to.until_received(text);
        from.until_said(text, "delivered");
    }
}

/// Writes a picture. Returns its size.
fn save(page: &Page, path: &Path) -> usize {
    page.next_frame();
    let shot = page.cdp("Page.captureScreenshot", json!({ "format": "png", "optimizeForSpeed": false }));
    let png = from_base64(shot["data"].as_str().expect("a picture"));
    assert!(png.starts_with(b"\x89PNG") && png.len() > 5_000, "{} is a picture", path.display());
    fs::write(path, &png).expect("the directory can be written");
    png.len()
}

/// RFC 4648: four digits of 6 bits are three bytes.
fn from_base64(text: &str) -> Vec<u8> {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let six = |letter: u8| alphabet.iter().position(|other| *other == letter).expect("a letter of base64");
    let digits = text.trim_end_matches('=').as_bytes();
    let mut bytes = Vec::with_capacity(digits.len() * 3 / 4);
    for four in digits.chunks(4) {
        let bits = four.iter().fold(0, |bits, letter| bits << 6 | six(*letter)) << (6 * (4 - four.len()));
        let [_, three @ ..] = u32::try_from(bits).expect("24 bits").to_be_bytes();
        bytes.extend(&three[..four.len() - 1]);
    }
    bytes
}
