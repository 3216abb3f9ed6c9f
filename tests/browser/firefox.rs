//! The main test once more in Firefox, over WebDriver BiDi (<https://w3c.github.io/webdriver-bidi/>), so that the pages
//! do not depend on anything that Chromium alone has. `make test-firefox`

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::net::TcpStream;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use serde_json::{Value, json};
use tungstenite::{Message, WebSocket};

use crate::chromium::{target_dir, tool};
use crate::page::{TIMEOUT, poll, quoted, truth_of};
use crate::proxy::Proxy;
use crate::setup::{Kind, Source, Stage, row};
use crate::support::TOKEN;
use crate::widget::{Shop, WIDGET};

// As https://www.w3.org/TR/webdriver2/#keyboard-actions numbers them.
const ENTER: &str = "\u{E007}";
const ESCAPE: &str = "\u{E00C}";

#[test]
#[ignore = "it needs Firefox; `make test-firefox` asks for it"]
fn a_user_and_a_staff_member_talk_in_firefox() {
    let mut firefox = Firefox::start();
    for source in [Source::Served, Source::Disk] {
        talk(&mut firefox, &Stage::new(source));
    }
    talk_on_another_site(&mut firefox, "true");
    assert_eq!(firefox.console_errors, Vec::<String>::new());
    drop(firefox);
    // As somebody who lets no site keep anything: the frame has no storage.
    let mut strict = Firefox::start_with("user_pref(\"network.cookie.cookieBehavior\", 2);\n");
    talk_on_another_site(&mut strict, "(() => { try { localStorage; } catch { return true; } })()");
    assert_eq!(strict.console_errors, Vec::<String>::new());
}

fn talk(firefox: &mut Firefox, stage: &Stage) {
    let proxy = stage.proxy();
    let user = firefox.open(&stage.page(Kind::User).by(&proxy).url());
    firefox.until(&user, "document.querySelector('#status').dataset.connection == 'open'");
    firefox.click(&user, "#name");
    firefox.keys(&user, "Ada");
    firefox.write(&user, "#subject", "the printer");
    firefox.until(&user, "document.querySelector('#ticket-id').textContent");
    let ticket = firefox.eval(&user, "document.querySelector('#ticket-id').textContent");
    let ticket = ticket.as_str().unwrap();

    let console = firefox.open(&stage.page(Kind::Staff).url());
    firefox.click(&console, "#staff-id");
    firefox.keys(&console, "sam");
    firefox.write(&console, "#token", TOKEN);
    firefox.click(&console, "#go-online");
    let pick = format!("#tickets li[data-ticket='{ticket}'] [data-pick]");
    firefox.click(&console, &pick);
    firefox.until(&user, UNLOCKED);

    // Each looks at the own window, and each window is on the screen.
    firefox.write(&user, "#text", "it is on <b>fire</b> 🔥");
    firefox.until(&console, &row("it is on <b>fire</b> 🔥", "them"));
    firefox.until(&user, &said("it is on <b>fire</b> 🔥", "me", "delivered"));
    firefox.click(&console, "#text");
    firefox.keys(&console, "which colour?");
    firefox.until(&user, "document.querySelector('#typing').textContent.includes('sam')");
    firefox.keys(&console, ENTER);
    firefox.until(&user, &row("which colour?", "them"));
    firefox.until(&console, &said("which colour?", "me", "delivered"));

    go_away_and_come_back(firefox, &proxy, &user, &console);
    let messages =
        "[...document.querySelectorAll('#log li.message .text')].map(e => e.textContent).join('|')";
    assert_eq!(firefox.eval(&user, messages), firefox.eval(&console, messages));

    reply(firefox, &user, &console);
    end_with_a_colleague(firefox, stage, &user, &console, ticket);
    firefox.close(user);
    firefox.close(console);
}

const UNLOCKED: &str = "document.querySelector('#composer').dataset.locked === undefined";

fn locked(why: &str) -> String {
    format!("document.querySelector('#composer').dataset.locked == '{why}'")
}

