//! The console's lists and actions: calm rows, one primary action, and what a colleague can take.

use serde_json::json;

use crate::page::Page;
use crate::setup::{Source, Stage, chat_with_user, stories};

stories![
    a_row_is_56_pixels_and_all_of_it_is_the_button,
    head_and_search_stay_in_view_above_a_long_list,
    filters_show_what_waits_what_is_mine_and_what_is_taken,
    own_chats_show_the_last_line_and_who_waits_longest_comes_first,
    transfer_shows_the_load_and_the_room_of_each_colleague,
    one_action_is_the_first_and_the_others_are_quiet,
    on_a_phone_every_action_of_a_chat_is_behind_one_button,
    on_a_phone_a_paused_chat_leaves_room_for_its_subject,
    a_row_shows_a_subject_and_a_name_of_usual_length_whole_and_from_its_start,
    while_all_is_well_the_console_says_nothing_of_the_connection,
];

fn a_row_is_56_pixels_and_all_of_it_is_the_button(source: Source) {
    let stage = Stage::new(source);
    let console = stage.console("sam");
    console.go_online();
    let mut users = ["ann", "bob"].map(|name| stage.desk.user(name));
    let [first, second] = users.each_mut().map(|user| user.create(&"a long subject ".repeat(9)));
    console.until_ticket(&second, "waiting");
    let rows = "[...document.querySelectorAll('#tickets li, #chat-list li')].map(e => [e.getBoundingClientRect().height, e.querySelector('button').getBoundingClientRect().height])";
    assert_eq!(console.eval(rows), json!([[56, 56], [56, 56]]));
    // Its far corner picks.
    let at = console.eval(&format!(
        "(({{ right, bottom }}) => [right - 6, bottom - 6])(document.querySelector(\"[data-ticket='{first}']\").getBoundingClientRect())"
    ));
    let event = |kind| {
        let at =
            json!({ "type": kind, "x": at[0], "y": at[1], "button": "left", "buttons": 1, "clickCount": 1 });
        ("Input.dispatchMouseEvent", at)
    };
    console.cdp_all(["mousePressed", "mouseReleased"].map(event));
    console.until_shown(&first);
    console.until("document.querySelectorAll('#tickets li').length == 1");
    assert_eq!(console.eval(rows), json!([[56, 56], [56, 56]]));
}

fn head_and_search_stay_in_view_above_a_long_list(source: Source) {
    let stage = Stage::with(source, &["--rate-limit", "0"]);
    let console = stage.console("sam");
    let mut users: Vec<_> = (0..20).map(|n| stage.desk.user(&format!("user-{n}"))).collect();
    for user in &mut users {
        user.create("the printer");
    }
    console.until("document.querySelectorAll('#tickets li').length == 20");
    for (width, height) in [(360, 640), (1440, 900)] {
        console.resize(width, height);
        console.eval("document.querySelector('#tickets').scrollTop = 1e6, document.querySelector('#board').scrollTop = 1e6");
        console.next_frame();
        console.check("document.querySelector('#tickets').scrollTop > 0");
        for part in ["#board-title", "#pick-next", "#search", "#filter-waiting"] {
            console.check(&format!(
                "(({{ top, bottom }}) => top >= 0 && bottom <= innerHeight)(document.querySelector('{part}').getBoundingClientRect())"
            ));
        }
    }
}

fn listed(page: &Page) -> Vec<String> {
    let states = page.eval("[...document.querySelectorAll('#tickets li')].map(e => e.dataset.state)");
    serde_json::from_value(states).expect("states")
}

fn filters_show_what_waits_what_is_mine_and_what_is_taken(source: Source) {
    let stage = Stage::new(source);
    let mut users = ["ann", "bob", "cat"].map(|name| stage.desk.user(name));
    let [mine, taken, waiting] = users.each_mut().map(|user| user.create("the printer"));
    stage.desk.staff("kim").online().pick(&taken);
    let console = stage.console("sam");
    console.go_online();
    console.pick(&mine);
    console.until_ticket(&waiting, "waiting");
    let mut kim = stage.desk.staff("kim").online();
    kim.pick(&taken);
    console.until_ticket(&taken, "taken");
    // Our own are among our chats, and not listed twice.
    assert_eq!(listed(&console), ["waiting", "taken"]);
    for (filter, text, states) in [
        ("#filter-waiting", "Waiting 1", "waiting"),
        ("#filter-mine", "Mine 1", "mine"),
        ("#filter-taken", "Taken 1", "taken"),
    ] {
        assert_eq!(console.text(filter), text);
        console.click(filter);
        console.check(&format!("document.querySelector('{filter}').getAttribute('aria-pressed') == 'true'"));
        assert_eq!(listed(&console), [states]);
    }
    console.click("#filter-taken");
    assert_eq!(listed(&console), ["waiting", "taken"]);
    console.fill("#search", &mine);
    console.until("document.querySelectorAll('#tickets li').length == 1");
    assert_eq!(listed(&console), ["mine"], "the search finds all");
}

