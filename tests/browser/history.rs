//! History without history: the desk keeps no chat, so that the user's browser does, until the ticket ends.

use crate::page::{Page, quoted};
use crate::refusals::{chat_at, say_all};
use crate::scripted::{ScriptedDesk, TICKET, ticket};
use crate::setup::{Kind, Source, Stage, UserPage, chat, chat_with_staff, chat_with_user, stories};
use crate::support::{Value, json};

stories![
    a_chat_that_began_before_is_shown_once_to_the_next_who_picks_it,
    a_console_that_has_seen_the_chat_is_shown_nothing_twice,
    a_recap_is_text_and_what_is_none_is_left_out,
    a_chat_that_a_colleague_has_answered_waits_for_no_answer,
    a_recap_is_sent_again_when_the_staff_member_has_read,
    a_recap_that_waits_while_the_connection_is_lost_is_sent_over_the_next_one,
    a_user_who_closed_the_tab_comes_back_to_the_chat,
    on_a_shared_computer_a_chat_ends_with_its_tab,
    a_second_tab_goes_on_and_the_first_one_says_so,
    a_chat_that_begins_at_once_is_not_ended_in_place_of_the_last_one,
    at_the_end_a_chat_is_rated_once,
    what_cannot_be_rated_offers_no_rating,
    initials_are_of_any_script,
];

const RECAP: &str = "#log li.message[data-recap]";

fn recap_of(console: &Page) -> Value {
    console.eval(&format!(
        "[...document.querySelectorAll({})].map(row => [row.dataset.from, row.querySelector('.who').textContent, \
         row.querySelector('.text').textContent])",
        quoted(RECAP)
    ))
}

/// Closes the page's tab, as far as it remembers.
fn close_tab(page: &Page) {
    page.eval("Storage.prototype.setItem = Storage.prototype.removeItem = () => {}, sessionStorage.clear()");
    page.cdp("Page.navigate", json!({ "url": "about:blank" }));
    page.until("location.href == 'about:blank'");
}

/// Opens another tab in the same browser in its place.
fn in_another_tab(stage: &Stage, page: &Page) {
    close_tab(page);
    page.go(&stage.page(Kind::User).url());
    page.until_connected();
}

/// What of this user is left for another tab.
fn kept(page: &Page) -> Value {
    page.eval("new Set(Object.keys(localStorage).map(key => /deskwire.(user|chat)/.exec(key)?.[1]).filter(Boolean)).size")
}

fn a_chat_that_began_before_is_shown_once_to_the_next_who_picks_it(source: Source) {
    let stage = Stage::new(source);
    let user = stage.user();
    let mut sam = stage.desk.staff("sam").online();
    user.fill("#name", "Ann");
    let ticket = user.ask("the printer");
    sam.pick(&ticket);
    user.until_unlocked();
    user.say("it burns");
    sam.expect("message");
    sam.delivered(&ticket, 1);
    user.until_said("it burns", "delivered");
    sam.say(&ticket, 1, "which one?");
    user.until_received("which one?");
    // What sam has not confirmed is sent by the desk, and stands in no recap.
    user.say("the <b>red</b> one");
    user.until_said("the <b>red</b> one", "sent");
    sam.release(&ticket);

    let kim = stage.console("kim");
    kim.go_online();
    kim.pick(&ticket);
    kim.until_received("the <b>red</b> one");
    kim.until_there(RECAP);
    assert_eq!(
        recap_of(&kim),
        json!([["them", "Ann", "it burns"], ["colleague", "sam", "which one?"]]),
        "not what comes from the desk"
    );
    assert_eq!(kim.messages(), ["it burns", "which one?", "the <b>red</b> one"]);
    assert_eq!(kim.lines(), ["recap", "joined"], "before the pick");
    kim.until_text("#log li.system[data-kind=recap]", "as the browser of Ann has it");
    // A console that is loaded again has it still, and is not shown it twice.
    user.until_said("the <b>red</b> one", "delivered");
    kim.reload();
    kim.until("document.querySelector('#presence').dataset.online == 'true'");
    kim.click("#pick-mine");
    user.until_text("#log li.system[data-kind=reconnected]", "kim");
    kim.until_unlocked();
    kim.say("I see");
    user.until_received("I see");
    assert_eq!(kim.messages(), ["it burns", "which one?", "the <b>red</b> one", "I see"]);
    assert_eq!(kim.count(RECAP), 2);
}