fn said(text: &str, from: &str, state: &str) -> String {
    format!("{}.dataset.state == '{state}'", row(text, from))
}

/// The staff member goes offline, the user's page is loaded again, and its connection is lost: the chat goes on.
fn go_away_and_come_back(firefox: &mut Firefox, proxy: &Proxy, user: &Window, console: &Window) {
    // Offline, and back: the chat goes on when the ticket is picked again.
    firefox.click(console, "#go-offline");
    firefox.click(console, "#confirm-yes");
    firefox.until(user, &locked("staff-offline"));
    firefox.click(console, "#go-online");
    firefox.click(console, "#pick-mine");
    firefox.until(user, UNLOCKED);

    // A reload and a cut line lose nothing.
    firefox.reload(user);
    firefox.until(user, "document.querySelectorAll('#log li.message').length == 2");
    firefox.until(user, UNLOCKED);
    proxy.disconnect();
    firefox.until(user, &locked("lost"));
    firefox.until(console, &locked("user-offline"));
    proxy.restore();
    firefox.until(user, UNLOCKED);
    firefox.write(user, "#text", "green");
    firefox.until(user, &said("green", "me", "delivered"));
}

/// A ready reply is changed, and calls the user by name.
fn reply(firefox: &mut Firefox, user: &Window, console: &Window) {
    firefox.click(console, "#open-canned");
    firefox.click(console, "#canned-list [data-canned-edit]");
    firefox.keys(console, " Good day.");
    firefox.click(console, "#canned-add");
    firefox.click(console, "#canned-list [data-canned]");
    firefox.until(
        console,
        "document.querySelector('#text').value == 'Hello Ada! How can I help you? Good day.'",
    );
    firefox.keys(console, ENTER);
    firefox.until(user, &row("Hello Ada! How can I help you? Good day.", "them"));
}

/// Who picks the ticket next is shown what was said, and the user says in the end how it was.
fn end_with_a_colleague(firefox: &mut Firefox, stage: &Stage, user: &Window, sam: &Window, ticket: &str) {
    firefox.click(sam, "#release");
    firefox.click(sam, "#confirm-yes");
    firefox.until(user, "document.querySelector('#composer').dataset.locked == 'waiting'");
    let kim = firefox.open(&stage.page(Kind::Staff).url());
    firefox.click(&kim, "#staff-id");
    firefox.keys(&kim, "kim");
    firefox.write(&kim, "#token", TOKEN);
    firefox.click(&kim, "#go-online");
    firefox.click(&kim, &format!("#tickets li[data-ticket='{ticket}'] [data-pick]"));
    firefox.until(&kim, "document.querySelectorAll('#log li.message[data-recap]').length == 4");
    firefox.click(&kim, "#close-ticket");
    firefox.click(&kim, "#confirm-yes");
    firefox.until(user, "document.querySelector('#chat').dataset.ticketState == 'closed'");
    firefox.click(user, "[data-score='4']");
    firefox.until(user, "document.querySelector('#rated').textContent.includes('4 of 5')");
    firefox.until(
        &kim,
        "document.querySelector('#log li.system[data-kind=rated]').textContent.includes('4 of 5')",
    );
    firefox.close(kim);
}

