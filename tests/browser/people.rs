//! Who says what: names on both sides, and texts with links, code and directions of their own.

use serde_json::json;

use crate::page::quoted;
use crate::setup::{Console, Kind, Source, Stage, chat_with_user, stories};
use crate::support::TOKEN;

stories![
    both_sides_read_names_and_ids_are_tooltips,
    links_can_be_clicked_and_backticks_give_a_block,
    a_text_from_right_to_left_does_not_turn_its_bubble,
    a_text_that_orders_characters_moves_nothing_around_it,
    while_all_is_well_a_visitor_sees_nothing_of_the_connection,
];

fn both_sides_read_names_and_ids_are_tooltips(source: Source) {
    let stage = Stage::new(source);
    let console = Console::from(stage.page(Kind::Staff).open());
    console.put("#staff-id", "sam");
    console.put("#staff-name", "Анна");
    console.put("#token", TOKEN);
    console.key("Enter");
    console.until_connected();
    console.go_online();
    let user = stage.user();
    user.fill("#name", " Ann \u{202e}Müller ");
    let ticket = user.ask("the printer");
    let row = format!("#tickets [data-ticket='{ticket}'] bdi");
    console.until_text(&row, "Ann  Müller");
    console.check(&format!("document.querySelector({}).title == {}", quoted(&row), quoted(&user.id())));
    console.pick(&ticket);
    assert_eq!(console.text("#chat-user"), "Ann  Müller");
    console.check(&format!("document.querySelector('#chat-user').title == {}", quoted(&user.id())));
    user.until_unlocked();
    user.until_text("#log li.system[data-kind=joined]", "Анна joined.");
    console.say("hello");
    user.until_received("hello");
    assert_eq!(user.text("li.message .who"), "Анна");
    user.check("document.querySelector('li.message .who').title == 'sam'");
    user.say("hello yourself");
    console.until_received("hello yourself");
    assert_eq!(console.text("li.message[data-from=them] .who"), "Ann  Müller");
    // A reload keeps them, on both sides.
    user.reload();
    user.until_unlocked();
    console.say("still there?");
    user.until_received("still there?");
    console.reload();
    console.until("document.querySelector('#presence').dataset.online == 'true'");
    console.click("#pick-mine");
    user.until_text("#log li.system[data-kind=reconnected]", "Анна is with you again.");
    let kim = stage.console("kim");
    kim.until_text("#colleagues [data-colleague=sam]", "Анна");
    kim.until_text(&format!("#tickets [data-ticket='{ticket}'] .badge"), "with Анна");
}

fn links_can_be_clicked_and_backticks_give_a_block(source: Source) {
    let stage = Stage::new(source);
    let (mut ann, console, _) = chat_with_user(&stage);
    ann.say(1, "see (https://desk.example/a?b=c), HTTP://x.example. javascript:hit=1 ftp://y.example");
    console.until("document.querySelectorAll('.said a').length == 2");
    console.check(
        "JSON.stringify([...document.querySelectorAll('.said a')].map(a => [a.href, a.target, a.rel])) == \
         JSON.stringify([['https://desk.example/a?b=c', '_blank', 'noopener noreferrer'], ['http://x.example/', '_blank', 'noopener noreferrer']])",
    );
    ann.say(2, "so:\n```\nlet a = 1;\n  let b = 2; // https://z.example\n```\nthere");
    console.until("document.querySelector('.said .code')");
    assert_eq!(console.text(".said .code"), "let a = 1;\n  let b = 2; // https://z.example");
    console.check("getComputedStyle(document.querySelector('.said .code')).fontFamily.includes('mono')");
    console.check("!document.querySelector('.said .code a')");
}

