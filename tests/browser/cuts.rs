//! Truth under failure: the line breaks at every bad moment, and nothing is lost, doubled or claimed.

use crate::proxy::Way;
use crate::scene::{Kind, Source, Stage, chat_by, stories};
use crate::support::Desk;

stories![
    cut_while_sending_the_visitors_message_arrives_once_after_the_mend,
    cut_while_sending_the_staffs_message_arrives_once_after_the_next_pick,
    cut_before_the_ack_shows_the_visitors_message_once_on_both_sides,
    cut_before_the_ack_shows_the_staffs_message_once_on_both_sides,
    what_was_missed_comes_once_and_in_order,
    a_reload_keeps_the_transcript_and_brings_what_was_missed,
    a_restarted_desk_is_told_and_the_draft_goes_into_the_next_ticket,
    staff_cut_off_while_the_visitor_types_locks_at_once_and_keeps_the_draft,
    a_message_that_was_refused_says_why_and_is_sent_again_by_retry,
    a_chat_closed_while_the_visitor_was_away_is_told_after_what_was_missed,
];

fn cut_while_sending_the_visitors_message_arrives_once_after_the_mend(source: Source) {
    let stage = Stage::new(source);
    let line = stage.proxy();
    let (visitor, console, _) = chat_by(stage.page(Kind::Visitor).by(&line), stage.page(Kind::Staff));

    line.stall(Way::Up);
    visitor.say("on its way");
    visitor.until_said("on its way", "sending");
    line.cut();
    visitor.until_said("on its way", "queued");
    visitor.until_locked("lost");
    visitor.until_there("#notice[data-reason=lost]");
    console.until_locked("user-offline");
    assert!(console.messages().is_empty());

    line.mend();
    visitor.until_said("on its way", "delivered");
    visitor.until_unlocked();
    visitor.until_gone("#notice");
    console.until_unlocked();
    assert_eq!(visitor.messages(), ["on its way"]);
    assert_eq!(console.messages(), ["on its way"]);
    assert_eq!(visitor.lines(), ["created", "joined", "lost", "back"]);
}

fn cut_while_sending_the_staffs_message_arrives_once_after_the_next_pick(source: Source) {
    let stage = Stage::new(source);
    let line = stage.proxy();
    let (visitor, console, _) = chat_by(stage.page(Kind::Visitor), stage.page(Kind::Staff).by(&line));

    line.stall(Way::Up);
    console.say("one moment");
    console.until_said("one moment", "sending");
    line.cut();
    console.until_said("one moment", "queued");
    console.until_locked("lost");
    visitor.until_locked("staff-offline");

    line.mend();
    // It was online, so it is again; the chat is picked by hand, for a colleague may have been quicker.
    console.until("document.querySelector('#presence').dataset.online == 'true'");
    console.until_locked("repick");
    assert!(visitor.messages().is_empty());
    console.click("#pick-again");
    console.until_said("one moment", "delivered");
    visitor.until_unlocked();
    assert_eq!(visitor.messages(), ["one moment"]);
    assert_eq!(console.messages(), ["one moment"]);
}

fn cut_before_the_ack_shows_the_visitors_message_once_on_both_sides(source: Source) {
    let stage = Stage::new(source);
    let line = stage.proxy();
    let (visitor, console, _) = chat_by(stage.page(Kind::Visitor).by(&line), stage.page(Kind::Staff));

    line.stall(Way::Down);
    visitor.say("did you get it?");
    console.until_heard("did you get it?"); // so the desk has accepted it, and the ack is in the stalled line
    visitor.until_said("did you get it?", "sending");
    line.cut();
    visitor.until_said("did you get it?", "queued");

    line.mend();
    visitor.until_said("did you get it?", "delivered");
    visitor.say("and this?");
    console.until_heard("and this?");
    assert_eq!(visitor.messages(), ["did you get it?", "and this?"]);
    assert_eq!(console.messages(), ["did you get it?", "and this?"]);
}

fn cut_before_the_ack_shows_the_staffs_message_once_on_both_sides(source: Source) {
    let stage = Stage::new(source);
    let line = stage.proxy();
    let (visitor, console, _) = chat_by(stage.page(Kind::Visitor), stage.page(Kind::Staff).by(&line));

    line.stall(Way::Down);
    console.say("turn it off");
    visitor.until_heard("turn it off");
    line.cut();
    console.until_said("turn it off", "queued");

    line.mend();
    console.click("#pick-again");
    console.until_said("turn it off", "delivered");
    console.say("and on again");
    visitor.until_heard("and on again");
    assert_eq!(visitor.messages(), ["turn it off", "and on again"]);
    assert_eq!(console.messages(), ["turn it off", "and on again"]);
}

fn what_was_missed_comes_once_and_in_order(source: Source) {
    let stage = Stage::new(source);
    let line = stage.proxy();
    let mut sam = stage.desk.staff("sam").online();
    let visitor = stage.page(Kind::Visitor).by(&line).visitor();
    let ticket = visitor.ask("the printer");
    sam.pick(&ticket);
    visitor.until_unlocked();

    line.stall(Way::Up); // the receipt for this one is lost: the desk will send it again
    sam.say(&ticket, 1, "zero");
    visitor.until_heard("zero");
    line.stall(Way::Down);
    for (id, text) in [(2, "one"), (3, "two"), (4, "three")] {
        sam.say(&ticket, id, text);
        sam.expect_where("ack", text, |ack| ack["id"] == id);
    }
    line.cut();
    assert_eq!(visitor.messages(), ["zero"]);

    line.mend();
    visitor.until_heard("three");
    assert_eq!(visitor.messages(), ["zero", "one", "two", "three"]);
    sam.expect_where("delivered", "all four", |told| told["seq"] == 4);
}

