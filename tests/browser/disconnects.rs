//! Connections that are lost at bad moments: no message is lost, doubled, or called delivered wrongly.

use crate::proxy::Way;
use crate::setup::{Kind, Source, Stage, chat_by, chat_with_staff, stories};
use crate::support::Desk;

stories![
    cut_while_sending_the_users_message_arrives_once_after_reconnecting,
    cut_while_sending_the_staffs_message_arrives_once_after_the_next_pick,
    cut_before_the_ack_shows_the_users_message_once_on_both_sides,
    cut_before_the_ack_shows_the_staffs_message_once_on_both_sides,
    what_was_missed_comes_once_and_in_order,
    a_reload_keeps_the_transcript_and_brings_what_was_missed,
    a_restart_of_the_desk_is_shown_and_the_draft_goes_into_the_next_ticket,
    staff_cut_off_while_the_user_types_locks_at_once_and_keeps_the_draft,
    a_message_that_was_refused_says_why_and_is_sent_again_by_retry,
    a_chat_closed_while_the_user_was_away_is_shown_after_what_was_missed,
];

fn cut_while_sending_the_users_message_arrives_once_after_reconnecting(source: Source) {
    let stage = Stage::new(source);
    let proxy = stage.proxy();
    let (user, console, _) = chat_by(stage.page(Kind::User).by(&proxy), stage.page(Kind::Staff));

    proxy.stall(Way::Up);
    user.say("on its way");
    user.until_said("on its way", "sending");
    proxy.disconnect();
    user.until_said("on its way", "queued");
    user.until_locked("lost");
    user.until_there("#notice[data-reason=lost]");
    console.until_locked("user-offline");
    assert!(console.messages().is_empty());

    proxy.restore();
    user.until_said("on its way", "delivered");
    user.until_unlocked();
    user.until_gone("#notice");
    console.until_unlocked();
    assert_eq!(user.messages(), ["on its way"]);
    assert_eq!(console.messages(), ["on its way"]);
    assert_eq!(user.lines(), ["created", "joined", "lost", "back"]);
}

fn cut_while_sending_the_staffs_message_arrives_once_after_the_next_pick(source: Source) {
    let stage = Stage::new(source);
    let proxy = stage.proxy();
    let (user, console, _) = chat_by(stage.page(Kind::User), stage.page(Kind::Staff).by(&proxy));

    proxy.stall(Way::Up);
    console.say("one moment");
    console.until_said("one moment", "sending");
    proxy.disconnect();
    console.until_said("one moment", "queued");
    console.until_locked("lost");
    user.until_locked("staff-offline");

    proxy.restore();
    // It was online, so it is again; the chat is picked by hand, for a colleague may have been quicker.
    console.until("document.querySelector('#presence').dataset.online == 'true'");
    console.until_locked("repick");
    assert!(user.messages().is_empty());
    console.click("#pick-again");
    console.until_said("one moment", "delivered");
    user.until_unlocked();
    assert_eq!(user.messages(), ["one moment"]);
    assert_eq!(console.messages(), ["one moment"]);
}

fn cut_before_the_ack_shows_the_users_message_once_on_both_sides(source: Source) {
    let stage = Stage::new(source);
    let proxy = stage.proxy();
    let (user, console, _) = chat_by(stage.page(Kind::User).by(&proxy), stage.page(Kind::Staff));

    proxy.stall(Way::Down);
    user.say("did you get it?");
    console.until_received("did you get it?"); // so the desk has accepted it, and the ack is in the stalled line
    user.until_said("did you get it?", "sending");
    proxy.disconnect();
    user.until_said("did you get it?", "queued");

    proxy.restore();
    user.until_said("did you get it?", "delivered");
    user.say("and this?");
    console.until_received("and this?");
    assert_eq!(user.messages(), ["did you get it?", "and this?"]);
    assert_eq!(console.messages(), ["did you get it?", "and this?"]);
}

fn cut_before_the_ack_shows_the_staffs_message_once_on_both_sides(source: Source) {
    let stage = Stage::new(source);
    let proxy = stage.proxy();
    let (user, console, _) = chat_by(stage.page(Kind::User), stage.page(Kind::Staff).by(&proxy));

    proxy.stall(Way::Down);
    console.say("turn it off");
    user.until_received("turn it off");
    proxy.disconnect();
    console.until_said("turn it off", "queued");

    proxy.restore();
    console.click("#pick-again");
    console.until_said("turn it off", "delivered");
    console.say("and on again");
    user.until_received("and on again");
    assert_eq!(user.messages(), ["turn it off", "and on again"]);
    assert_eq!(console.messages(), ["turn it off", "and on again"]);
}

fn what_was_missed_comes_once_and_in_order(source: Source) {
    let stage = Stage::new(source);
    let proxy = stage.proxy();
    let (user, mut sam, ticket) = chat_with_staff(&stage, stage.page(Kind::User).by(&proxy));

    proxy.stall(Way::Up); // the receipt for this one is lost: the desk will send it again
    sam.say(&ticket, 1, "zero");
    user.until_received("zero");
    proxy.stall(Way::Down);
    for (id, text) in [(2, "one"), (3, "two"), (4, "three")] {
        sam.say(&ticket, id, text);
        sam.expect_where("ack", text, |ack| ack["id"] == id);
    }
    proxy.disconnect();
    assert_eq!(user.messages(), ["zero"]);

    proxy.restore();
    user.until_received("three");
    assert_eq!(user.messages(), ["zero", "one", "two", "three"]);
    sam.expect_where("delivered", "all four", |frame| frame["seq"] == 4);
}