fn a_console_that_has_seen_the_chat_is_shown_nothing_twice(source: Source) {
    let stage = Stage::new(source);
    let (user, console, ticket) = chat(&stage);
    console.say("hello");
    user.until_received("hello");
    user.say("it burns");
    console.until_received("it burns");
    user.until_said("it burns", "delivered");
    let mut kim = stage.desk.staff("kim").online();
    console.until_there("[data-colleague=kim]");
    console.click("#transfer");
    console.click("#transfer-send");
    assert_eq!(kim.expect("recap")["lines"].as_array().map(Vec::len), Some(2));
    kim.say(&ticket, 1 << 40, "now with me"); // higher than any id that the console has chosen
    user.until_received("now with me");
    kim.release(&ticket);
    user.until_ticket_is("waiting");
    console.pick(&ticket);
    console.until_there(RECAP);
    assert_eq!(recap_of(&console), json!([["colleague", "kim", "now with me"]]), "what came in between");
    assert_eq!(console.messages(), ["hello", "it burns", "now with me"], "at its place");
}

fn a_recap_is_text_and_what_is_none_is_left_out(source: Source) {
    let stage = Stage::new(source);
    let (mut ann, console, _) = chat_with_user(&stage);
    let line = |text: &str, at: u64| json!({ "from": "user", "name": "<i>Ann</i>", "text": text, "at": at });
    let now = ann.welcome["now"].as_u64().unwrap();
    ann.recap(&json!([line("<img src=x onerror=alert(1)>", now - 1000), line("of no time", 1 << 60)]));
    console.until_there(RECAP);
    assert_eq!(recap_of(&console), json!([["them", "<i>Ann</i>", "<img src=x onerror=alert(1)>"]]));
    console.check("!document.querySelector('#log img, #log i')");
}

fn a_chat_that_a_colleague_has_answered_waits_for_no_answer(source: Source) {
    let stage = Stage::new(source);
    let user = stage.user();
    let mut sam = stage.desk.staff("sam").online();
    let ticket = user.ask("the printer");
    sam.pick(&ticket);
    user.until_unlocked();
    user.say("it burns");
    sam.expect("message");
    sam.delivered(&ticket, 1);
    user.until_said("it burns", "delivered");
    sam.say(&ticket, 1, "pull the plug");
    sam.expect("ack");
    assert_eq!(sam.expect("delivered")["seq"], 2);
    sam.release(&ticket);

    let kim = stage.console("kim");
    kim.go_online();
    kim.pick(&ticket);
    kim.until_there(RECAP);
    let mut bob = stage.desk.user("bob");
    let other = bob.create("from bob");
    kim.pick(&other);
    bob.say(1, "one of bob");
    kim.until_text("#chat-list li:first-child .last-line", "one of bob"); // who waits longest comes first
}

fn a_recap_is_sent_again_when_the_staff_member_has_read(source: Source) {
    let stage = Stage::new(source);
    let desk = ScriptedDesk::beside(stage.desk.server.addr);
    let user = UserPage::from(stage.page(Kind::User).at(desk.addr).faster(20).open());
    let mut connection = desk.accept();
    connection.welcome(Kind::User, Some(ticket("waiting", 0, 0)));
    user.until_connected();
    let now = 1_700_000_000_000_u64;
    let staff =
        |kind: &str, id: &str| json!({ "type": kind, "ticket_id": TICKET, "staff_id": id, "at": now });
    connection.send(&staff("staff_joined", "sam"));
    connection.send(&json!({ "type": "message", "ticket_id": TICKET, "seq": 1, "from": "staff",
        "sender_id": "sam", "id": 1, "text": "hello", "at": now }));
    user.until_received("hello");
    connection.send(&staff("staff_left", "sam"));
    connection.send(&staff("staff_joined", "kim"));
    let first = connection.expect("recap");
    assert_eq!(first["lines"], json!([{ "from": "staff", "name": "sam", "text": "hello", "at": now }]));
    connection.send(&json!({ "type": "error", "code": "unread_limit", "message": "" }));
    assert_eq!(connection.expect("recap"), first);
}

