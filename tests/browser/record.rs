//! What the browser has recorded of a page: its console and its requests.

use serde_json::Value;

use crate::chromium::lock;
use crate::page::Page;

impl Page {
    fn events_of(&self, method: &str) -> Vec<Value> {
        let events = lock(&self.events);
        events.iter().filter(|event| event["method"] == method).map(|event| event["params"].clone()).collect()
    }

    /// Returns the errors and warnings in the console.
    pub fn console_errors(&self) -> Vec<String> {
        let thrown = self.events_of("Runtime.exceptionThrown");
        let called = self.events_of("Runtime.consoleAPICalled");
        let called = called
            .into_iter()
            .filter(|call| ["error", "warning", "assert"].iter().any(|t| call["type"] == *t));
        let logged = self.events_of("Log.entryAdded").into_iter().map(|frame| frame["entry"].clone());
        let logged = logged.filter(|entry| entry["level"] == "error" || entry["level"] == "warning");
        // The browser itself reports a connection that fails; no page can keep it from that.
        let lost = |e: &Value| e["text"].as_str().unwrap_or("").starts_with("WebSocket connection to");
        let logged = logged.filter(|entry| !(self.may_lose_connection && lost(entry)));
        thrown
            .into_iter()
            .chain(called)
            .chain(logged)
            .map(|event| event.to_string().chars().take(600).collect())
            .collect()
    }

    /// Returns the URLs of all requests, WebSockets included.
    pub fn requests(&self) -> Vec<String> {
        let asked = self.events_of("Network.requestWillBeSent");
        let asked = asked.iter().map(|event| &event["request"]["url"]);
        asked.filter_map(Value::as_str).map(str::to_owned).chain(self.sockets()).collect()
    }

    pub fn sockets(&self) -> Vec<String> {
        let created = self.events_of("Network.webSocketCreated");
        created.iter().filter_map(|frame| frame["url"].as_str()).map(str::to_owned).collect()
    }

    /// Counts the dialogs of `alert` and the like.
    pub fn dialogs(&self) -> usize {
        self.events_of("Page.javascriptDialogOpening").len()
    }

    /// Checks point 40, for every page of every test.
    pub fn is_clean(&self) -> Result<(), String> {
        let own = |url: &str| url.starts_with("data:") || url.starts_with("blob:");
        let outside = |url: &String| !own(url) && !self.allowed.iter().any(|start| url.starts_with(start));
        let console_errors = self.console_errors();
        let outside: Vec<_> = self.requests().into_iter().filter(outside).collect();
        if console_errors.is_empty() && outside.is_empty() {
            return Ok(());
        }
        Err(format!("the console is not clean, or asked for outside: {outside:?}\n{}", self.describe()))
    }
}
