//! One page in a window of its own: looked at by script, used by mouse and keyboard, and watched all the while.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::chromium::{Asked, Events, chromium, lock};

/// How long anything that a story waits for may take.
pub const PATIENCE: Duration = Duration::from_secs(12);
const LOOK_AGAIN: Duration = Duration::from_millis(12);

/// Storage of its own, as a visitor's browser has; gone with the last page in it.
pub struct Context(Value);

impl Context {
    pub fn new() -> Arc<Self> {
        Arc::new(Self(chromium().call("Target.createBrowserContext", json!({}))["browserContextId"].clone()))
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let _ = chromium().ask(None, "Target.disposeBrowserContext", json!({ "browserContextId": self.0 }));
    }
}

pub struct Page {
    pub context: Arc<Context>,
    target: String,
    session: String,
    events: Events,
    /// Every request of this page has to begin with one of these.
    pub allowed: Vec<String>,
    /// The story cuts its line, so the browser may report that.
    pub may_lose_line: bool,
    /// What `before_scripts` has added.
    scripts: RefCell<Vec<Value>>,
    /// Nothing was done to its window that `clear` does not undo.
    is_reusable: Cell<bool>,
}

/// Windows whose page is gone. To open one costs as much as all that most stories do in it.
static WINDOWS: Mutex<Vec<Page>> = Mutex::new(Vec::new());

impl Page {
    /// A page that nobody has used, as far as a page can tell.
    pub fn fresh(size: (u32, u32)) -> Self {
        let used = lock(&WINDOWS).pop();
        let Some(page) = used else { return Self::open(&Context::new(), size) };
        page.resize(size.0, size.1);
        page
    }

    /// Leaves nothing of the story that was: no storage, no script, no emulation, no event.
    fn clear(&mut self) -> Result<(), String> {
        // The page still runs, and would write down what it hears until it is left.
        let empty = "Storage.prototype.setItem = () => {}, localStorage.clear(), sessionStorage.clear()";
        self.ask("Runtime.evaluate", json!({ "expression": empty }))?;
        for script in self.scripts.take() {
            self.ask("Page.removeScriptToEvaluateOnNewDocument", json!({ "identifier": script }))?;
        }
        self.ask("Page.setBypassCSP", json!({ "enabled": false }))?;
        self.ask("Emulation.setTouchEmulationEnabled", json!({ "enabled": false }))?;
        self.ask("Emulation.setEmulatedMedia", json!({ "features": [] }))?;
        self.ask("Page.navigate", json!({ "url": "about:blank" }))?;
        self.until("location.href == 'about:blank' && document.readyState == 'complete'");
        self.ask("Page.resetNavigationHistory", json!({}))?;
        self.may_lose_line = false;
        lock(&self.events).clear();
        Ok(())
    }

    /// An empty page of this size; `go` takes it somewhere.
    pub fn open(context: &Arc<Context>, (width, height): (u32, u32)) -> Self {
        // A window, not a tab: a tab in the background draws nothing, and a click on it hangs.
        let target = json!({ "url": "about:blank", "browserContextId": context.0, "newWindow": true });
        let target = chromium().call("Target.createTarget", target)["targetId"].clone();
        let page = Self::attach(context, target.as_str().expect("an id"));
        page.resize(width, height);
        page.is_reusable.set(true);
        page
    }

    pub fn attach(context: &Arc<Context>, target: &str) -> Self {
        let attached =
            chromium().call("Target.attachToTarget", json!({ "targetId": target, "flatten": true }));
        let session = attached["sessionId"].as_str().expect("an id").to_owned();
        let events = chromium().follow(&session);
        let (context, target) = (Arc::clone(context), target.to_owned());
        let page = Self {
            context,
            target,
            session,
            events,
            allowed: vec![],
            may_lose_line: false,
            scripts: RefCell::default(),
            is_reusable: Cell::new(false),
        };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.cdp(&format!("{domain}.enable"), json!({}));
        }
        page.cdp("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
        page
    }

