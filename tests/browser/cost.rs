//! What a message, a key and a ticket cost a page that has much in it: how much is drawn again and written down again. Times
//! are measured by `make bench-pages`.

use serde_json::{Value, json};

use crate::page::Page;
use crate::scripted::{Connection, ScriptedDesk, TICKET};
use crate::setup::{Console, Kind, Source, Stage, chat, sign_in, stories};
use crate::support::TOKEN;

stories![
    a_message_in_a_long_chat_is_drawn_and_written_down_by_itself,
    a_receipt_changes_the_line_of_its_message_alone,
    a_ticket_that_changes_is_drawn_by_itself_on_a_board_of_three_hundred,
    a_long_chat_is_there_after_a_reload_and_leaves_nothing_behind,
    of_two_thousand_messages_no_more_are_drawn_at_once_than_of_three_hundred,
    a_board_of_a_thousand_is_made_in_pieces_and_never_whole,
];

/// Lines of a long chat, and the characters of each.
const LINES: usize = 300;
const LINE: usize = 1500;

/// Puts a long chat before what was said.
pub fn fill(page: &Page) {
    fill_with(page, LINES);
}

fn fill_with(page: &Page, lines: usize) {
    page.eval(&format!(
        "{{
            const shown = typeof chats == 'undefined' ? chat : chats.shown;
            for (let n = 0; n < {lines}; n += 1) {{
                const text = `line ${{n}} `.padEnd({LINE}, 'long '), at = Date.now() - 3600000 + n;
                const whose = n % 2 ? {{ from: 'me', state: 'delivered', seq: 0 }} : {{ from: 'them', sender: 'x', senderId: 'x', seq: 0 }};
                shown.entries.splice(n, 0, {{ kind: 'message', text, at, ...whose }});
            }}
            shown.host.save();
            (typeof chats == 'undefined' ? log : chats.log).show(shown.entries, shown.confirmedSeq);
        }}"
    ));
}

/// Counts from now on what is written down, and which rows of a list change.
fn watch(page: &Page, list: &str) {
    page.eval(&format!(
        "{{
            const list = document.querySelector('{list}');
            window.written = 0;
            window.rows = [...list.children];
            window.changed = new Set();
            const {{ setItem }} = Storage.prototype;
            Storage.prototype.setItem = function (key, value) {{ window.written += value.length; setItem.call(this, key, value); }};
            new MutationObserver((all) => {{
                for (const {{ target, addedNodes, removedNodes }} of all) {{
                    for (const node of [target, ...addedNodes, ...removedNodes]) {{
                        const row = node == list ? null : (node.closest ? node : node.parentElement)?.closest('{list} > *');
                        if (row) changed.add(row);
                    }}
                }}
            }}).observe(list, {{ childList: true, subtree: true, attributes: true, characterData: true }});
        }}"
    ));
}

fn a_message_in_a_long_chat_is_drawn_and_written_down_by_itself(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    user.say("before");
    console.until_received("before");
    user.until_said("before", "delivered");
    for (page, other) in [(&*user, &*console), (&*console, &*user)] {
        fill(page);
        watch(page, "#log ol");
        other.say("a short one");
        page.until_received("a short one");
        other.until_said("a short one", "delivered");
        page.check("rows.every(row => row.isConnected) && [...changed].every(row => !rows.includes(row))");
        page.check("changed.size <= 2"); // the message, and the divider before it
        page.eval("changed.clear(), window.rows = [...document.querySelectorAll('#log ol > *')]");
        page.say("an answer");
        page.until_said("an answer", "delivered");
        page.check("rows.every(row => row.isConnected) && [...changed].filter(row => rows.includes(row)).length <= 1"); // what was said last before it
        // Far less than the chat, which has 450,000 characters; most of it are the names of its lines.
        let written = page.eval("written").as_u64().unwrap();
        assert!(written < 150_000, "{written} characters");
    }
}

fn a_receipt_changes_the_line_of_its_message_alone(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    for (page, other) in [(&*user, &*console), (&*console, &*user)] {
        fill(page);
        let tab = other.hide();
        page.say("not seen yet");
        page.until_said("not seen yet", "sent");
        watch(page, "#log ol");
        other.show_again(&tab);
        page.until_said("not seen yet", "delivered");
        page.check("changed.size == 1 && [...changed][0].textContent.includes('not seen yet')");
    }
}

/// Counts from now on how many elements are put into a list in one task at most.
fn watch_tasks(page: &Page, list: &str) {
    page.eval(&format!(
        "{{
            const size = node => node.nodeType == 1 ? 1 + node.querySelectorAll('*').length : 0;
            window.added = 0; // an observer is called by a microtask: all that it is called with is of one task
            new MutationObserver(all => {{
                const nodes = new Set(all.flatMap(({{ addedNodes }}) => [...addedNodes]));
                window.added = Math.max(window.added, [...nodes].reduce((sum, node) => sum + size(node), 0));
            }}).observe(document.querySelector('{list}'), {{ childList: true }});
        }}"
    ));
}

