//! What a page did, as the browser recorded it: its complaints and its requests.

use serde_json::Value;

use crate::chromium::lock;
use crate::page::Page;

impl Page {
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
    pub fn is_clean(&self) -> Result<(), String> {
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
