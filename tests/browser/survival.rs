//! A desk whose process dies, and whose chats go on: from its journal, or at another node. Nothing that was acknowledged is
//! missing on either page, and nothing is there twice.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::proxy::Way;
use crate::redis::Redis;
use crate::setup::{Kind, Source, Stage, chat_by, stories};
use crate::support::head::Request;
use crate::support::scenario::eventually;
use crate::support::{Desk, PATIENCE, Wire};

stories![
    after_a_restart_with_a_journal_both_pages_go_on_with_the_chat,
    after_a_restart_with_a_journal_the_queue_is_as_it_was,
    when_the_users_node_dies_the_chat_goes_on_at_the_other_node,
    when_the_staffs_node_dies_the_chat_is_picked_again_at_the_other_node,
];

/// The journal of one test.
struct Journal(PathBuf);

impl Journal {
    fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let count = COUNT.fetch_add(1, Ordering::Relaxed);
        Self(std::env::temp_dir().join(format!("deskwire-pages-{}-{count}.journal", std::process::id())))
    }

    fn options(&self) -> [&str; 2] {
        ["--journal", self.0.to_str().unwrap()]
    }
}

impl Drop for Journal {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// The end that gives no time for anything.
fn kill(desk: &mut Desk) {
    desk.server.signal("KILL");
    desk.server.exit_within(PATIENCE);
}

fn after_a_restart_with_a_journal_both_pages_go_on_with_the_chat(source: Source) {
    let journal = Journal::new();
    let mut stage = Stage::with(source, &journal.options());
    let (users, staffs) = (stage.proxy(), stage.proxy());
    let (user, console, ticket) =
        chat_by(stage.page(Kind::User).by(&users), stage.page(Kind::Staff).by(&staffs));
    user.say("it blinks");
    user.until_said("it blinks", "delivered");
    console.say("in which colour?");
    console.until_said("in which colour?", "delivered");
    // Accepted, and its page does not know; and one that never arrives.
    users.stall(Way::Down);
    user.say("red");
    console.until_received("red");
    users.stall(Way::Up);
    user.say("no, orange");

    kill(&mut stage.desk);
    users.disconnect();
    staffs.disconnect();
    let next = Desk::with(&journal.options());
    users.lead_to(next.server.addr);
    staffs.lead_to(next.server.addr);

    users.restore();
    user.until_locked("staff-offline");
    user.until("document.querySelector('#log').textContent.includes('sam went offline')");
    staffs.restore();
    assert_eq!(user.text("#ticket-id"), ticket);
    console.until("document.querySelector('#presence').dataset.online == 'true'");
    console.until_locked("repick");
    assert_eq!(user.messages(), ["it blinks", "in which colour?", "red", "no, orange"]);
    assert_eq!(console.messages(), ["it blinks", "in which colour?", "red"]);
    console.click("#pick-again");
    user.until_unlocked();
    for text in ["red", "no, orange"] {
        user.until_said(text, "delivered");
    }
    console.say("I come");
    user.until_received("I come");
    let all = ["it blinks", "in which colour?", "red", "no, orange", "I come"];
    assert_eq!(user.messages(), all);
    assert_eq!(console.messages(), all);
}

fn after_a_restart_with_a_journal_the_queue_is_as_it_was(source: Source) {
    let journal = Journal::new();
    let mut stage = Stage::with(source, &journal.options());
    let (users, staffs) = (stage.proxy(), stage.proxy());
    let mut ann = stage.desk.user("ann");
    let first = ann.create("asked first");
    let user = stage.page(Kind::User).by(&users).user();
    let second = user.ask("asked second");
    let console = stage.page(Kind::Staff).by(&staffs).console("sam");
    console.go_online();
    console.until_ticket(&second, "waiting");
    let place = "document.querySelector('#queue-place').textContent.includes('2')";
    user.until(place);
    let queue = |console: &crate::setup::Console| {
        console.eval("[...document.querySelectorAll('#tickets li[data-ticket]')].map(e => e.dataset.ticket)")
    };
    let before = queue(&console);
    assert_eq!(console.count("#tickets li[data-ticket]"), 2);

    kill(&mut stage.desk);
    let next = Desk::with(&journal.options());
    for proxy in [&users, &staffs] {
        proxy.disconnect();
        proxy.lead_to(next.server.addr);
        proxy.restore();
    }

    let back = next.user_again("ann", &ann.session);
    assert_eq!(back.welcome["ticket"]["ticket_id"], first.as_str());
    user.until_connected();
    user.until(place);
    assert_eq!(user.text("#ticket-id"), second);
    console.until("document.querySelector('#presence').dataset.online == 'true'");
    console.until_ticket(&second, "waiting");
    assert_eq!(queue(&console), before);
    console.pick(&first);
    console.pick(&second);
    user.until_unlocked();
}

/// A desk of two nodes. The stage's is the first; the second serves, too.
fn two_nodes(source: Source) -> (Redis, Stage, Desk) {
    let redis = Redis::start();
    let url = redis.url();
    let options = ["--redis", url.as_str()];
    let (stage, other) = (Stage::with(source, &options), Desk::with(&options));
    for desk in [&stage.desk, &other] {
        eventually("the node serves", || {
            Wire::fetch(desk.server.addr, &Request::get("/healthz")).0.status == 200
        });
    }
    (redis, stage, other)
}

fn when_the_users_node_dies_the_chat_goes_on_at_the_other_node(source: Source) {
    let (_redis, mut stage, other) = two_nodes(source);
    let proxy = stage.proxy();
    let (user, console, ticket) =
        chat_by(stage.page(Kind::User).by(&proxy), stage.page(Kind::Staff).at(other.server.addr));
    user.say("it blinks");
    user.until_said("it blinks", "delivered");
    proxy.stall(Way::Down);
    user.say("red");
    console.until_received("red");
    console.say("a moment"); // for a node that is about to die
    proxy.stall(Way::Up);
    user.say("no, orange");

    kill(&mut stage.desk);
    proxy.disconnect();
    proxy.lead_to(other.server.addr);
    proxy.restore();

    user.until_said("no, orange", "delivered");
    user.until_unlocked();
    user.until_received("a moment");
    console.until_said("a moment", "delivered");
    console.say("I come");
    user.until_received("I come");
    assert_eq!(user.text("#ticket-id"), ticket);
    assert_eq!(sorted(user.messages()), sorted(console.messages()));
    assert_eq!(console.messages(), ["it blinks", "red", "a moment", "no, orange", "I come"]);
}

fn when_the_staffs_node_dies_the_chat_is_picked_again_at_the_other_node(source: Source) {
    let (_redis, mut stage, other) = two_nodes(source);
    let proxy = stage.proxy();
    let (user, console, _) =
        chat_by(stage.page(Kind::User).at(other.server.addr), stage.page(Kind::Staff).by(&proxy));
    console.say("hello");
    console.until_said("hello", "delivered");
    proxy.stall(Way::Down);
    console.say("what is it?");
    user.until_received("what is it?");
    user.say("it blinks");
    user.until_said("it blinks", "sent");

    kill(&mut stage.desk);
    proxy.disconnect();
    proxy.lead_to(other.server.addr);
    proxy.restore();

    console.until_locked("repick");
    user.until_locked("staff-back");
    console.click("#pick-again");
    user.until_unlocked();
    user.until_said("it blinks", "delivered");
    console.until_said("what is it?", "delivered");
    console.say("I come");
    user.until_received("I come");
    assert_eq!(user.messages(), ["hello", "what is it?", "it blinks", "I come"]);
    assert_eq!(sorted(console.messages()), sorted(user.messages()));
}

/// Two who wrote at the same time may see both in another order.
fn sorted(mut texts: Vec<String>) -> Vec<String> {
    texts.sort();
    texts
}
