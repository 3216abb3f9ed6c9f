//! The browser windows. They are used again if a test has left nothing behind.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::{Value, json};

use crate::chromium::{chromium, lock};
use crate::page::Page;

/// A browser context, with storage of its own. It is disposed of with its last page.
pub struct Context(pub Value);

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

/// Windows that are free. Opening one takes as long as most tests.
static WINDOWS: Mutex<Vec<Page>> = Mutex::new(Vec::new());

impl Page {
    /// Returns an empty page in a free window or in a new one.
    pub fn fresh(size: (u32, u32)) -> Self {
        let used = lock(&WINDOWS).pop();
        let Some(page) = used else { return Self::open(&Context::new(), size) };
        page.resize(size.0, size.1);
        page
    }

    /// Removes all that a test has left: storage, scripts, emulation, events.
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
        self.may_lose_connection = false;
        lock(&self.events).clear();
        Ok(())
    }

    /// Opens an empty page of this size.
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
        let page = Self::of_session(context, target, session);
        page.cdp("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
        page
    }

    /// Follows a session that is there already: a window's, or that of a frame in it.
    pub fn of_session(context: &Arc<Context>, target: &str, session: String) -> Self {
        let events = chromium().follow(&session);
        let (context, target) = (Arc::clone(context), target.to_owned());
        let page = Self {
            context,
            target,
            session,
            events,
            allowed: vec![],
            may_lose_connection: false,
            scripts: RefCell::default(),
            is_reusable: Cell::new(false),
        };
        for domain in ["Page", "Runtime", "Log", "Network"] {
            page.cdp(&format!("{domain}.enable"), json!({}));
        }
        page
    }

    /// Returns a second handle of the same window.
    fn twin(&self) -> Self {
        let (context, events) = (Arc::clone(&self.context), Arc::clone(&self.events));
        let (target, session) = (self.target.clone(), self.session.clone());
        let (scripts, is_reusable) = (RefCell::default(), Cell::new(true));
        Self {
            context,
            target,
            session,
            events,
            allowed: vec![],
            may_lose_connection: false,
            scripts,
            is_reusable,
        }
    }
}

/// Checks each page at the end of its test. Its window is used again if it can be.
impl Drop for Page {
    fn drop(&mut self) {
        let has_passed = !thread::panicking();
        let clean = if has_passed { self.is_clean() } else { Ok(()) };
        if has_passed && clean.is_ok() && self.is_reusable.get() && self.clear().is_ok() {
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
