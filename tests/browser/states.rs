//! Every state of both pages, reached by use, checked by axe-core in light and in dark.

use crate::proxy::Way;
use crate::setup::{Console, Kind, Source, Stage, UserPage, chat_with_staff, sign_in, stories};
use crate::support::TOKEN;

stories![
    the_users_page_is_clean_while_asking_and_chatting,
    the_users_page_is_clean_when_things_go_wrong,
    the_console_is_clean_at_the_board,
    the_console_is_clean_in_a_conversation,
    the_console_is_clean_when_things_go_wrong,
];

fn the_users_page_is_clean_while_asking_and_chatting(source: Source) {
    let stage = Stage::new(source);
    let user = stage.user();
    user.until_text("#desk-state", "Nobody");
    user.axe_clean("nobody online");
    user.click("#create");
    user.until_there("#subject-error");
    user.axe_clean("an empty subject");
    user.click("#open-settings");
    user.axe_clean("settings");
    user.key("Escape");

    let ticket = user.ask("the printer");
    user.until_there("#queue");
    user.until_locked("waiting");
    user.axe_clean("waiting");
    let mut sam = stage.desk.staff("sam").online();
    sam.pick(&ticket);
    user.until_unlocked();
    user.axe_clean("chat, nothing said");
    user.say("hello");
    user.until_said("hello", "sent");
    user.say("is somebody there?");
    sam.delivered(&ticket, 1);
    sam.say(&ticket, 1, "yes");
    sam.typing(&ticket, true);
    user.until_text("#typing", "sam");
    user.axe_clean("both have spoken");
    user.fill("#text", &"long ".repeat(801));
    user.until_there("#text-error");
    user.axe_clean("too long");
    user.fill("#text", "a draft");

    user.click("#close-ticket");
    user.axe_clean("really end it?");
    user.click("#confirm-yes");
    user.until_locked("closed");
    user.axe_clean("closed");
    user.click("#new-ticket");
    user.until_there("#draft-note");
    user.axe_clean("asking once more");
}

fn the_users_page_is_clean_when_things_go_wrong(source: Source) {
    let stage = Stage::new(source);
    let proxy = stage.proxy();
    let (user, mut sam, ticket) = chat_with_staff(&stage, stage.page(Kind::User).by(&proxy));
    (1..=30).for_each(|id| sam.say(&ticket, id, "one of many"));
    user.until("document.querySelectorAll('li.message').length == 30");
    user.scroll_to_top();
    sam.say(&ticket, 31, "below");
    user.until_there("#new-messages");
    user.axe_clean("a new message below");

    proxy.stall(Way::Down);
    sam.go_offline();
    user.say("anybody?");
    proxy.flow();
    user.until_said("anybody?", "failed");
    user.until_locked("staff-offline");
    user.axe_clean("a failed message, staff offline");
    sam.cut();
    let mut sam = stage.desk.staff("sam").online();
    user.until_locked("staff-back");
    user.axe_clean("staff back");
    sam.pick(&ticket);
    sam.release(&ticket);
    user.until_there("li.system[data-kind=left]");
    user.axe_clean("staff left");
    proxy.disconnect();
    user.until_locked("lost");
    user.axe_clean("line lost");
    proxy.restore();
    user.until_connected();

    let second = UserPage::from(user.duplicate());
    second.until_connected();
    user.until_locked("elsewhere");
    user.axe_clean("elsewhere");
    drop(second);

    let bad = "user.session = 'wrong', wire.stop(), wire.start(), 0"; // as after another took the id
    user.eval(bad);
    user.until_there("#notice[data-reason=not-yours]");
    user.axe_clean("somebody else's id");
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
    let proxy = stage.proxy();
    let console = stage.page(Kind::Staff).by(&proxy).console("sam");
    console.go_online();
    let mut alice = stage.desk.user("alice");
    let ticket = alice.create("the printer");
    console.pick(&ticket);
    let session = alice.session.clone();
    alice.cut();
    console.until_locked("user-offline");
    console.axe_clean("the user is away");
    let mut alice = stage.desk.user_again("alice", &session);
    console.until_unlocked();
    proxy.disconnect();
    console.until_locked("lost");
    console.axe_clean("line lost");
    proxy.restore();
    console.until_locked("repick");
    console.axe_clean("to be picked again");

    // A colleague is quicker, and this console hears of it too late.
    console.until("document.querySelector('#presence').dataset.online == 'true'");
    let mut other = stage.desk.user("other");
    let others = other.create("the door");
    console.until_ticket(&others, "waiting");
    let mut kim = stage.desk.staff("kim").online();
    proxy.stall(Way::Down);
    kim.pick(&others);
    kim.pick(&ticket);
    console.click(&format!("#tickets [data-pick='{others}']"));
    proxy.flow();
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