fn a_reload_keeps_the_transcript_and_brings_what_was_missed(source: Source) {
    let stage = Stage::new(source);
    let line = stage.proxy();
    let mut sam = stage.desk.staff("sam").online();
    let visitor = stage.page(Kind::Visitor).by(&line).visitor();
    let ticket = visitor.ask("the printer");
    sam.pick(&ticket);
    visitor.until_unlocked();
    visitor.say("mine");
    sam.expect("message");
    visitor.until_said("mine", "sent");
    sam.say(&ticket, 1, "yours");
    visitor.until_heard("yours");

    line.stall(Way::Down);
    sam.say(&ticket, 2, "missed");
    sam.expect_where("ack", "missed", |ack| ack["id"] == 2);
    line.cut();
    line.mend();
    visitor.reload();
    visitor.until_heard("missed");
    assert_eq!(visitor.messages(), ["mine", "yours", "missed"]);
    assert_eq!(visitor.text("#ticket-id"), ticket);
    sam.delivered(&ticket, 1);
    visitor.until_said("mine", "delivered");
}

fn a_restarted_desk_is_told_and_the_draft_goes_into_the_next_ticket(source: Source) {
    let stage = Stage::new(source);
    let line = stage.proxy();
    let (visitor, console, _) =
        chat_by(stage.page(Kind::Visitor).by(&line), stage.page(Kind::Staff).by(&line));
    visitor.fill("#text", "what I was about to say");

    let next_desk = Desk::start();
    line.cut();
    line.lead_to(next_desk.server.addr);
    visitor.until_locked("lost");
    line.mend();

    visitor.until_ticket_is("closed");
    assert_eq!(visitor.lines().last().unwrap(), "restarted");
    assert_eq!(visitor.value("#text"), "what I was about to say");
    console.until_chat_is("closed");
    console.until_locked("closed");

    visitor.click("#new-ticket");
    visitor.until_there("#draft-note");
    let ticket = visitor.ask("the printer, again");
    assert_eq!(visitor.value("#text"), "what I was about to say");
    console.until("document.querySelector('#presence').dataset.online == 'true'");
    console.pick(&ticket);
    visitor.until_unlocked();
    visitor.click("#text");
    visitor.key("Enter");
    console.until_heard("what I was about to say");
}

fn staff_cut_off_while_the_visitor_types_locks_at_once_and_keeps_the_draft(source: Source) {
    let stage = Stage::new(source);
    let mut sam = stage.desk.staff("sam").online();
    let visitor = stage.visitor();
    let ticket = visitor.ask("the printer");
    sam.pick(&ticket);
    visitor.until_unlocked();

    visitor.click("#text");
    visitor.type_keys("half a sen");
    sam.expect_where("typing", "the visitor types", |told| told["active"] == true);
    sam.cut();
    visitor.until_locked("staff-offline");
    visitor.type_keys("tence");
    visitor.key("Enter");
    assert_eq!(visitor.value("#text"), "half a sen", "locked is locked: nothing is typed, nothing is sent");
    assert!(visitor.messages().is_empty());

    let mut sam = stage.desk.staff("sam").online();
    visitor.until_locked("staff-back"); // said apart: back, and not with this visitor yet
    sam.pick(&ticket);
    visitor.until_unlocked();
    assert_eq!(visitor.lines(), ["created", "joined", "offline", "online", "reconnected"]);
    visitor.check("document.activeElement.id == 'text'");
    visitor.type_keys("tence");
    visitor.key("Enter");
    assert_eq!(sam.expect("message")["text"], "half a sentence");
}

fn a_message_that_was_refused_says_why_and_is_sent_again_by_retry(source: Source) {
    let stage = Stage::new(source);
    let line = stage.proxy();
    let mut sam = stage.desk.staff("sam").online();
    let visitor = stage.page(Kind::Visitor).by(&line).visitor();
    let ticket = visitor.ask("the printer");
    sam.pick(&ticket);
    visitor.until_unlocked();

    // Sam is gone, and the visitor cannot know yet.
    line.stall(Way::Down);
    sam.go_offline();
    visitor.say("are you there?");
    line.flow();
    visitor.until_said("are you there?", "failed");
    let why = visitor.text("li.message[data-state=failed] .state");
    assert!(why.len() > "Not sent".len() && why.starts_with("Not sent"), "it says why: {why}");
    visitor.until_text("#alert", &why); // and says it aloud

    sam.go_online();
    sam.pick(&ticket);
    visitor.until_unlocked();
    visitor.click("li.message[data-state=failed] [data-retry]");
    assert_eq!(sam.expect("message")["text"], "are you there?");
    sam.nothing_of(&["message"]);
    assert_eq!(visitor.messages(), ["are you there?"]);
    visitor.until_said("are you there?", "sent");
}

fn a_chat_closed_while_the_visitor_was_away_is_told_after_what_was_missed(source: Source) {
    let stage = Stage::new(source);
    let line = stage.proxy();
    let mut sam = stage.desk.staff("sam").online();
    let visitor = stage.page(Kind::Visitor).by(&line).visitor();
    let ticket = visitor.ask("the printer");
    sam.pick(&ticket);
    visitor.until_unlocked();

    line.stall(Way::Down);
    sam.say(&ticket, 1, "goodbye");
    sam.expect("ack");
    line.cut();
    sam.expect_where("ticket_updated", "the visitor is away", |told| told["ticket"]["user_online"] == false);
    sam.close_ticket(&ticket);
    sam.expect("ticket_closed");
    line.mend();

    visitor.until_ticket_is("closed");
    visitor.until("document.querySelector('#log li:last-child').dataset.kind == 'ended'");
    assert_eq!(visitor.messages(), ["goodbye"]);
    visitor.until_there("#new-ticket");
    visitor.until_there("#save-transcript");
}
