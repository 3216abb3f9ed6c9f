//! Markup in every text that a peer or a desk can make the pages show: none of it runs, all of it is shown.

use serde_json::{Value, json};

use crate::page::{Page, quoted};
use crate::scripted::ScriptedDesk;
use crate::setup::{Kind, Source, Stage, chat_by, sign_in, stories};

stories![
    hostile_texts_are_read_on_both_sides_and_nothing_runs,
    hostile_subjects_are_read_at_the_board_and_nothing_runs,
    hostile_names_become_ids_or_are_refused_and_nothing_runs,
    hostile_notes_are_read_and_nothing_runs,
    a_hostile_desk_makes_no_users_page_run_anything,
    a_hostile_desk_makes_no_console_run_anything,
];

/// Payloads that have worked elsewhere. Each would set `hit` or request something from outside.
const PAYLOADS: [&str; 38] = [
    "<script>hit=1</script>",
    "<img src=x onerror=hit=1>",
    "<img src=//outside.example/pixel.gif>",
    "<svg onload=hit=1>",
    "<svg><script>hit=1</script></svg>",
    "<svg><animate onbegin=hit=1 attributeName=x dur=1s>",
    "\"><script>hit=1</script>",
    "'><img src=x onerror=hit=1>",
    "\" onfocus=hit=1 autofocus x=\"",
    "' onmouseover='hit=1",
    "</textarea><script>hit=1</script>",
    "</title><script>hit=1</script>",
    "</p></li></ol><script>hit=1</script>",
    "<iframe srcdoc=\"<script>parent.hit=1</script>\"></iframe>",
    "<iframe src=javascript:parent.hit=1></iframe>",
    "<a href=javascript:hit=1>click me</a>",
    "javascript:hit=1",
    "[click](javascript:hit=1)",
    "<details open ontoggle=hit=1>",
    "<input autofocus onfocus=hit=1>",
    "<video><source onerror=hit=1></video>",
    "<audio src=x onerror=hit=1>",
    "<object data=javascript:hit=1></object>",
    "<embed src=javascript:hit=1>",
    "<marquee onstart=hit=1>",
    "<math><mtext></table><mglyph><style><img src=x onerror=hit=1>",
    "<noscript><p title=\"</noscript><img src=x onerror=hit=1>\">",
    "<style>@import '//outside.example/x.css';</style>",
    "<link rel=stylesheet href=//outside.example/x.css>",
    "<base href=//outside.example/>",
    "<meta http-equiv=refresh content=\"0;url=//outside.example/\">",
    "<form action=//outside.example/><button autofocus>Send</button></form>",
    "<template><script>hit=1</script></template><!--<img src=x onerror=hit=1>-->",
    "{{constructor.constructor('hit=1')()}}${hit=1}",
    "&lt;script&gt;hit=1&lt;/script&gt;",
    "%3Cscript%3Ehit=1%3C/script%3E \\u003cscript\\u003ehit=1",
    "{name} {count} {note} $& $1 __proto__",
    "\u{202e}<script>hit=1</script>\u{2066}\u{0}",
];

/// Opens the page without its Content-Security-Policy, so that a payload which gets in does run and is noticed.
fn unprotected(page: &Page) {
    page.cdp("Page.setBypassCSP", json!({ "enabled": true }));
    page.reload();
    // The net has no holes: what a payload would do is seen, were it let in.
    page.eval("{ const s = document.createElement('script'); s.textContent = 'window.hit = 1'; document.head.append(s); s.remove() }");
    page.check("window.hit === 1");
    page.eval("delete window.hit");
}

fn nothing_ran(page: &Page) {
    page.next_frame();
    page.check("window.hit === undefined");
    assert_eq!(page.dialogs(), 0);
    let strange = "script:not([src],body > script),style:not(head > style),link:not([rel=icon],[href='style.css'],[href='chat.css'],[href='staff.css'],[href='staff-lists.css'],[href='staff-narrow.css']),img,svg,math,iframe,\
        object,embed,video,audio,details,marquee,base,template:not([id^=own-settings]),noscript,form[action],meta[http-equiv=refresh],a:not([data-other-page], .said a[rel='noopener noreferrer'])";
    assert_eq!(page.count(strange), 0, "no element came from a text");
    page.check("document.querySelectorAll('#log .said *').length == 0");
}

