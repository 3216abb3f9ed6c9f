//! A day at the desk, as three people live it: Ada with her phone, Sam and Kim at their consoles.

use serde_json::json;

use crate::page::Page;
use crate::setup::{Console, Kind, Source, Stage, UserPage, sign_in, stories};
use crate::support::TOKEN;

stories![a_day_of_three_people];

fn come_in(stage: &Stage, id: &str, name: &str) -> Console {
    let console = Console::from(stage.page(Kind::Staff).size(1440, 900).open());
    console.put("#staff-name", name);
    sign_in(&console, id, TOKEN);
    console.until_connected();
    console
}

/// Says something by hand, and waits until the other one has it.
fn tell(from: &Page, to: &Page, text: &str) {
    from.say(text);
    to.until_received(text);
    from.until_said(text, "delivered");
}

fn a_day_of_three_people(source: Source) {
    let stage = Stage::with(source, &["--rate-limit", "0"]);
    let ada = ada_asks(&stage);
    let (sam, ticket) = sam_begins_the_day(&stage, &ada);
    let kim = sam_hands_over_to_kim(&stage, &ada, &sam, &ticket);
    ada_is_on_a_train(&stage, &ada, &kim);
    kim_goes_to_lunch(&ada, &sam, &kim, &ticket);
    it_ends_well(&stage, &ada, &sam, &ticket);
}

fn ada_asks(stage: &Stage) -> UserPage {
    let page = stage.page(Kind::User).size(360, 640).open();
    page.phone(360, 640);
    let ada = UserPage::from(page);
    ada.until_connected();
    ada.until_text("#desk-state", "Nobody is online right now");
    ada.check("document.activeElement.id == 'subject'");
    ada.write("My lamp flickers since Tuesday");
    ada.tap("#name");
    ada.write("Ada Okafor");
    ada.tap("#create");
    ada.until_text("#queue-place", "Nobody is online yet. You are first.");
    ada
}

fn sam_begins_the_day(stage: &Stage, ada: &UserPage) -> (Console, String) {
    let sam = come_in(stage, "sam", "Sam Ortiz");
    sam.until_text("#oldest-waiting", "One waiting");
    sam.key("Enter"); // the focus is on "Go online"
    ada.until_text("#queue-place", "You are next");
    sam.until("document.activeElement.id == 'pick-next'");
    sam.key("n");
    let ticket = ada.text("#ticket-id");
    sam.until_shown(&ticket);
    ada.until_text("#log li.system[data-kind=joined]", "Sam Ortiz joined.");
    ada.until("document.activeElement.id == 'text'");
    assert_eq!(sam.text("#log .asked .text"), "My lamp flickers since Tuesday");
    sam.until("document.activeElement.id == 'text'");
    sam.type_keys("/");
    sam.until_there("#canned");
    sam.key("Enter"); // the first of the replies
    sam.key("Enter");
    ada.until_received("Hello Ada Okafor! How can I help you?");
    tell(ada, &sam, "It flickers when I dim it.");
    ada.check("[...document.querySelectorAll('#log .who')].some(e => e.textContent == 'Sam Ortiz')");
    (sam, ticket)
}

fn sam_hands_over_to_kim(stage: &Stage, ada: &UserPage, sam: &Console, ticket: &str) -> Console {
    let kim = come_in(stage, "kim", "Kim Nguyen");
    kim.go_online();
    sam.until_there("#colleagues [data-colleague=kim]");
    sam.key("Escape"); // out of the field
    sam.key("t");
    sam.until_text("#transfer-to", "Kim Nguyen (0 of 5 chats)");
    sam.fill("#transfer-note", "It is the old dimmer");
    sam.click("#transfer-send");
    kim.until_shown(ticket);
    kim.until_text("#log li.system[data-kind=note]", "It is the old dimmer");
    // What was said before is there, from Ada's browser.
    kim.until("document.querySelectorAll('#log [data-recap]').length == 2");
    ada.until_text("#log", "Kim Nguyen joined.");
    sam.until_gone("#chat");
    tell(&kim, ada, "Hello, Kim here. Which lamp is it? See https://lumen.example/lamps");
    ada.check("document.querySelector('.said a').href == 'https://lumen.example/lamps'");
    tell(ada, &kim, "Blue Hour 💡");
    kim
}

/// The phone loses its network, and the page is loaded again.
fn ada_is_on_a_train(stage: &Stage, ada: &UserPage, kim: &Console) {
    let before = ada.messages();
    ada.tap("#text");
    ada.write("It is the one with");
    ada.reload();
    ada.until_unlocked();
    assert_eq!((ada.messages(), ada.value("#text")), (before, "It is the one with".to_owned()));
    kim.until_unlocked();
    // The tab is closed, and another one opened.
    ada.eval("Storage.prototype.setItem = Storage.prototype.removeItem = () => {}, sessionStorage.clear()");
    ada.cdp("Page.navigate", json!({ "url": "about:blank" }));
    ada.until("location.href == 'about:blank'");
    kim.until_text("#chat-user-state", "away");
    kim.until_locked("user-offline");
    ada.go(&stage.page(Kind::User).url());
    ada.until_unlocked();
    kim.until_unlocked();
    assert_eq!(ada.value("#text"), "It is the one with");
    ada.tap("#text");
    ada.write(" two switches.");
    ada.tap("#send");
    kim.until(
        "[...document.querySelectorAll('#log li.message')].at(-1).textContent.includes('two switches.')",
    );
}

fn kim_goes_to_lunch(ada: &UserPage, sam: &Console, kim: &Console, ticket: &str) {
    kim.key("Escape");
    kim.key("o");
    kim.until_text("#confirm-note", "Your chat is paused");
    kim.click("#confirm-yes");
    ada.until_locked("staff-offline");
    assert_eq!(ada.text("#lock-reason"), "Kim Nguyen is offline. They or a colleague will go on.");
    sam.until_text("#oldest-waiting", "One waiting");
    sam.until_ticket(ticket, "paused");
    sam.until_text(&format!("#tickets [data-ticket='{ticket}']"), "was with Kim Nguyen");
    sam.click(&format!("#tickets [data-pick='{ticket}']"));
    sam.until_shown(ticket);
    ada.until_unlocked();
    // Kim comes back, and is not asked to pick what Sam has.
    kim.go_online();
    kim.until_chat_is("taken");
    assert!(!kim.is_there("#pick-again") && !kim.is_there("#pick-mine"));
    sam.until("[...document.querySelectorAll('#log .text')].some(e => e.textContent.includes('Blue Hour'))");
    tell(sam, ada, "Then it needs another dimmer. We send you one today.");
    tell(ada, sam, "Thank you!");
}

fn it_ends_well(stage: &Stage, ada: &UserPage, sam: &Console, ticket: &str) {
    sam.key("Escape");
    sam.key("c");
    sam.until_text("#confirm h2", "Close this ticket?");
    sam.click("#confirm-yes");
    ada.until_there("#rating");
    ada.tap("[data-score='5']");
    ada.until_text("#rated", "You gave 5 of 5.");
    sam.until_text("#log li.system[data-kind=rated]", "Ada Okafor gave 5 of 5");
    sam.click("#dismiss");
    sam.until_gone("#chat");
    sam.until_text("#board-empty", "No open tickets");
    let metrics = stage.desk.metrics();
    assert_eq!(metrics.total(&["deskwire_ratings_total", "score=\"5\""]), 1.0);
    assert!(!sam.is_there(&format!("[data-ticket='{ticket}']")));
    assert!(ada.is_there("#save-transcript") && ada.is_there("#new-ticket"));
}