fn a_reload_keeps_the_transcript_and_brings_what_was_missed(source: Source) {
    let stage = Stage::new(source);
    let proxy = stage.proxy();
    let (user, mut sam, ticket) = chat_with_staff(&stage, stage.page(Kind::User).by(&proxy));
    user.say("mine");
    sam.expect("message");
    user.until_said("mine", "sent");
    sam.say(&ticket, 1, "yours");
    user.until_received("yours");

    proxy.stall(Way::Down);
    sam.say(&ticket, 2, "missed");
    sam.expect_where("ack", "missed", |ack| ack["id"] == 2);
    proxy.disconnect();
    proxy.restore();
    user.reload();
    user.until_received("missed");
    assert_eq!(user.messages(), ["mine", "yours", "missed"]);
    assert_eq!(user.text("#ticket-id"), ticket);
    sam.delivered(&ticket, 1);
    user.until_said("mine", "delivered");
}

fn a_restart_of_the_desk_is_shown_and_the_draft_goes_into_the_next_ticket(source: Source) {
    let stage = Stage::new(source);
    let proxy = stage.proxy();
    let (user, console, _) = chat_by(stage.page(Kind::User).by(&proxy), stage.page(Kind::Staff).by(&proxy));
    user.fill("#text", "what I was about to say");

    let next_desk = Desk::start();
    proxy.disconnect();
    proxy.lead_to(next_desk.server.addr);
    user.until_locked("lost");
    proxy.restore();

    user.until_ticket_is("closed");
    assert_eq!(user.lines().last().unwrap(), "restarted");
    assert_eq!(user.value("#text"), "what I was about to say");
    console.until_chat_is("closed");
    console.until_locked("closed");

    user.click("#new-ticket");
    user.until_there("#draft-note");
    let ticket = user.ask("the printer, again");
    assert_eq!(user.value("#text"), "what I was about to say");
    console.until("document.querySelector('#presence').dataset.online == 'true'");
    console.pick(&ticket);
    user.until_unlocked();
    user.click("#text");
    user.key("Enter");
    console.until_received("what I was about to say");
}

fn staff_cut_off_while_the_user_types_locks_at_once_and_keeps_the_draft(source: Source) {
    let stage = Stage::new(source);
    let (user, mut sam, ticket) = chat_with_staff(&stage, stage.page(Kind::User));

    user.click("#text");
    user.type_keys("half a sen");
    sam.expect_where("typing", "the user types", |frame| frame["active"] == true);
    sam.cut();
    user.until_locked("staff-offline");
    user.type_keys("tence");
    user.key("Enter");
    assert_eq!(user.value("#text"), "half a sen", "locked is locked: nothing is typed, nothing is sent");
    assert!(user.messages().is_empty());

    let mut sam = stage.desk.staff("sam").online();
    user.until_locked("staff-back"); // said apart: back, and not with this user yet
    sam.pick(&ticket);
    user.until_unlocked();
    assert_eq!(user.lines(), ["created", "joined", "offline", "online", "reconnected"]);
    user.check("document.activeElement.id == 'text'");
    user.type_keys("tence");
    user.key("Enter");
    assert_eq!(sam.expect("message")["text"], "half a sentence");
}

fn a_message_that_was_refused_says_why_and_is_sent_again_by_retry(source: Source) {
    let stage = Stage::new(source);
    let proxy = stage.proxy();
    let (user, mut sam, ticket) = chat_with_staff(&stage, stage.page(Kind::User).by(&proxy));

    // Sam is gone, and the user cannot know yet.
    proxy.stall(Way::Down);
    sam.go_offline();
    user.say("are you there?");
    proxy.flow();
    user.until_said("are you there?", "failed");
    let why = user.text("li.message[data-state=failed] .state");
    assert!(why.len() > "Not sent".len() && why.starts_with("Not sent"), "it says why: {why}");
    user.until_text("#alert", &why); // and says it aloud

    sam.go_online();
    sam.pick(&ticket);
    user.until_unlocked();
    user.click("li.message[data-state=failed] [data-retry]");
    assert_eq!(sam.expect("message")["text"], "are you there?");
    sam.nothing_of(&["message"]);
    assert_eq!(user.messages(), ["are you there?"]);
    user.until_said("are you there?", "sent");
}

fn a_chat_closed_while_the_user_was_away_is_shown_after_what_was_missed(source: Source) {
    let stage = Stage::new(source);
    let proxy = stage.proxy();
    let (user, mut sam, ticket) = chat_with_staff(&stage, stage.page(Kind::User).by(&proxy));

    proxy.stall(Way::Down);
    sam.say(&ticket, 1, "goodbye");
    sam.expect("ack");
    proxy.disconnect();
    sam.expect_where("ticket_updated", "the user is away", |frame| frame["ticket"]["user_online"] == false);
    sam.close_ticket(&ticket);
    sam.expect("ticket_closed");
    proxy.restore();

    user.until_ticket_is("closed");
    user.until("document.querySelector('#log li:last-child').dataset.kind == 'ended'");
    assert_eq!(user.messages(), ["goodbye"]);
    user.until_there("#new-ticket");
    user.until_there("#save-transcript");
}