/// The widget on a shop's page. Firefox gives its frame a storage of its own, or none. `is_so` has to be true in the frame.
fn talk_on_another_site(firefox: &mut Firefox, is_so: &str) {
    let shop = Shop::open();
    let stage = Stage::with(Source::Served, &["--allow-embed", &shop.origin()]);
    let mut sam = stage.desk.staff("sam").online();
    let window = firefox.open(&shop.sell(stage.desk.server.addr, "async", "<h1>Lamps</h1>"));
    let launcher = format!("{WIDGET}.querySelector('button')");
    firefox.until(&window, &launcher);
    firefox.eval(&window, &format!("{launcher}.focus()"));
    firefox.keys(&window, ENTER);
    firefox.until(&window, &format!("{WIDGET}.querySelector('iframe')"));
    let frame = firefox.frame_in(&window);
    firefox.until(&frame, "document.querySelector('#status').dataset.connection == 'open'");
    firefox.until(&frame, is_so);
    firefox.write(&frame, "#subject", "the lamp");
    firefox.until(&frame, "document.querySelector('#ticket-id').textContent");
    let ticket = firefox.eval(&frame, "document.querySelector('#ticket-id').textContent");
    sam.pick(ticket.as_str().unwrap());
    firefox.write(&frame, "#text", "hello from the shop");
    sam.expect_where("message", "the text", |message| message["text"] == "hello from the shop");
    firefox.keys(&frame, ESCAPE);
    firefox.until(&window, &format!("{WIDGET}.querySelector('iframe').hidden"));
    firefox.until(&window, &format!("{WIDGET}.activeElement == {launcher}"));
    sam.say(ticket.as_str().unwrap(), 1, "are you there?");
    firefox.until(&window, &format!("{WIDGET}.querySelector('span:not([hidden])').textContent == '1'"));
    firefox.close(window);
}

struct Firefox {
    child: Child,
    profile: PathBuf,
    session: WebSocket<TcpStream>,
    next_id: u64,
    /// The messages of the pages' consoles, without those that report a lost connection.
    console_errors: Vec<String>,
}

/// A window with storage of its own.
struct Window(Value);

impl Firefox {
    fn start() -> Self {
        Self::start_with("")
    }

    /// Starts it with these lines in its profile's user.js.
    fn start_with(preferences: &str) -> Self {
        let profile = target_dir().join(format!("firefox-{}", std::process::id()));
        fs::create_dir_all(&profile).expect("the target directory can be written");
        fs::write(profile.join("user.js"), preferences).expect("the profile can be written");
        let mut command = Command::new(tool(&["firefox"]));
        command
            .args(["--headless", "--no-remote", "--remote-debugging-port", "0", "--profile"])
            .arg(&profile);
        let child = command.stdout(Stdio::null()).stderr(Stdio::piped()).spawn();
        let mut child = child.expect("Firefox starts");
        let mut words = BufReader::new(child.stderr.take().expect("stderr is piped"));
        let addr = loop {
            let mut said = String::new();
            assert!(words.read_line(&mut said).is_ok_and(|n| n > 0), "Firefox ended at its start");
            if let Some((_, addr)) = said.split_once("WebDriver BiDi listening on ws://") {
                break addr.trim().to_owned();
            }
        };
        thread::spawn(move || io::copy(&mut words, &mut io::sink())); // a full pipe would stop it
        let stream = TcpStream::connect(&addr).expect("Firefox listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a time-out");
        let (session, _) = tungstenite::client(format!("ws://{addr}/session"), stream).expect("a session");
        let mut firefox = Self { child, profile, session, next_id: 0, console_errors: Vec::new() };
        firefox.ask("session.new", json!({ "capabilities": {} }));
        firefox.ask("session.subscribe", json!({ "events": ["log.entryAdded"] }));
        firefox
    }

    fn open(&mut self, url: &str) -> Window {
        let user = self.ask("browser.createUserContext", json!({}))["userContext"].clone();
        let window = json!({ "type": "window", "userContext": user });
        let window = self.ask("browsingContext.create", window)["context"].clone();
        let load = json!({ "context": window, "url": url, "wait": "complete" });
        self.ask("browsingContext.navigate", load);
        Window(window)
    }

    /// Returns the only frame of a window.
    fn frame_in(&mut self, window: &Window) -> Window {
        let mut tree = self.ask("browsingContext.getTree", json!({ "root": window.0 }));
        Window(tree["contexts"][0]["children"][0]["context"].take())
    }

    fn reload(&mut self, window: &Window) {
        self.ask("browsingContext.reload", json!({ "context": window.0, "wait": "complete" }));
    }

    fn close(&mut self, window: Window) {
        self.ask("browsingContext.close", json!({ "context": window.0 }));
    }

