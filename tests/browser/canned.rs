//! Ready replies: written, changed, filled in, and taken to another browser in a file.

use std::fs;
use std::path::PathBuf;

use serde_json::{Value, json};

use crate::chromium::{lock, target_dir};
use crate::page::{Page, poll};
use crate::setup::{Console, Source, Stage, chat_with_user, stories};

stories![
    a_reply_is_changed_in_its_place,
    a_reply_calls_the_user_by_name_and_nobody_by_an_id,
    replies_are_taken_to_another_browser_in_a_file,
    a_file_that_holds_no_replies_changes_nothing,
];

const REPLIES: &str = "#canned-list [data-canned]";

fn a_reply_is_changed_in_its_place(source: Source) {
    let stage = Stage::new(source);
    let (mut ann, console, _) = chat_with_user(&stage);
    console.click("#open-canned");
    let before = console.texts(REPLIES);
    console.click("#canned-list li:nth-child(2) [data-canned-edit]");
    console.check("document.activeElement.id == 'canned-new'");
    assert_eq!(console.value("#canned-new"), before[1]);
    assert_eq!(console.text("#canned-new-label"), "Change this reply");
    console.fill("#canned-new", "  ");
    console.click("#canned-add");
    console.until_text("#canned-new-error", "write something");
    console.fill("#canned-new", "One moment, I am <b>looking</b> for it.");
    console.click("#canned-add");
    let changed = [before[0].as_str(), "One moment, I am <b>looking</b> for it.", &before[2]];
    assert_eq!(console.texts(REPLIES), changed);
    assert_eq!(console.text("#canned-new-label"), "A new reply");
    // A change that was begun can be left.
    console.click("#canned-list li:first-child [data-canned-edit]");
    console.click("#canned-cancel");
    assert_eq!((console.value("#canned-new"), console.texts(REPLIES).len()), (String::new(), 3));
    assert!(!console.is_there("#canned-cancel"));
    console.click("#canned-list li:nth-child(2) [data-canned]");
    console.key("Enter");
    assert_eq!(ann.expect("message")["text"], "One moment, I am <b>looking</b> for it.");
}

fn a_reply_calls_the_user_by_name_and_nobody_by_an_id(source: Source) {
    let stage = Stage::new(source);
    let console = stage.console("sam");
    console.go_online();
    let named = stage.user();
    named.fill("#name", "Ada $& Okafor"); // what a replacement's text could be mistaken for
    let ticket = named.ask("the printer");
    console.pick(&ticket);
    console.type_keys("/");
    console.fill("#canned-new", "Thank you {name}, and goodbye {name}!");
    console.click("#canned-add");
    console.fill("#canned-filter", "ada");
    assert_eq!(
        console.texts(REPLIES),
        ["Hello Ada $& Okafor! How can I help you?", "Thank you Ada $& Okafor, and goodbye Ada $& Okafor!"]
    );
    console.key("Enter"); // the first
    assert_eq!(console.value("#text"), "Hello Ada $& Okafor! How can I help you?");
    console.key("Enter");
    named.until_received("Hello Ada $& Okafor! How can I help you?");

    let mut nameless = stage.desk.user("user-4711");
    let ticket = nameless.create("the lamp");
    console.pick(&ticket);
    console.type_keys("/");
    console.fill("#canned-filter", "thank");
    console.click(REPLIES);
    assert_eq!(console.value("#text"), "Thank you, and goodbye!");
}

fn replies_are_taken_to_another_browser_in_a_file(source: Source) {
    let stage = Stage::new(source);
    let (_ann, console, ticket) = chat_with_user(&stage);
    console.click("#open-canned");
    console.fill("#canned-new", "Bonjour {name} ! \u{1F40C}");
    console.click("#canned-add");
    let kept = console.texts(REPLIES);
    let file = exported(&console, &ticket);
    assert_eq!(read(&file).as_array().map(Vec::len), Some(4));
    drop(console);

    let other = stage.console("kim");
    other.go_online();
    let mut bob = stage.desk.user("bob");
    let ticket = bob.create("the lamp");
    other.pick(&ticket);
    other.click("#open-canned");
    other.click("#canned-list li:first-child [data-canned-remove]");
    other.check("document.activeElement.id == 'canned-filter'");
    import(&other, &file);
    other.until_text("#canned-outcome", "2 replies were added.");
    other.check("document.querySelector('#canned-outcome').role == 'status'");
    let mut all = other.texts(REPLIES);
    all.sort();
    let mut right = kept;
    right.sort();
    assert_eq!(all, right, "each once");
    import(&other, &file);
    other.until_text("#canned-outcome", "0 replies were added.");
    let _ = fs::remove_dir_all(file.parent().expect("a folder"));
}

fn a_file_that_holds_no_replies_changes_nothing(source: Source) {
    let stage = Stage::new(source);
    let (_ann, console, ticket) = chat_with_user(&stage);
    console.click("#open-canned");
    let before = console.texts(REPLIES);
    let folder = target_dir().join(format!("replies-{ticket}"));
    fs::create_dir_all(&folder).unwrap();
    let long = "x".repeat(4001);
    let many = json!((0..501).map(|n| n.to_string()).collect::<Vec<_>>());
    for wrong in
        [json!({ "a": "b" }), json!(["fine", 7]), json!(["fine", " "]), json!([long]), many, json!("text")]
    {
        let file = folder.join("wrong.json");
        fs::write(&file, wrong.to_string()).unwrap();
        console.eval("document.querySelector('#canned-outcome').textContent = ''");
        import(&console, &file);
        console.until_text("#canned-outcome", "holds no replies");
        assert_eq!(console.texts(REPLIES), before);
    }
    fs::write(folder.join("wrong.json"), b"\xff\xfe no JSON").unwrap();
    console.eval("document.querySelector('#canned-outcome').textContent = ''");
    import(&console, &folder.join("wrong.json"));
    console.until_text("#canned-outcome", "holds no replies");
    fs::remove_dir_all(&folder).unwrap();
}

/// Saves the replies by the button, and returns the file.
fn exported(console: &Console, name: &str) -> PathBuf {
    let folder = target_dir().join(format!("replies-{name}"));
    console
        .context_cdp("Browser.setDownloadBehavior", json!({ "behavior": "allow", "downloadPath": folder }));
    console.click("#canned-export");
    let file = folder.join("replies.json");
    let is_written = || fs::read(&file).is_ok_and(|bytes| !bytes.is_empty()).then_some(());
    poll(is_written).expect("a file is saved");
    file
}

fn read(file: &PathBuf) -> Value {
    serde_json::from_slice(&fs::read(file).unwrap()).expect("JSON")
}

/// Chooses a file as its reader does: by the button, and by the browser's own dialog.
fn import(page: &Page, file: &std::path::Path) {
    page.cdp("Page.setInterceptFileChooserDialog", json!({ "enabled": true }));
    page.click("#canned-import");
    let opened = || {
        let mut events = lock(&page.events);
        let at = events.iter().position(|event| event["method"] == "Page.fileChooserOpened")?;
        Some(events.remove(at)["params"]["backendNodeId"].clone())
    };
    let field = poll(opened).expect("the dialog for files opens");
    page.cdp("DOM.setFileInputFiles", json!({ "files": [file], "backendNodeId": field }));
    page.cdp("Page.setInterceptFileChooserDialog", json!({ "enabled": false }));
}
