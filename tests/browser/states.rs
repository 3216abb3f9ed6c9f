//! Every state that the pages can be in, walked through by real use, and clean for axe in light and in dark.

use crate::proxy::Way;
use crate::scene::{Console, Kind, Source, Stage, Visitor, sign_in, stories};
use crate::support::TOKEN;

stories![
    the_visitors_page_is_clean_while_asking_and_chatting,
    the_visitors_page_is_clean_when_things_go_wrong,
    the_console_is_clean_at_the_board,
    the_console_is_clean_in_a_conversation,
    the_console_is_clean_when_things_go_wrong,
];

fn the_visitors_page_is_clean_while_asking_and_chatting(source: Source) {
    let stage = Stage::new(source);
    let visitor = stage.visitor();
    visitor.until_text("#desk-state", "Nobody");
    visitor.axe_clean("nobody online");
    visitor.click("#create");
    visitor.until_there("#subject-error");
    visitor.axe_clean("an empty subject");
    visitor.click("#open-settings");
    visitor.axe_clean("settings");
    visitor.key("Escape");

    let ticket = visitor.ask("the printer");
    visitor.until_there("#queue");
    visitor.until_locked("waiting");
    visitor.axe_clean("waiting");
    let mut sam = stage.desk.staff("sam").online();
    sam.pick(&ticket);
    visitor.until_unlocked();
    visitor.axe_clean("chat, nothing said");
    visitor.say("hello");
    visitor.until_said("hello", "sent");
    visitor.say("is somebody there?");
    sam.delivered(&ticket, 1);
    sam.say(&ticket, 1, "yes");
    sam.typing(&ticket, true);
    visitor.until_text("#typing", "sam");
    visitor.axe_clean("both have spoken");
    visitor.fill("#text", &"long ".repeat(801));
    visitor.until_there("#text-error");
    visitor.axe_clean("too long");
    visitor.fill("#text", "a draft");

    visitor.click("#close-ticket");
    visitor.axe_clean("really end it?");
    visitor.click("#confirm-yes");
    visitor.until_locked("closed");
    visitor.axe_clean("closed");
    visitor.click("#new-ticket");
    visitor.until_there("#draft-note");
    visitor.axe_clean("asking once more");
}

fn the_visitors_page_is_clean_when_things_go_wrong(source: Source) {
    let stage = Stage::new(source);
    let line = stage.proxy();
    let mut sam = stage.desk.staff("sam").online();
    let visitor = stage.page(Kind::Visitor).by(&line).visitor();
    let ticket = visitor.ask("the printer");
    sam.pick(&ticket);
    visitor.until_unlocked();
    (1..=30).for_each(|id| sam.say(&ticket, id, "one of many"));
    visitor.until("document.querySelectorAll('li.message').length == 30");
    visitor.scroll_to_top();
    sam.say(&ticket, 31, "below");
    visitor.until_there("#new-messages");
    visitor.axe_clean("a new message below");

    line.stall(Way::Down);
    sam.go_offline();
    visitor.say("anybody?");
    line.flow();
    visitor.until_said("anybody?", "failed");
    visitor.until_locked("staff-offline");
    visitor.axe_clean("a failed message, staff offline");
    sam.cut();
    let mut sam = stage.desk.staff("sam").online();
    visitor.until_locked("staff-back");
    visitor.axe_clean("staff back");
    sam.pick(&ticket);
    sam.release(&ticket);
    visitor.until_there("li.system[data-kind=left]");
    visitor.axe_clean("staff left");
    line.cut();
    visitor.until_locked("lost");
    visitor.axe_clean("line lost");
    line.mend();
    visitor.until_connected();

    let second = Visitor::from(visitor.duplicate());
    second.until_connected();
    visitor.until_locked("elsewhere");
    visitor.axe_clean("elsewhere");
    drop(second);

    let bad = "visitor.session = 'wrong', wire.stop(), wire.start(), 0"; // as after another took the id
    visitor.eval(bad);
    visitor.until_there("#notice[data-reason=not-yours]");
    visitor.axe_clean("somebody else's id");
}

