//! Makes README's pictures from a running desk:
//! `SCREENSHOTS_DIR=docs cargo test --test browser -- --ignored screenshots`

use std::fs;
use std::path::Path;

use serde_json::json;

use crate::page::Page;
use crate::setup::{Console, Kind, Source, Stage, UserPage};

const BYTES_MAX: usize = 200_000; // README is to load on a train, too

#[test]
#[ignore = "it writes files; `make screenshots` asks for it"]
fn screenshots() {
    let dir = std::env::var("SCREENSHOTS_DIR").expect("SCREENSHOTS_DIR names the directory for the pictures");
    let dir = Path::new(&dir);
    fs::create_dir_all(dir).expect("the directory can be made");
    let stage = Stage::new(Source::Served);
    let mut kim = stage.desk.staff("kim").online();
    let user = stage.page(Kind::User).size(640, 720).user();
    let console = stage.page(Kind::Staff).size(1280, 720).console("sam");

    // A desk in the middle of a day.
    let mut users: Vec<_> = [
        ("leo-4711", "My parcel says delivered, but it is not here"),
        ("mia-2203", "Can I change the name on my order?"),
        ("noor-0815", "Refund for the blue lamp"),
        ("paul-3141", "The voucher is not accepted"),
    ]
    .map(|(name, subject)| {
        let mut user = stage.desk.user(name);
        let ticket = user.open(subject);
        (user, ticket)
    })
    .into();
    kim.pick(&users[2].1);
    user.fill("#name", "Ada");
    let ticket = user.ask("The printer prints only in green");
    console.go_online();
    console.pick(&users[0].1);
    console.pick(&ticket);
    user.until_unlocked();
    talk(&user, &console);
    users[0].0.say(1, "Any news?");
    console.until_there("[data-unread]");
    console.until("!byId('outcome').textContent"); // what was said a moment ago is gone again
    user.fill("#text", "It does now. Th");
    console.until_there("#typing");

    user.eval("document.activeElement.blur()");
    save(&user, &dir.join("user.png"));
    save(&console, &dir.join("staff.png"));
    console.media(&[("prefers-color-scheme", "dark")]);
    save(&console, &dir.join("staff-dark.png"));
    user.phone(390, 700);
    save(&user, &dir.join("user-phone.png"));
}

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

fn save(page: &Page, path: &Path) {
    page.next_frame();
    let shot = page.cdp("Page.captureScreenshot", json!({ "format": "png", "optimizeForSpeed": false }));
    let png = from_base64(shot["data"].as_str().expect("a picture"));
    assert!(png.starts_with(b"\x89PNG"), "{} is a picture", path.display());
    assert!((5_000..BYTES_MAX).contains(&png.len()), "{} has {} bytes", path.display(), png.len());
    fs::write(path, png).expect("the directory can be written");
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