fn own_chats_show_the_last_line_and_who_waits_longest_comes_first(source: Source) {
    let stage = Stage::new(source);
    let console = stage.console("sam");
    console.go_online();
    let mut users = ["ann", "bob", "cat"].map(|name| stage.desk.user(name));
    let tickets = users.each_mut().map(|user| user.create(&format!("from {}", user.name)));
    for ticket in &tickets {
        console.pick(ticket);
    }
    let order = "[...document.querySelectorAll('#chat-list .subject')].map(e => e.textContent).join()";
    console.check(&format!("{order} == 'ann,bob,cat'"));
    console.until_text("#chat-list [data-chat] .last-line", "from ann");
    users[1].say(1, "one of bob");
    console.until(&format!("{order} == 'bob,ann,cat'"));
    console.until_text("#chat-list li:first-child .last-line", "one of bob");
    console.check("/now/.test(document.querySelector('#chat-list li:first-child .age').textContent)");
    users[0].say(1, "one of ann");
    users[1].say(2, "two of bob");
    console.until_text("#chat-list li:first-child [data-unread]", "2");
    console.check(&format!("{order} == 'bob,ann,cat'")); // bob has waited longer
    console.click(&format!("#chat-list [data-chat='{}'] button", tickets[1]));
    console.until_shown(&tickets[1]);
    console.say("an answer");
    console.until(&format!("{order} == 'ann,bob,cat'"));
    console.until_text(&format!("#chat-list [data-chat='{}'] .last-line", tickets[1]), "You: an answer");
}

fn transfer_shows_the_load_and_the_room_of_each_colleague(source: Source) {
    let stage = Stage::with(source, &["--max-chats", "2"]);
    let (_ann, console, _) = chat_with_user(&stage);
    let mut users = ["bob", "cat", "dan"].map(|name| stage.desk.user(name));
    let [bob, cat, dan] = users.each_mut().map(|user| user.create("help"));
    let (mut kim, mut lee) = (stage.desk.staff("kim").online(), stage.desk.staff("lee").online());
    kim.pick(&bob);
    kim.pick(&cat);
    lee.pick(&dan);
    for ticket in [&bob, &cat, &dan] {
        console.until_ticket(ticket, "taken");
    }
    console.click("#transfer");
    assert_eq!(
        console.texts("#transfer-to option"),
        ["lee (1 of 2 chats)", "kim (2 of 2 chats: no room)"],
        "who has most room comes first"
    );
    console.check("document.querySelector('#transfer-to').value == 'lee'");
}

/// Returns the ids of the primary actions that are seen, outside of dialogs.
fn primary(page: &Page) -> Vec<String> {
    page.next_frame(); // it is chosen as a frame is drawn
    let seen = "[...document.querySelectorAll('.primary')].filter(e => e.checkVisibility() && !e.disabled && !e.closest('dialog')).map(e => e.id)";
    serde_json::from_value(page.eval(seen)).expect("ids")
}

fn one_action_is_the_first_and_the_others_are_quiet(source: Source) {
    let stage = Stage::new(source);
    let mut users = ["ann", "bob"].map(|name| stage.desk.user(name));
    let [first, second] = users.each_mut().map(|user| user.create("the printer"));
    let console = stage.console("sam");
    console.until_ticket(&second, "waiting");
    assert_eq!(primary(&console), ["go-online"]);
    console.go_online();
    console.until("document.querySelector('#pick-next').classList.contains('primary')");
    assert_eq!(primary(&console), ["pick-next"]);
    console.pick(&first);
    assert_eq!(primary(&console), ["send"]);
    console.click("#go-offline");
    console.click("#confirm-yes");
    console.until_chat_is("repick");
    assert_eq!(primary(&console), ["go-online"]);
    console.go_online();
    console.until("document.querySelector('#pick-again').classList.contains('primary')");
    assert_eq!(primary(&console), ["pick-again"]);
    console.resize(360, 640);
    console.click("#back");
    console.until("document.querySelector('#pick-mine').classList.contains('primary')");
    assert_eq!(primary(&console), ["pick-mine"]);
}