fn the_console_is_clean_at_the_board(source: Source) {
    let stage = Stage::with(source, &["--max-chats", "1"]);
    let console = Console::from(stage.page(Kind::Staff).open());
    console.until_there("#sign-in-form");
    console.axe_clean("sign-in");
    console.click("#sign-in");
    console.until_there("#staff-id-error");
    console.axe_clean("sign-in, nothing filled in");
    sign_in(&console, "sam", "wrong");
    console.until_there("#token-error");
    console.until("document.querySelector('#status').dataset.connection == 'stopped'");
    console.axe_clean("refused");
    sign_in(&console, "sam", TOKEN);
    console.until_there("#board-empty");
    console.axe_clean("empty, offline");

    let tickets = ["the printer", "the door", "the lamp"].map(|subject| {
        let mut user = stage.desk.user(&subject.replace(' ', "-"));
        (user.create(subject), user)
    });
    let mut kim = stage.desk.staff("kim").online();
    kim.pick(&tickets[2].0);
    console.until_ticket(&tickets[2].0, "taken");
    console.axe_clean("offline, tickets wait");
    console.go_online();
    console.axe_clean("online, tickets wait");
    console.pick(&tickets[0].0);
    console.until_there("#tickets [data-pickable=full]");
    console.axe_clean("no room for more");
    console.fill("#search", "nothing like it");
    console.until_there("#board-empty");
    console.axe_clean("search without a match");
    console.fill("#search", "");

    console.phone(360, 740);
    console.click("#back");
    console.axe_clean("phone, chats");
    console.click("#show-board");
    console.axe_clean("phone, board");
}

fn the_console_is_clean_in_a_conversation(source: Source) {
    let stage = Stage::new(source);
    let console = stage.console("sam");
    console.go_online();
    let mut alice = stage.desk.user("alice");
    let ticket = alice.create("the printer");
    console.pick(&ticket);
    console.axe_clean("nothing said");
    console.say("hello");
    console.until_said("hello", "sent");
    alice.delivered(1);
    alice.say(1, "hello you");
    alice.typing(true);
    console.until_text("#typing", "alice");
    console.axe_clean("both have spoken");

    console.click("#transfer");
    console.until_there("#transfer-none");
    console.axe_clean("transfer, nobody there");
    console.key("Escape");
    let mut kim = stage.desk.staff("kim").online();
    console.until_there("#colleagues [data-colleague=kim]");
    console.click("#transfer");
    console.fill("#transfer-note", &"long ".repeat(101));
    console.click("#transfer-send");
    console.until_there("#transfer-note-error");
    console.axe_clean("transfer, note too long");
    console.key("Escape");
    for dialog in ["open-canned", "open-help", "open-settings", "close-ticket"] {
        console.click(&format!("#{dialog}"));
        console.until_there("dialog[open]");
        console.axe_clean(dialog);
        console.key("Escape");
        console.until_gone("dialog[open]");
    }

    let mut other = stage.desk.user("other");
    let others = other.create("the door");
    kim.pick(&others);
    kim.transfer(&others, "sam", "she is in a hurry");
    console.until_there(&format!("#chat-list [data-chat='{others}']"));
    other.say(1, "hello?");
    console.until_there("#chat-list [data-unread]");
    console.axe_clean("an unread chat beside");
    console.click(&format!("#chat-list [data-chat='{others}'] button"));
    console.until_there("li.system[data-kind=note]");
    console.axe_clean("a chat with a note");
}

fn the_console_is_clean_when_things_go_wrong(source: Source) {
    let stage = Stage::new(source);
    let line = stage.proxy();
    let console = stage.page(Kind::Staff).by(&line).console("sam");
    console.go_online();
    let mut alice = stage.desk.user("alice");
    let ticket = alice.create("the printer");
    console.pick(&ticket);
    let session = alice.session.clone();
    alice.cut();
    console.until_locked("user-offline");
    console.axe_clean("the visitor is away");
    let mut alice = stage.desk.user_again("alice", &session);
    console.until_unlocked();
    line.cut();
    console.until_locked("lost");
    console.axe_clean("line lost");
    line.mend();
    console.until_locked("repick");
    console.axe_clean("to be picked again");

    // A colleague is quicker, and this console hears of it too late.
    console.until("document.querySelector('#presence').dataset.online == 'true'");
    let mut other = stage.desk.user("other");
    let others = other.create("the door");
    console.until_ticket(&others, "waiting");
    let mut kim = stage.desk.staff("kim").online();
    line.stall(Way::Down);
    kim.pick(&others);
    kim.pick(&ticket);
    console.click(&format!("#tickets [data-pick='{others}']"));
    line.flow();
    console.until_there("#problem");
    console.until_locked("taken");
    console.axe_clean("a refused action, a taken chat");
    kim.release(&ticket);
    console.until_locked("repick");
    console.click("#pick-again");
    console.until_chat_is("active");
    alice.close_ticket();
    console.until_locked("closed");
    console.axe_clean("closed");

    let second = Console::from(console.duplicate());
    second.until_connected();
    console.until_there("#notice[data-reason=elsewhere]");
    console.axe_clean("elsewhere");
}
