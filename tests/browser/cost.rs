//! What a message, a key and a ticket cost a page that has much in it: how much is drawn again and written down again. Times
//! are measured by `make bench-pages`.

use serde_json::json;

use crate::page::Page;
use crate::scripted::{ScriptedDesk, TICKET};
use crate::setup::{Console, Kind, Source, Stage, chat, sign_in, stories};
use crate::support::TOKEN;

stories![
    a_message_in_a_long_chat_is_drawn_and_written_down_by_itself,
    a_receipt_changes_the_line_of_its_message_alone,
    a_ticket_that_changes_is_drawn_by_itself_on_a_board_of_three_hundred,
    a_long_chat_is_there_after_a_reload_and_leaves_nothing_behind,
];

/// Lines of a long chat, and the characters of each.
const LINES: usize = 300;
const LINE: usize = 1500;

/// Puts a long chat before what was said.
pub fn fill(page: &Page) {
    page.eval(&format!(
        "{{
            const shown = typeof chats == 'undefined' ? chat : chats.shown;
            for (let n = 0; n < {LINES}; n += 1) {{
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

fn a_ticket_that_changes_is_drawn_by_itself_on_a_board_of_three_hundred(source: Source) {
    let stage = Stage::new(source);
    let desk = ScriptedDesk::beside(stage.desk.server.addr);
    let console = Console::from(stage.page(Kind::Staff).at(desk.addr).open());
    sign_in(&console, "sam", TOKEN);
    let mut connection = desk.accept();
    let ticket = |n: u64, online: bool| {
        json!({ "ticket_id": if n == 0 { TICKET.to_owned() } else { format!("t-{n:03}") }, "user_id": format!("user-{n}"),
            "subject": format!("help {n}"), "state": "waiting", "staff_id": null, "user_online": online, "created_at": n })
    };
    let (first, rest): (Vec<u64>, Vec<u64>) = (0..300).partition(|n| *n < 200);
    connection.send(&json!({ "type": "welcome", "protocol": 1, "role": "staff", "staff_id": "sam", "online": false, "now": 1000,
        "max_chats": 5, "assign": "manual", "more": rest.len(), "staff": [],
        "tickets": first.iter().map(|n| ticket(*n, true)).collect::<Vec<_>>() }));
    for n in &rest {
        connection.send(&json!({ "type": "ticket_added", "ticket": ticket(*n, true) }));
    }
    console.until_text("#oldest-waiting", "300 waiting");
    console.until_text("#board-more", "100 more");
    console.until("document.querySelectorAll('#tickets > li').length == 200"); // a few at once, so that no task is long
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