fn a_text_from_right_to_left_does_not_turn_its_bubble(source: Source) {
    let stage = Stage::new(source);
    let (mut ann, console, _) = chat_with_user(&stage);
    for text in ["hello", "שלום"] {
        console.say(text);
        ann.expect("message");
    }
    ann.say(1, "hello");
    ann.say(2, "مرحبا");
    console.until_received("مرحبا");
    for from in ["me", "them"] {
        let corners =
            "(e => (s => [s.borderTopLeftRadius, s.borderTopRightRadius].join())(getComputedStyle(e)))";
        console.check(&format!(
            "(([first, second]) => {corners}(first) == {corners}(second))([...document.querySelectorAll('li.message[data-from={from}] .text')])"
        ));
    }
    console.check("getComputedStyle([...document.querySelectorAll('.said')].at(-1)).direction == 'rtl'");
}

/// Lists texts whose letters do not stand from left to right, in or beside what peers have written.
const REORDERED: &str = "(() => {
    const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = new Set();
    let last = null;
    while (words.nextNode()) {
        const { data, parentElement } = words.currentNode;
        const isPeers = parentElement.closest('.subject, #chat-subject, .last-line, .note, .said') && !parentElement.closest('a');
        if (isPeers || !parentElement.checkVisibility() || parentElement.closest('.unseen')) continue;
        const block = parentElement.closest('li, p, h2, h3, button');
        for (const { index } of data.matchAll(/[A-Za-z0-9]/g)) {
            const range = document.createRange();
            range.setStart(words.currentNode, index);
            range.setEnd(words.currentNode, index + 1);
            const { left, top } = range.getBoundingClientRect();
            if (last && last.block == block && Math.abs(last.top - top) < 3 && left < last.left) found.add(data);
            last = { block, left, top };
        }
    }
    return [...found];
})()";

/// Ends an isolation that is not its own, and turns round what follows (UAX #9, PDI and RLO).
const TURNS: &str = "\u{2069}\u{202e}";

fn a_text_that_orders_characters_moves_nothing_around_it(source: Source) {
    let stage = Stage::with(source, &["--max-chats", "1"]);
    let console = stage.console("sam");
    console.go_online();
    let subject = format!("{TURNS}the printer");
    let mut ann = stage.desk.user("ann");
    let ticket = ann.create(&subject);
    console.until_ticket(&ticket, "waiting");
    assert_eq!(console.eval(REORDERED), json!([]), "the board");
    let mut kim = stage.desk.staff("kim").online();
    kim.pick(&ticket);
    kim.transfer(&ticket, "sam", &format!("{TURNS}she waits"));
    console.until_there(".system .note");
    ann.say(1, &format!("{TURNS}see https://desk.example/a/path{TURNS}now"));
    console.until_there(".said a");
    assert_eq!(console.text(".said a"), "https://desk.example/a/path");
    let mut bob = stage.desk.user("bob");
    kim.pick(&bob.create("the lamp"));
    console.until_there("[data-colleague=kim]"); // what the board says may come 100 ms later
    console.click("#transfer");
    console.click("#transfer-send");
    console.until_text("#problem", "the printer");
    assert_eq!(console.eval(REORDERED), json!([]), "a chat, and a refusal");
    console.check(&format!("document.querySelector('#chat-subject').textContent == {}", quoted(&subject))); // to the letter
}

fn while_all_is_well_a_visitor_sees_nothing_of_the_connection(source: Source) {
    let stage = Stage::new(source);
    let proxy = stage.proxy();
    let user = stage.page(Kind::User).by(&proxy).user();
    let seen = "(status => status.textContent.length > 3 && !getComputedStyle(status).clipPath.includes('inset'))(document.querySelector('#status'))";
    user.check(&format!("!{seen}"));
    assert_eq!(user.text("#status"), "Connected"); // for screen readers
    let is_served = source == Source::Served;
    assert_eq!(user.is_there("[data-other-page]"), !is_served);
    user.click("#open-settings");
    assert_eq!(user.is_there("#server-address"), !is_served);
    user.key("Escape");
    proxy.disconnect();
    user.until(seen);
    proxy.restore();
    user.until_connected();
}