fn a_recap_that_waits_while_the_connection_is_lost_is_sent_over_the_next_one(source: Source) {
    let stage = Stage::new(source);
    let desk = ScriptedDesk::beside(stage.desk.server.addr);
    let user = UserPage::from(stage.page(Kind::User).at(desk.addr).faster(20).open());
    let mut connection = desk.accept();
    connection.welcome(Kind::User, Some(ticket("active", 0, 0)));
    user.until_connected();
    connection.send(&json!({ "type": "message", "ticket_id": TICKET, "seq": 1, "from": "staff",
        "sender_id": "sam", "id": 1, "text": "hello", "at": 1_700_000_000_000_u64 }));
    user.until_received("hello");
    for kind in ["staff_left", "staff_joined"] {
        connection.send(&json!({ "type": kind, "ticket_id": TICKET, "staff_id": "sam", "at": 1 }));
    }
    let recap = connection.expect("recap");
    connection.send(&json!({ "type": "error", "code": "unread_limit", "message": "" }));
    user.until("recapAgain.isWaiting");
    drop(connection);
    user.until("wire.state === 'retrying'");
    user.eval("recapAgain.now()"); // its time comes while nothing can be sent
    let mut next = desk.accept();
    next.welcome(Kind::User, Some(ticket("active", 0, 1)));
    assert_eq!(next.expect("recap"), recap);
}

fn a_user_who_closed_the_tab_comes_back_to_the_chat(source: Source) {
    let stage = Stage::new(source);
    let (user, mut sam, ticket) = chat_with_staff(&stage, stage.page(Kind::User));
    user.say("it burns");
    sam.expect("message");
    user.until_said("it burns", "sent");
    in_another_tab(&stage, &user);
    user.until_unlocked();
    assert_eq!((user.text("#ticket-id"), user.messages()), (ticket.clone(), vec!["it burns".to_owned()]));
    user.say("still");
    assert_eq!(sam.expect("message")["text"], "still");
    // It ended while no tab was there: the page says so once, and then nothing is left.
    close_tab(&user);
    sam.sees_where("the user going", |m| m["ticket"]["user_online"] == false);
    sam.close_ticket(&ticket);
    user.go(&stage.page(Kind::User).url());
    user.until_ticket_is("closed");
    user.until_there("#log li.system[data-kind=ended]");
    assert_eq!(kept(&user), 0);
    user.reload();
    user.until_connected();
    assert!(user.is_there("#ended"), "this tab shows it on");
    in_another_tab(&stage, &user);
    user.until_there("#ask");
    assert!(!user.is_there("#chat"));
}

fn on_a_shared_computer_a_chat_ends_with_its_tab(source: Source) {
    let stage = Stage::new(source);
    let user = stage.user();
    user.click("#shared");
    user.ask("the printer");
    assert_eq!(kept(&user), 0);
    user.reload();
    user.until_ticket_is("waiting");
    user.until_connected();
    assert_eq!(kept(&user), 0, "the tab itself goes on");
    in_another_tab(&stage, &user);
    user.until_there("#ask");
    user.check("!document.querySelector('#shared').checked");
    user.ask("the printer again");
    assert_eq!(kept(&user), 2);
    user.click("#close-ticket");
    user.click("#confirm-yes");
    user.until_ticket_is("closed");
    assert_eq!(kept(&user), 0);
}

fn a_second_tab_goes_on_and_the_first_one_says_so(source: Source) {
    let stage = Stage::new(source);
    let (first, mut sam, _) = chat_with_staff(&stage, stage.page(Kind::User));
    first.say("from the first");
    sam.expect("message");
    first.until_said("from the first", "sent");
    // Opened anew, and not copied: it has nothing but what the browser keeps.
    first.eval("sessionStorage.clear()");
    let second = UserPage::from(first.duplicate());
    second.until_unlocked();
    first.until_locked("elsewhere");
    first.until_there("#notice[data-reason=elsewhere]");
    first.until_there("#use-here");
    assert_eq!(second.messages(), ["from the first"]);
    second.say("from the second");
    assert_eq!(sam.expect("message")["text"], "from the second");
    second.until_said("from the second", "sent");
    // What the first one writes down meanwhile is no longer what is kept.
    first.eval("keepAll()");
    first.check("JSON.stringify(storedChat.browser.load()).includes('from the second')");
}

/// The line that ends a chat waits for what was missed. A chat that begins in the meantime is another one.
fn a_chat_that_begins_at_once_is_not_ended_in_place_of_the_last_one(source: Source) {
    let stage = Stage::new(source);
    let (page, desk, mut connection) = chat_at(&stage, Kind::User, 1);
    say_all(&page, &["never sent"]);
    connection.expect_message("never sent");
    drop(connection);
    let mut connection = desk.accept();
    let ended = json!({ "ticket_id": TICKET, "by": "staff", "at": 1000 });
    connection.send(
        &json!({ "type": "welcome", "protocol": 1, "role": "user", "user_id": "alice", "session": "a-session",
        "resumed": true, "now": 1000, "desk_online": true, "ticket": null, "ended": ended }),
    );
    connection
        .send(&json!({ "type": "ticket_created", "ticket_id": "t-2", "subject": "the lamp", "at": 1000 }));
    page.until_text("#ticket-id", "t-2");
    page.eval("new Promise(later => setTimeout(later, 2 * ENDED_LINE_MS))"); // the page's own timer ends before that
    page.check("document.querySelector('#chat').dataset.ticketState == 'waiting'");
    assert_eq!(page.lines(), ["created"]);
    assert_eq!(page.value("#text"), "never sent", "what was not sent goes on as a draft");
}