fn while_all_is_well_the_console_says_nothing_of_the_connection(source: Source) {
    let stage = Stage::new(source);
    let proxy = stage.proxy();
    let console = stage.page(crate::setup::Kind::Staff).by(&proxy).console("sam");
    let seen = "!getComputedStyle(document.querySelector('#status')).clipPath.includes('inset')";
    console.check(&format!("!({seen})"));
    assert_eq!(console.text("#status"), "Connected"); // for screen readers
    proxy.disconnect();
    console.until(seen);
    proxy.restore();
    console.until(&format!("!({seen})"));
}

fn on_a_phone_every_action_of_a_chat_is_behind_one_button(source: Source) {
    let stage = Stage::new(source);
    let (ann, console, ticket) = chat_with_user(&stage);
    assert!(console.is_there("#transfer") && !console.is_there("#more"), "a wide screen has room");
    console.phone(360, 740);
    let actions = ["transfer", "release", "close-ticket", "save-transcript"].map(|id| format!("#{id}"));
    assert!(!actions.iter().any(|action| console.is_there(action)));
    console.eval("window.saved = '', saveFile = name => window.saved = name, 0");
    console.tap("#more");
    actions.iter().for_each(|action| console.until_there(action));
    console.axe_clean("the actions of a chat on a phone");
    console.key("Escape");
    console.until_gone("#transfer");
    console.check("document.activeElement.id == 'more' && document.body.dataset.region == 'conversation'");
    console.tap("#more");
    console.tap("#save-transcript");
    console.until(&format!("saved == 'ticket-{ticket}.txt'"));
    assert!(!console.is_there("#transfer"), "closed by what was chosen");
    console.tap("#more");
    console.tap("#close-ticket");
    console.click("#confirm-no");
    console.until("document.activeElement.id == 'more'");
    console.tap("#more");
    console.tap("#release");
    console.tap("#confirm-yes");
    console.until_gone("#chat");
    drop(ann);
}

fn a_row_shows_a_subject_and_a_name_of_usual_length_whole_and_from_its_start(source: Source) {
    let stage = Stage::new(source);
    let console = stage.console("sam");
    console.go_online();
    let mut tickets = Vec::new();
    for (name, subject) in [("Jürgen Groß", "Kann die Lampe nicht dimmen"), ("محمد علي", "الطلب لم يصل")]
    {
        let user = stage.user();
        user.fill("#name", name);
        tickets.push(user.ask(subject));
        console.until_ticket(tickets.last().unwrap(), "waiting");
    }
    console.check("document.querySelector('#board').offsetWidth == 22 * 16");
    let cut = "[...document.querySelectorAll('#tickets .subject, #tickets .facts > *')].filter(e => e.scrollWidth > e.clientWidth).map(e => e.textContent)";
    assert_eq!(console.eval(cut), json!([]));
    // A text has its own direction, and the list keeps its side.
    let indent = "[...document.querySelectorAll('#tickets .subject')].map(e => {
        const range = document.createRange();
        range.selectNodeContents(e);
        return range.getBoundingClientRect().left - e.getBoundingClientRect().left < 2;
    })";
    assert_eq!(console.eval(indent), json!([true, true]));
    console.check(
        "getComputedStyle([...document.querySelectorAll('#tickets .subject')].at(-1)).direction == 'rtl'",
    );
}

fn on_a_phone_a_paused_chat_leaves_room_for_its_subject(source: Source) {
    let stage = Stage::new(source);
    let (mut ann, console, _) = chat_with_user(&stage);
    let roomy = |state: &str| {
        for width in [320, 360, 430] {
            console.phone(width, 700);
            console.next_frame();
            console.check("document.querySelector('.chat-name').clientWidth >= 140");
            console.check("document.querySelector('.chat-head').clientHeight <= 120");
            // What went well covers neither the reason nor the field.
            let covered = "(([toast, below]) => toast.height && toast.bottom > below.top)(['outcome', 'composer'].map(id => document.querySelector('#' + id).getBoundingClientRect()))";
            console.check(&format!("!{covered}"));
        }
        console.axe_clean(state);
        console.resize(1280, 800);
    };
    roomy("active");
    console.click("#go-offline");
    console.click("#confirm-yes");
    console.until_chat_is("repick");
    console.check("document.querySelector('#outcome').textContent");
    roomy("paused");
    ann.close_ticket();
    console.until_chat_is("closed");
    roomy("closed");
}