fn hostile_texts_are_read_on_both_sides_and_nothing_runs(source: Source) {
    let stage = Stage::with(source, &["--rate-limit", "0"]);
    let (user, console, _) = chat_by(stage.page(Kind::User), stage.page(Kind::Staff));
    unprotected(&user);
    user.until_unlocked();
    for page in [&*user, &*console] {
        page.click("#text");
        for payload in PAYLOADS {
            // A text field keeps no NUL from a keyboard; the desk's own are below.
            page.write(&payload.replace('\0', ""));
            page.key("Enter");
        }
        page.until(&format!(
            "document.querySelectorAll('li.message[data-from=me][data-state=delivered]').length == {}",
            PAYLOADS.len()
        ));
    }
    let read = PAYLOADS.map(|payload| payload.replace('\0', ""));
    for page in [&*user, &*console] {
        assert_eq!(page.messages(), [&read[..], &read[..]].concat());
        nothing_ran(page);
    }
    user.reload(); // from the tab's storage, too
    assert_eq!(user.messages(), [&read[..], &read[..]].concat());
    nothing_ran(&user);
}

fn hostile_subjects_are_read_at_the_board_and_nothing_runs(source: Source) {
    let stage = Stage::with(source, &["--max-chats", "50", "--rate-limit", "0"]);
    let console = stage.page(Kind::Staff).open();
    unprotected(&console);
    sign_in(&console, "sam", crate::support::TOKEN);
    console.until_connected();
    console.click("#go-online");
    let users: Vec<_> = PAYLOADS
        .iter()
        .enumerate()
        .map(|(n, subject)| {
            let mut user = stage.desk.user(&format!("user-{n}"));
            user.create(subject);
            user
        })
        .collect();
    console.until(&format!("document.querySelectorAll('#tickets li').length == {}", PAYLOADS.len()));
    assert_eq!(console.texts("#tickets .subject"), PAYLOADS);
    for _ in PAYLOADS {
        let before = console.count("#chat-list [data-chat]");
        console.click("#pick-next");
        console
            .until(&format!("document.querySelectorAll('#chat-list [data-chat]').length == {}", before + 1));
        console.check(&format!(
            "{}.includes(document.querySelector('#chat-subject').textContent)",
            json!(PAYLOADS[..])
        ));
    }
    assert_eq!(console.texts("#chat-list .last-line"), PAYLOADS);
    nothing_ran(&console);
    drop(users);
}

fn hostile_names_become_ids_or_are_refused_and_nothing_runs(source: Source) {
    let stage = Stage::with(source, &["--rate-limit", "0"]);
    let user = stage.page(Kind::User).open();
    unprotected(&user);
    let console = stage.page(Kind::Staff).open();
    unprotected(&console);
    for payload in &PAYLOADS[..8] {
        user.fill("#name", payload);
        user.fill("#subject", payload);
        user.key("Enter");
        user.until("document.body.dataset.view == 'chat'");
        assert_eq!(user.text("#chat-subject"), *payload);
        user.check("/^[A-Za-z0-9._~-]{1,64}$/.test(user.id)");
        user.click("#close-ticket");
        user.click("#confirm-yes");
        user.click("#new-ticket");

        sign_in(&console, payload, payload);
        console.until_there("#staff-id-error");
        console.check("document.body.dataset.view == 'sign-in'");
    }
    nothing_ran(&user);
    nothing_ran(&console);
}

fn hostile_notes_are_read_and_nothing_runs(source: Source) {
    let stage = Stage::with(source, &["--max-chats", "50"]);
    let console = stage.page(Kind::Staff).open();
    unprotected(&console);
    sign_in(&console, "sam", crate::support::TOKEN);
    console.until_connected();
    console.click("#go-online");
    let mut kim = stage.desk.staff("kim").online();
    let mut alice = stage.desk.user("alice");
    let ticket = alice.create("the printer");
    console.until("document.querySelector('#presence').dataset.online == 'true'");
    for payload in PAYLOADS {
        kim.pick(&ticket);
        kim.transfer(&ticket, "sam", payload);
        console.until(&format!(
            "[...document.querySelectorAll('li.system[data-kind=note]')].at(-1)?.textContent.includes({})",
            quoted(payload)
        ));
        console.click("#release");
        console.click("#confirm-yes");
        console.until_gone("#chat");
    }
    nothing_ran(&console);
}

const EVIL: &str = "\"><img src=x onerror=hit=1><script>hit=1</script>'{name}";