fn at_the_end_a_chat_is_rated_once(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    assert!(!user.is_there("#rating"));
    console.click("#close-ticket");
    console.click("#confirm-yes");
    user.until_there("#rating");
    let names =
        user.eval("[...document.querySelectorAll('[data-score]')].map(e => e.getAttribute('aria-label'))");
    assert_eq!(names, json!(["1 of 5", "2 of 5", "3 of 5", "4 of 5", "5 of 5"]));
    user.check(
        "[...document.querySelectorAll('button.primary')].filter(e => e.checkVisibility()).length == 1",
    );
    assert!(user.is_there("#save-transcript") && user.is_there("#new-ticket"));
    user.click("[data-score='4']");
    user.until_text("#rated", "You gave 4 of 5.");
    user.until_gone("#rating");
    user.check("document.activeElement.id == 'new-ticket'");
    console.until_text("#log li.system[data-kind=rated]", "gave 4 of 5");
    console.until_text("#outcome", "4 of 5");
    user.reload();
    user.until_connected();
    user.until_text("#rated", "You gave 4 of 5.");
    assert!(!user.is_there("#rating"), "once");
    assert_eq!(stage.desk.metrics().total(&["deskwire_ratings_total", "score=\"4\""]), 1.0);
}

fn what_cannot_be_rated_offers_no_rating(source: Source) {
    let stage = Stage::new(source);
    let user = stage.user();
    user.ask("the printer");
    user.click("#close-ticket");
    user.click("#confirm-yes");
    user.until_ticket_is("closed");
    assert!(!user.is_there("#rating"), "nobody ever had it");
    user.click("#new-ticket");
    let mut sam = stage.desk.staff("sam").online();
    let ticket = user.ask("again");
    sam.pick(&ticket);
    user.until_unlocked();
    sam.close_ticket(&ticket);
    user.until_there("#rating");
    // Another connection of this user has rated it.
    user.eval("wire.send({ type: 'rate_ticket', ticket_id: chat.ticketId, score: 2 })");
    assert_eq!(sam.expect("rated")["score"], 2);
    user.click("[data-score='5']");
    user.until_text("#rated", "can be rated no longer");
    assert!(!user.is_there("#rating"));
    sam.nothing_of(&["rated"]);
}

fn initials_are_of_any_script(source: Source) {
    let stage = Stage::new(source);
    let console = stage.console("sam");
    console.go_online();
    let user = stage.user();
    user.fill("#name", "Анна Каренина");
    let ticket = user.ask("the printer");
    let board = format!("#tickets [data-ticket='{ticket}'] .avatar");
    console.until_text(&board, "АК");
    console.pick(&ticket);
    user.until_unlocked();
    console.say("hello");
    user.until_received("hello");
    user.say("hello yourself");
    console.until_received("hello yourself");
    for (page, css, text, id) in [
        (&*user, "#log .avatar", "S", "sam".to_owned()),
        (&*console, "#log .avatar", "АК", user.id()),
        (&*console, "#chat-list .avatar", "АК", user.id()),
    ] {
        assert_eq!(page.text(css), text);
        page.check(&format!("document.querySelector({}).title == {}", quoted(css), quoted(&id)));
        page.check(&format!("document.querySelector({}).ariaHidden == 'true'", quoted(css)));
        page.check(&format!(
            "(({{ width, height }}) => width == height)(document.querySelector({}).getBoundingClientRect())",
            quoted(css)
        ));
    }
    assert_eq!(console.count("#log li.message[data-from=me] .avatar"), 0);
    let of = [
        ("Ann Müller", "AM"),
        ("ann maria müller", "AM"),
        ("Åsa", "Å"),
        ("王小明", "王"),
        ("محمد علي", "م"),
        ("ß", "SS"),
        ("user-123456789", "U"),
        ("leo_4711", "L"),
        ("12", "?"),
        ("\u{1F600} Jo", "J"),
        ("ı", "I"),
        ("e\u{301}lise", "E\u{301}"),
    ];
    for (name, expected) in of {
        assert_eq!(console.eval(&format!("initials({})", quoted(name))), expected, "{name}");
    }
}
