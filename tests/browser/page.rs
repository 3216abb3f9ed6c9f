//! One page in a window of its own, and what a test can ask about it.

use std::cell::{Cell, RefCell};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::chromium::{Events, PendingReply, chromium};
use crate::windows::Context;

/// How long anything that a test waits for may take.
pub const TIMEOUT: Duration = Duration::from_secs(12);
const POLL_INTERVAL: Duration = Duration::from_millis(12);

/// Asks until there is an answer, for `TIMEOUT` at most: for what the browser tells only when it is asked.
pub fn poll<T>(mut ask: impl FnMut() -> Option<T>) -> Option<T> {
    let deadline = Instant::now() + TIMEOUT;
    loop {
        let answer = ask();
        if answer.is_some() || Instant::now() > deadline {
            return answer;
        }
        thread::sleep(POLL_INTERVAL);
    }
}

pub struct Page {
    pub context: Arc<Context>,
    pub target: String,
    pub session: String,
    pub events: Events,
    /// The URL of every request of this page has to start with one of these.
    pub allowed: Vec<String>,
    /// The test disconnects the page, so the browser may report that.
    pub may_lose_connection: bool,
    /// The scripts that `before_scripts` has added.
    pub scripts: RefCell<Vec<Value>>,
    /// `clear` can undo all that was done to the window.
    pub is_reusable: Cell<bool>,
}

impl Page {
    pub fn go(&self, url: &str) {
        self.cdp("Page.navigate", json!({ "url": url }));
        self.until("location.href != 'about:blank' && document.readyState == 'complete'");
    }

    pub fn reload(&self) {
        self.eval("window.isOld = true");
        self.cdp("Page.reload", json!({}));
        self.until("!window.isOld && document.readyState == 'complete'");
    }

    /// Runs a script before the page's own at every load from now on.
    pub fn before_scripts(&self, script: &str) {
        let added = self.cdp("Page.addScriptToEvaluateOnNewDocument", json!({ "source": script }));
        self.scripts.borrow_mut().push(added["identifier"].clone());
    }

    /// Does the same, in place of all that were added.
    pub fn replace_scripts(&self, script: &str) {
        for added in self.scripts.take() {
            self.cdp("Page.removeScriptToEvaluateOnNewDocument", json!({ "identifier": added }));
        }
        self.before_scripts(script);
    }

    // ---- Looking

    pub fn ask(&self, method: &str, params: Value) -> Result<Value, String> {
        chromium().ask(Some(&self.session), method, params)
    }

    pub fn cdp(&self, method: &str, params: Value) -> Value {
        self.ask(method, params).unwrap_or_else(|e| panic!("{method}: {e}"))
    }

    /// Sends several commands at once, and then waits for their replies.
    pub fn cdp_all<const N: usize>(&self, commands: [(&str, Value); N]) {
        let begun = commands.map(|(method, params)| chromium().begin(Some(&self.session), method, params));
        for asked in begun {
            asked.and_then(PendingReply::end).unwrap_or_else(|e| panic!("{e}"));
        }
    }

    /// Evaluates an expression, and awaits it if it is a promise.
    pub fn eval(&self, expression: &str) -> Value {
        self.try_eval(expression).unwrap_or_else(|e| panic!("{expression:.500}: {e}"))
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

    /// Waits until the expression is true. One that throws counts as not true yet: the element may still be missing.
    pub fn until(&self, expression: &str) {
        let asked = truth_of(expression);
        let mut last = Ok(Value::Null);
        let is_true = || {
            last = self.try_eval(&asked);
            (last == Ok(Value::Bool(true))).then_some(())
        };
        if poll(is_true).is_none() {
            panic!("never came true: {expression}\n  last: {last:?}\n{}", self.describe());
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

    /// Returns the texts of all elements that match, in document order.
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

    /// Describes the page for a failure's message: its text and its console.
    pub fn describe(&self) -> String {
        let body =
            self.try_eval("document.body.innerText.replace(/\\n+/g, ' | ').slice(-1500)").unwrap_or_default();
        let at = self.try_eval("location.href").unwrap_or_default();
        format!("  at {at}\n  showing {body}\n  console_errors: {:?}", self.console_errors())
    }
}

/// Makes an expression that awaits another one, since a promise itself is always true.
pub fn truth_of(expression: &str) -> String {
    format!("(async () => !!(await ({expression})))()")
}

/// Returns the text as a literal of JavaScript.
pub fn quoted(text: &str) -> String {
    Value::from(text).to_string()
}