fn of_two_thousand_messages_no_more_are_drawn_at_once_than_of_three_hundred(source: Source) {
    let stage = Stage::new(source);
    let (user, console, first) = chat(&stage);
    let mut ann = stage.desk.user("ann");
    let second = ann.create("the lamp");
    console.pick(&second);
    for page in [&*user, &*console] {
        fill_with(page, 2000);
    }
    watch_tasks(&console, "#log ol");
    for ticket in [&first, &second] {
        console.click(&format!("#chat-list [data-chat='{ticket}'] button"));
        console.until_shown(ticket);
    }
    console.check("added > 300 && added < 300 * 12");
    console.check("document.querySelectorAll('#log li.message').length <= 300");
    // Those before them come on demand, and the reader stays where they are.
    let rows = "document.querySelectorAll('#log li.message')";
    console.eval(&format!("window.reached = {rows}[0].textContent"));
    console.click("#log [data-kind=earlier] button");
    console.until(&format!("{rows}.length > 500 && {rows}.length <= 600"));
    console.check(&format!("Math.abs([...{rows}].find(e => e.textContent == reached).getBoundingClientRect().top - document.querySelector('#log').getBoundingClientRect().top) < 300"));
    console.check("document.activeElement.id == 'log'");
    // A user has one chat, which is drawn whole after a load alone: what is kept of it is not more either.
    user.reload();
    user.until_connected();
    user.check(&format!("{rows}.length > 250 && {rows}.length <= 300"));
}

/// Signs in at a desk where this many tickets wait. The welcome lists 200 of them.
fn console_with(stage: &Stage, tickets: u64) -> (Console, Connection) {
    let desk = ScriptedDesk::beside(stage.desk.server.addr);
    let console = Console::from(stage.page(Kind::Staff).at(desk.addr).open());
    watch_tasks(&console, "#tickets");
    sign_in(&console, "sam", TOKEN);
    let mut connection = desk.accept();
    let (first, rest): (Vec<u64>, Vec<u64>) = (0..tickets).partition(|n| *n < 200);
    connection.send(&json!({ "type": "welcome", "protocol": 1, "role": "staff", "staff_id": "sam", "online": false, "now": 1000,
        "max_chats": 5, "assign": "manual", "more": rest.len(), "staff": [],
        "tickets": first.iter().map(|n| ticket(*n, true)).collect::<Vec<_>>() }));
    for n in &rest {
        connection.send(&json!({ "type": "ticket_added", "ticket": ticket(*n, true) }));
    }
    console.until_text("#oldest-waiting", &format!("{tickets} waiting"));
    console.until("document.querySelectorAll('#tickets > li').length == 200"); // a few at once, so that no task is long
    (console, connection)
}

fn ticket(n: u64, online: bool) -> Value {
    json!({ "ticket_id": if n == 0 { TICKET.to_owned() } else { format!("t-{n:03}") }, "user_id": format!("user-{n}"),
        "subject": format!("help {n}"), "state": "waiting", "staff_id": null, "user_online": online, "created_at": n })
}

fn a_board_of_a_thousand_is_made_in_pieces_and_never_whole(source: Source) {
    let stage = Stage::new(source);
    let (console, _connection) = console_with(&stage, 1000);
    console.until_text("#board-more", "800 more");
    console.check("added > 10 && added < 10 * 20"); // ten rows
    // The search finds what has no row, and the first are back after it.
    console.eval("window.added = 0");
    console.fill("#search", "help 99");
    console.until("document.querySelectorAll('#tickets > li').length == 11");
    console.fill("#search", "");
    console.until("document.querySelectorAll('#tickets > li').length == 200");
    console.check("added < 10 * 20");
}

fn a_ticket_that_changes_is_drawn_by_itself_on_a_board_of_three_hundred(source: Source) {
    let stage = Stage::new(source);
    let (console, mut connection) = console_with(&stage, 300);
    console.until_text("#board-more", "100 more");
    watch(&console, "#tickets");
    connection.send(&json!({ "type": "ticket_updated", "ticket": ticket(7, false) }));
    console.until_text("#tickets [data-ticket='t-007'] .away", "away");
    console.check("rows.length == 200 && changed.size == 1 && [...changed][0].dataset.ticket == 't-007'");
    connection.send(&json!({ "type": "ticket_removed", "ticket_id": "t-007" }));
    console.until_gone("#tickets [data-ticket='t-007']");
    console.until_there("#tickets [data-ticket='t-200']"); // there is room for it now
    console.check("changed.size == 2 && rows.filter(row => row.isConnected).length == 199");
    assert_eq!(console.eval("written"), 0, "no chat has changed");
}

fn a_long_chat_is_there_after_a_reload_and_leaves_nothing_behind(source: Source) {
    let stage = Stage::new(source);
    let (user, console, ticket) = chat(&stage);
    for page in [&*user, &*console] {
        fill(page);
        page.say("the last");
        page.until_said("the last", "delivered");
        page.reload();
        page.until("document.querySelectorAll('#log li.message').length >= 295");
        page.until(
            "[...document.querySelectorAll('#log li.message')].at(-1).textContent.includes('the last')",
        );
    }
    console.until("document.querySelector('#presence').dataset.online == 'true'");
    console.click("#pick-mine");
    console.until_shown(&ticket);
    user.until_unlocked();
    user.click("#close-ticket");
    user.click("#confirm-yes");
    console.until_chat_is("closed");
    console.click("#dismiss");
    console.until("!Object.keys(sessionStorage).some(key => key.startsWith('deskwire.chat.'))");
    user.until_ticket_is("closed");
    user.check("!Object.keys(localStorage).some(key => key.startsWith('deskwire.chat'))");
}