    /// Evaluates an expression; the result is a BiDi value.
    fn try_eval(&mut self, window: &Window, expression: &str) -> Result<Value, String> {
        let target = json!({ "context": window.0 });
        let asked = json!({ "expression": expression, "target": target, "awaitPromise": true });
        let mut reply = self.ask("script.evaluate", asked);
        if reply["type"] == "success" { Ok(reply["result"].take()) } else { Err(reply.to_string()) }
    }

    fn eval(&mut self, window: &Window, expression: &str) -> Value {
        let mut value = self.try_eval(window, expression).unwrap_or_else(|e| panic!("{expression}: {e}"));
        value["value"].take()
    }

    /// Waits until the expression is true. One that throws counts as not true yet.
    #[track_caller]
    fn until(&mut self, window: &Window, expression: &str) {
        let asked = truth_of(expression);
        let mut last = Value::Null;
        let is_true = || {
            last = self.try_eval(window, &asked).unwrap_or_else(Value::from);
            (last["value"] == true).then_some(())
        };
        if poll(is_true).is_none() {
            let shown = self.eval(window, "document.body.innerText");
            panic!("never came true: {expression}\n  last: {last}\n  showing {shown}");
        }
    }

    /// Clicks an element once it is visible and enabled.
    #[track_caller]
    fn click(&mut self, window: &Window, css: &str) {
        let element = format!("document.querySelector({})", quoted(css));
        self.until(window, &format!("{element}.checkVisibility() && !{element}.disabled"));
        let element = self.try_eval(window, &element).expect("it was there just now");
        let origin = json!({ "type": "element", "element": { "sharedId": element["sharedId"] } });
        let actions = json!([
            { "type": "pointerMove", "x": 0, "y": 0, "origin": origin },
            { "type": "pointerDown", "button": 0 },
            { "type": "pointerUp", "button": 0 },
        ]);
        self.act(window, json!({ "type": "pointer", "id": "mouse", "actions": actions }));
    }

    /// Types key by key into the focused element.
    fn keys(&mut self, window: &Window, text: &str) {
        let keys = text.chars().map(String::from);
        let actions: Vec<_> = keys
            .flat_map(|key| ["keyDown", "keyUp"].map(|what| json!({ "type": what, "value": key })))
            .collect();
        self.act(window, json!({ "type": "key", "id": "keyboard", "actions": actions }));
    }

    /// Types into a field and presses Enter.
    #[track_caller]
    fn write(&mut self, window: &Window, css: &str, text: &str) {
        self.click(window, css);
        self.keys(window, text);
        self.keys(window, ENTER);
    }

    fn act(&mut self, window: &Window, actions: Value) {
        self.ask("input.performActions", json!({ "context": window.0, "actions": [actions] }));
    }

    /// Runs a command and returns its result. Keeps the console messages that come in between.
    fn ask(&mut self, method: &str, params: Value) -> Value {
        self.next_id += 1;
        let command = json!({ "id": self.next_id, "method": method, "params": params });
        self.session.send(Message::text(command.to_string())).expect("Firefox listens");
        loop {
            let message = self.session.read().unwrap_or_else(|e| panic!("{method} got no answer: {e}"));
            let Ok(mut message) = serde_json::from_slice::<Value>(&message.into_data()) else { continue };
            if message["method"] == "log.entryAdded" {
                self.hear(&message["params"]);
            } else if message["id"] == self.next_id {
                assert_eq!(message["type"], "success", "{method}: {message}");
                return message["result"].take();
            }
        }
    }

    fn hear(&mut self, entry: &Value) {
        let text = entry["text"].as_str().unwrap_or_default();
        if ["error", "warn"].map(Value::from).contains(&entry["level"]) && !text.contains("ws://") {
            self.console_errors.push(text.to_owned());
        }
    }
}

impl Drop for Firefox {
    fn drop(&mut self) {
        let _ = self.child.kill(); // it may be gone already
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}