    pub fn go(&self, url: &str) {
        self.cdp("Page.navigate", json!({ "url": url }));
        self.until("location.href != 'about:blank' && document.readyState == 'complete'");
    }

    pub fn reload(&self) {
        self.eval("window.isOld = true");
        self.cdp("Page.reload", json!({}));
        self.until("!window.isOld && document.readyState == 'complete'");
    }

    /// Runs before the page's own scripts, at every load from now on.
    pub fn before_scripts(&self, script: &str) {
        let added = self.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script }));
        self.scripts.borrow_mut().push(added["identifier"].clone());
    }

    /// The same window under another owner.
    fn twin(&self) -> Self {
        let (context, events) = (Arc::clone(&self.context), Arc::clone(&self.events));
        let (target, session) = (self.target.clone(), self.session.clone());
        let (scripts, is_reusable) = (RefCell::default(), Cell::new(true));
        Self { context, target, session, events, allowed: vec![], may_lose_line: false, scripts, is_reusable }
    }

    // ---- Looking

    pub fn ask(&self, method: &str, params: Value) -> Result<Value, String> {
        chromium().ask(Some(&self.session), method, params)
    }

    pub fn cdp(&self, method: &str, params: Value) -> Value {
        self.ask(method, params).unwrap_or_else(|e| panic!("{method}: {e}"))
    }

    /// Several commands one behind the other, as fast as they are taken.
    pub fn cdp_all<const N: usize>(&self, commands: [(&str, Value); N]) {
        let begun = commands.map(|(method, params)| chromium().begin(Some(&self.session), method, params));
        for asked in begun {
            asked.and_then(Asked::end).unwrap_or_else(|e| panic!("{e}"));
        }
    }

    /// The value of an expression, or of what it promises.
    pub fn eval(&self, expression: &str) -> Value {
        self.try_eval(expression).unwrap_or_else(|e| panic!("{expression}: {e}"))
    }

    fn try_eval(&self, expression: &str) -> Result<Value, String> {
        // Real clicks only: a script of ours must not count as one.
        let params = json!({ "expression": expression, "awaitPromise": true, "returnByValue": true });
        let reply = self.ask("Runtime.evaluate", params)?;
        match &reply["exceptionDetails"] {
            Value::Null => Ok(reply["result"]["value"].clone()),
            details => Err(details["exception"]["description"].as_str().unwrap_or("thrown").to_owned()),
        }
    }

    /// Waits until the expression is true. What throws is not true yet: the element may still be to come.
    pub fn until(&self, expression: &str) {
        let deadline = Instant::now() + PATIENCE;
        let asked = truth_of(expression);
        loop {
            let seen = self.try_eval(&asked);
            if seen == Ok(Value::Bool(true)) {
                return;
            }
            if Instant::now() > deadline {
                panic!("never came true: {expression}\n  last: {seen:?}\n{}", self.describe());
            }
            thread::sleep(LOOK_AGAIN);
        }
    }

    pub fn is(&self, expression: &str) -> bool {
        self.eval(&truth_of(expression)) == true
    }

    #[track_caller]
    pub fn check(&self, expression: &str) {
        assert!(self.is(expression), "not so: {expression}\n{}", self.describe());
    }

    pub fn text(&self, css: &str) -> String {
        let text = self.eval(&format!("document.querySelector({}).textContent", quoted(css)));
        text.as_str().unwrap_or_default().trim().to_owned()
    }

    /// The texts of all that match, in the order of the document.
    pub fn texts(&self, css: &str) -> Vec<String> {
        let all =
            self.eval(&format!("[...document.querySelectorAll({})].map(e => e.textContent)", quoted(css)));
        serde_json::from_value(all).expect("texts")
    }

    pub fn count(&self, css: &str) -> u64 {
        self.eval(&format!("document.querySelectorAll({}).length", quoted(css))).as_u64().expect("a number")
    }

    pub fn until_text(&self, css: &str, text: &str) {
        self.until(&format!(
            "document.querySelector({}).textContent.includes({})",
            quoted(css),
            quoted(text)
        ));
    }

    pub fn until_there(&self, css: &str) {
        self.until(&format!("document.querySelector({}).checkVisibility()", quoted(css)));
    }

    pub fn until_gone(&self, css: &str) {
        self.until(&format!("!document.querySelector({})?.checkVisibility()", quoted(css)));
    }

    pub fn is_there(&self, css: &str) -> bool {
        self.is(&format!("document.querySelector({})?.checkVisibility()", quoted(css)))
    }

    pub fn value(&self, css: &str) -> String {
        let value = self.eval(&format!("document.querySelector({}).value", quoted(css)));
        value.as_str().expect("a field").to_owned()
    }

    /// For a failure's message: what a person would see, and what the console said.
    fn describe(&self) -> String {
        let body =
            self.try_eval("document.body.innerText.replace(/\\n+/g, ' | ').slice(-1500)").unwrap_or_default();
        let at = self.try_eval("location.href").unwrap_or_default();
        format!("  at {at}\n  showing {body}\n  complaints: {:?}", self.complaints())
    }

    // ---- Conditions of the reader's device

    pub fn resize(&self, width: u32, height: u32) {
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", screen);
    }

    /// A phone: touch, and no pointer that could hover.
    pub fn phone(&self, width: u32, height: u32) {
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": true });
        self.cdp("Emulation.setDeviceMetricsOverride", screen);
        self.cdp("Emulation.setTouchEmulationEnabled", json!({ "enabled": true, "maxTouchPoints": 5 }));
        self.until("matchMedia('(pointer: coarse)').matches");
    }

    /// Media features such as `("prefers-color-scheme", "dark")`; those not named are as usual.
    pub fn media(&self, features: &[(&str, &str)]) {
        let features: Vec<_> =
            features.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.cdp("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// What `navigator.languages` says from the next load on.
    pub fn speak(&self, languages: &str) {
        self.is_reusable.set(false);
        let agent = self.eval("navigator.userAgent");
        self.cdp(
            "Emulation.setUserAgentOverride",
            json!({ "userAgent": agent, "acceptLanguage": languages }),
        );
    }

    /// Puts another tab in front of this one, as a reader does: the page is hidden until the tab is closed.
    pub fn hide(&self) -> String {
        self.is_reusable.set(false);
        self.cdp("Emulation.setFocusEmulationEnabled", json!({ "enabled": false }));
        chromium().call("Target.activateTarget", json!({ "targetId": self.target }));
        let tab = json!({ "url": "about:blank", "browserContextId": self.context.0 });
        let tab = chromium().call("Target.createTarget", tab)["targetId"].as_str().expect("an id").to_owned();
        self.until("document.hidden");
        tab
    }

    pub fn show_again(&self, tab: &str) {
        chromium().call("Target.closeTarget", json!({ "targetId": tab }));
        self.until("!document.hidden");
        self.cdp("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
    }

    /// "Duplicate this tab": the copy starts with the tab's storage, as in a browser.
    pub fn duplicate(&self) -> Page {
        self.is_reusable.set(false);
        let open = "window.open(location.href, '_blank', 'popup,width=900,height=700'), 0";
        self.cdp("Runtime.evaluate", json!({ "expression": open, "userGesture": true }));
        let copies = || {
            let targets = chromium().call("Target.getTargets", json!({}))["targetInfos"].take();
            let targets = targets.as_array().cloned().unwrap_or_default();
            targets.into_iter().find(|target| target["openerId"] == self.target.as_str())
        };
        let deadline = Instant::now() + PATIENCE;
        let target = loop {
            if let Some(target) = copies() {
                break target;
            }
            assert!(Instant::now() < deadline, "the second tab never opened");
            thread::sleep(LOOK_AGAIN);
        };
        let mut copy = Self::attach(&self.context, target["targetId"].as_str().expect("an id"));
        copy.allowed.clone_from(&self.allowed);
        copy.until("location.href != 'about:blank' && document.readyState == 'complete'");
        copy
    }

    /// A command about the whole context, which lasts: nobody else is to have it after us.
    pub fn context_cdp(&self, method: &str, mut params: Value) {
        self.is_reusable.set(false);
        params["browserContextId"] = self.context.0.clone();
        chromium().call(method, params);
    }

    // ---- What it did

    fn told(&self, method: &str) -> Vec<Value> {
        let events = lock(&self.events);
        events.iter().filter(|event| event["method"] == method).map(|event| event["params"].clone()).collect()
    }

    /// All that a developer would find in red or yellow in the console.
    pub fn complaints(&self) -> Vec<String> {
        let thrown = self.told("Runtime.exceptionThrown");
        let called = self.told("Runtime.consoleAPICalled");
        let called = called
            .into_iter()
            .filter(|call| ["error", "warning", "assert"].iter().any(|t| call["type"] == *t));
        let logged = self.told("Log.entryAdded").into_iter().map(|told| told["entry"].clone());
        let logged = logged.filter(|entry| entry["level"] == "error" || entry["level"] == "warning");
        // The browser itself reports a connection that fails; no page can keep it from that.
        let lost = |e: &Value| e["text"].as_str().unwrap_or("").starts_with("WebSocket connection to");
        let logged = logged.filter(|entry| !(self.may_lose_line && lost(entry)));
        thrown
            .into_iter()
            .chain(called)
            .chain(logged)
            .map(|told| told.to_string().chars().take(600).collect())
            .collect()
    }

    /// Every address that it asked for, sockets included.
    pub fn requests(&self) -> Vec<String> {
        let asked = self.told("Network.requestWillBeSent");
        let asked = asked.iter().map(|told| &told["request"]["url"]);
        asked.filter_map(Value::as_str).map(str::to_owned).chain(self.sockets()).collect()
    }

    pub fn sockets(&self) -> Vec<String> {
        let created = self.told("Network.webSocketCreated");
        created.iter().filter_map(|told| told["url"].as_str()).map(str::to_owned).collect()
    }

    /// `alert` and its like.
    pub fn dialogs(&self) -> usize {
        self.told("Page.javascriptDialogOpening").len()
    }

    /// Point 40, for every page of every story.
    fn is_clean(&self) -> Result<(), String> {
        let own = |url: &str| url.starts_with("data:") || url.starts_with("blob:");
        let outside = |url: &String| !own(url) && !self.allowed.iter().any(|start| url.starts_with(start));
        let complaints = self.complaints();
        let outside: Vec<_> = self.requests().into_iter().filter(outside).collect();
        if complaints.is_empty() && outside.is_empty() {
            return Ok(());
        }
        Err(format!("the console is not clean, or asked for outside: {outside:?}\n{}", self.describe()))
    }
}

/// No story can forget to look: a page that goes is checked. Its window is used again where it can be.
impl Drop for Page {
    fn drop(&mut self) {
        let is_story_well = !thread::panicking();
        let clean = if is_story_well { self.is_clean() } else { Ok(()) };
        if is_story_well && clean.is_ok() && self.is_reusable.get() && self.clear().is_ok() {
            lock(&WINDOWS).push(self.twin());
            return;
        }
        let _ = chromium().ask(None, "Target.closeTarget", json!({ "targetId": self.target }));
        chromium().forget(&self.session);
        if let Err(why) = clean {
            panic!("{why}");
        }
    }
}

/// Of a promise, what it comes to: a promise itself is always true.
fn truth_of(expression: &str) -> String {
    format!("(async () => !!(await ({expression})))()")
}

/// Text as a literal of JavaScript.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