fn spoken(frames: &mut Vec<Value>, from: &str) {
    for (n, text) in PAYLOADS.iter().enumerate() {
        frames.push(
            json!({ "type": "message", "ticket_id": EVIL, "seq": n + 1, "from": from, "sender_id": text,
            "id": n + 1, "text": text, "at": 1000 }),
        );
    }
    frames.push(json!({ "type": "typing", "ticket_id": EVIL, "active": true }));
    frames.push(json!({ "type": "error", "code": EVIL, "message": EVIL, "id": EVIL, "ticket_id": EVIL }));
    frames.push(json!({ "type": EVIL }));
}

/// The frames of a hostile desk: they follow the protocol, and every text in them is a payload.
fn at_hostile_desk(stage: &Stage, kind: Kind, frames: Vec<Value>) -> Page {
    let addr = ScriptedDesk::always_sending(stage.desk.server.addr, frames);
    let page = stage.page(kind).at(addr).open();
    unprotected(&page);
    page
}

fn a_hostile_desk_makes_no_users_page_run_anything(source: Source) {
    let stage = Stage::new(source);
    let ticket = json!({ "ticket_id": EVIL, "subject": EVIL, "state": "active", "staff_id": EVIL, "created_at": 1000,
        "last_seq": 0, "last_id": 0, "delivered_seq": 0 });
    let mut frames =
        vec![json!({ "type": "welcome", "protocol": 1, "role": "user", "user_id": EVIL, "session": "abc",
        "resumed": true, "now": 1000, "desk_online": true, "ticket": ticket, "ended": null })];
    spoken(&mut frames, "staff");
    for kind in ["staff_joined", "staff_online", "staff_offline", "staff_reconnected", "staff_left"] {
        frames.push(json!({ "type": kind, "ticket_id": EVIL, "staff_id": EVIL, "at": 1000 }));
    }
    frames.push(
        json!({ "type": "queue", "ticket_id": EVIL, "position": EVIL, "waiting": EVIL, "wait_s": null }),
    );
    frames.push(json!({ "type": "ticket_closed", "ticket_id": EVIL, "by": EVIL, "at": 1000 }));
    let user = at_hostile_desk(&stage, Kind::User, frames);
    user.until("document.querySelector('#chat').dataset.ticketState == 'closed'");
    assert_eq!(user.messages(), PAYLOADS);
    assert_eq!(user.texts("li.message .who"), PAYLOADS);
    assert_eq!(user.text("#chat-subject"), EVIL);
    assert_eq!(user.text("#ticket-id"), EVIL);
    nothing_ran(&user);
}

fn a_hostile_desk_makes_no_console_run_anything(source: Source) {
    let stage = Stage::new(source);
    let ticket = |state: &str| {
        json!({ "ticket_id": EVIL, "user_id": EVIL, "subject": EVIL, "state": state,
        "staff_id": EVIL, "user_online": false, "created_at": 1000 })
    };
    let mut frames = vec![
        json!({ "type": "welcome", "protocol": 1, "role": "staff", "staff_id": EVIL, "online": false,
        "now": 1000, "max_chats": 5, "assign": EVIL, "tickets": [ticket("paused")], "more": 0, "staff": [EVIL] }),
    ];
    frames.push(json!({ "type": "presence", "online": true }));
    frames.push(json!({ "type": "colleague", "staff_id": PAYLOADS[1], "online": true }));
    frames.push(json!({ "type": "ticket_added", "ticket": ticket("waiting") }));
    frames.push(
        json!({ "type": "ticket_picked", "ticket_id": EVIL, "user_id": EVIL, "subject": EVIL, "last_seq": 0,
        "last_id": 0, "delivered_seq": 0, "at": 1000, "auto": false, "from_staff": EVIL, "note": EVIL }),
    );
    spoken(&mut frames, "user");
    frames.push(json!({ "type": "ticket_updated", "ticket": ticket("paused") }));
    frames.push(json!({ "type": "ticket_updated", "ticket": ticket("active") }));
    let console = at_hostile_desk(&stage, Kind::Staff, frames);
    sign_in(&console, "sam", "any-token");
    console.until_locked("taken");
    assert_eq!(console.messages(), PAYLOADS);
    assert_eq!(console.text("#chat-subject"), EVIL);
    console.click("#filter-taken"); // it is among the chats, and listed on demand
    assert_eq!(console.texts("#tickets .subject"), [EVIL]);
    console.check(&format!(
        "document.querySelector('li.system[data-kind=note]').textContent.includes({})",
        quoted(EVIL)
    ));
    assert_eq!(console.count("#colleagues li"), 2);
    nothing_ran(&console);
}
