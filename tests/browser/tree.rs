//! The pages as a screen reader has them: Chromium's accessibility tree in every state, and what is read out by itself.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::log::LISTEN;
use crate::page::Page;
use crate::setup::{Console, Kind, Source, Stage, UserPage, chat_with_user, sign_in, stories};
use crate::support::TOKEN;

stories![
    every_control_of_the_users_page_has_a_name_and_a_role,
    every_control_of_the_console_has_a_name_and_a_role,
    a_chat_is_read_in_its_order_the_sender_before_the_text,
    what_happens_to_a_chat_is_read_out_once,
];

/// What can be operated.
const CONTROLS: [&str; 8] =
    ["button", "checkbox", "combobox", "link", "option", "searchbox", "switch", "textbox"];
/// What has the focus to be scrolled, or to hold it for a moment.
const FRAMES: [&str; 4] = ["dialog", "list", "log", "RootWebArea"];

#[derive(Debug)]
struct Node {
    role: String,
    name: String,
    is_focusable: bool,
}

/// Returns what a screen reader has of the page, in the order in which it is read.
fn tree(page: &Page) -> Vec<Node> {
    page.cdp("Accessibility.enable", json!({}));
    let nodes = page.cdp("Accessibility.getFullAXTree", json!({}))["nodes"].take();
    let nodes = nodes.as_array().cloned().unwrap_or_default();
    let by_id: HashMap<&str, &Value> =
        nodes.iter().filter_map(|node| Some((node["nodeId"].as_str()?, node))).collect();
    let (mut order, mut waiting) = (Vec::new(), vec![&nodes[0]]);
    while let Some(node) = waiting.pop() {
        if node["ignored"] != true {
            order.push(read(node));
        }
        let children = node["childIds"].as_array().into_iter().flatten().rev();
        waiting.extend(children.filter_map(|id| by_id.get(id.as_str()?)));
    }
    order
}

fn read(node: &Value) -> Node {
    let text = |what: &str| node[what]["value"].as_str().unwrap_or_default().to_owned();
    let mut properties = node["properties"].as_array().into_iter().flatten();
    let is_focusable = properties.any(|own| own["name"] == "focusable" && own["value"]["value"] == true);
    Node { role: text("role"), name: text("name"), is_focusable }
}

/// Asserts that all that can be reached or operated has a name, and a role that says what it does.
#[track_caller]
fn is_named(page: &Page, state: &str) {
    let nodes = tree(page);
    for node in &nodes {
        let is_control = CONTROLS.contains(&node.role.as_str());
        let is_known = is_control || FRAMES.contains(&node.role.as_str());
        assert!(!node.is_focusable || is_known, "{state}: what is this? {node:?}");
        assert!(!is_control || !node.name.trim().is_empty(), "{state}: no name: {node:?}");
    }
    let count = |role: &str| nodes.iter().filter(|node| node.role == role).count();
    let is_modal = count("dialog") > 0; // all else is out of reach then
    assert!(is_modal || (count("main"), count("banner")) == (1, 1), "{state}: {nodes:#?}");
    assert!(nodes.iter().any(|node| node.role == "heading"), "{state}: no heading");
}

fn every_control_of_the_users_page_has_a_name_and_a_role(source: Source) {
    let stage = Stage::new(source);
    let user = stage.user();
    is_named(&user, "asking");
    user.click("#create");
    user.until_there("#subject-error");
    is_named(&user, "no subject");
    user.click("#open-settings");
    is_named(&user, "settings");
    user.key("Escape");
    let ticket = user.ask("the printer");
    is_named(&user, "waiting");
    let mut sam = stage.desk.staff("sam").online();
    sam.pick(&ticket);
    user.until_unlocked();
    user.say("it burns");
    sam.say(&ticket, 1, "see https://desk.example");
    user.until_received("see https://desk.example");
    is_named(&user, "chat");
    user.click("#close-ticket");
    is_named(&user, "really end it?");
    user.click("#confirm-yes");
    user.until_there("#rating");
    is_named(&user, "ended");
    let nodes = tree(&user);
    let group = nodes.iter().find(|node| node.name.starts_with("How was it?"));
    assert_eq!(group.map(|node| node.role.as_str()), Some("group"), "the scores have a name in common");
}

fn every_control_of_the_console_has_a_name_and_a_role(source: Source) {
    let stage = Stage::new(source);
    let console = Console::from(stage.page(Kind::Staff).open());
    is_named(&console, "sign-in");
    sign_in(&console, "sam", TOKEN);
    console.until_connected();
    is_named(&console, "an empty board");
    let mut users = ["ann", "bob"].map(|name| stage.desk.user(name));
    let [ann, bob] = users.each_mut().map(|user| user.create(&format!("help for {}", user.name)));
    let _kim = stage.desk.staff("kim").online();
    console.until_ticket(&bob, "waiting");
    console.go_online();
    console.until_there("#tickets [data-pickable=yes]");
    is_named(&console, "a board");
    let nodes = tree(&console);
    let row = nodes.iter().find(|node| node.role == "button" && node.name.contains("help for bob"));
    let name = &row.expect("the row is a button").name;
    for part in ["bob", "Waiting", "just now", "Pick"] {
        assert!(name.contains(part), "{part} in {name:?}");
    }
    console.pick(&ann);
    users[0].say(1, "hello");
    console.until_received("hello");
    is_named(&console, "a chat");
    for (button, state) in [
        ("#transfer", "transfer"),
        ("#open-canned", "ready replies"),
        ("#open-help", "help"),
        ("#open-settings", "settings"),
        ("#close-ticket", "really close?"),
    ] {
        console.click(button);
        is_named(&console, state);
        console.key("Escape");
    }
    console.phone(360, 740);
    is_named(&console, "a chat on a phone");
    console.tap("#more");
    is_named(&console, "its actions");
    console.key("Escape");
    console.tap("#back");
    is_named(&console, "the lists on a phone");
}

fn a_chat_is_read_in_its_order_the_sender_before_the_text(source: Source) {
    let stage = Stage::new(source);
    let (mut ann, console, _) = chat_with_user(&stage);
    ann.say(1, "it burns");
    console.until_received("it burns");
    ann.say(2, "quite brightly");
    console.until_received("quite brightly");
    console.say("which colour?");
    ann.expect("message");
    ann.delivered(3);
    console.until_said("which colour?", "delivered");
    let nodes = tree(&console);
    let log = nodes.iter().position(|node| node.role == "log").expect("a log");
    assert_eq!(nodes[log].name, "Conversation");
    let texts: Vec<&str> = nodes[log..]
        .iter()
        .take_while(|node| node.role != "textbox")
        .filter(|node| node.role == "StaticText" && !node.name.trim().is_empty() && !node.name.contains(':'))
        .map(|node| node.name.trim())
        .collect();
    let said = [
        "ann",
        "the printer",
        "You joined.",
        "ann",
        "it burns",
        "ann",
        "quite brightly",
        "You",
        "which colour?",
    ];
    let said_at = texts.windows(said.len()).position(|window| window == said);
    assert!(said_at.is_some(), "each time who, then what: {texts:?}");
    let times = nodes[log..].iter().filter(|node| node.role == "time").count();
    assert!(times >= 5, "each has a time: {times}");
}

/// How often a text was read out that contains this.
fn times_heard(page: &Page, text: &str) -> u64 {
    page.eval(&format!("heard.filter(text => text.includes({})).length", json!(text))).as_u64().unwrap()
}

fn what_happens_to_a_chat_is_read_out_once(source: Source) {
    let stage = Stage::new(source);
    let user: UserPage = stage.page(Kind::User).before(LISTEN).user();
    let console = stage.page(Kind::Staff).before(LISTEN).console("sam");
    console.go_online();
    let ticket = user.ask("the printer");
    user.until("heard.includes('You are next')");
    console.until("heard.includes('New ticket: the printer')");
    console.pick(&ticket);
    user.until_unlocked();
    user.say("it burns");
    console.until_received("it burns");
    console.say("which colour?");
    user.until_received("which colour?");
    console.until_said("which colour?", "delivered");
    user.until_said("it burns", "delivered");
    console.click("#go-offline");
    console.click("#confirm-yes");
    user.until_locked("staff-offline");
    console.go_online();
    console.click("#pick-mine");
    user.until_unlocked();
    console.click("#close-ticket");
    console.click("#confirm-yes");
    user.until_ticket_is("closed");
    console.until_chat_is("closed");
    let to_user = [
        "You are next",
        "sam joined.",
        "which colour?",
        "sam went offline.",
        "sam is with you again.",
        "Chat closed by the desk.",
    ];
    let to_console = ["New ticket: the printer", "it burns", "Your chats are paused", "Ticket closed by"];
    // What comes while the chat is being drawn comes as news, not more often than once in five seconds, and none of it is
    // left out for what comes later.
    for (page, texts) in [(&*user, &to_user[..]), (&*console, &to_console[..])] {
        for text in texts {
            page.until(&format!("heard.some(all => all.includes({}))", json!(text)));
        }
        for text in texts {
            assert_eq!(times_heard(page, text), 1, "{text}: {}", page.eval("heard"));
        }
    }
    // What one has written oneself is not read out again.
    assert_eq!((times_heard(&user, "it burns"), times_heard(&console, "which colour?")), (0, 0));
}
