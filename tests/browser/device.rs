//! The reader's device: its screen, its colours, its language, and the other tabs in front of the page.

use serde_json::{Value, json};

use crate::chromium::chromium;
use crate::page::{Page, poll};

impl Page {
    pub fn resize(&self, width: u32, height: u32) {
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": false });
        self.cdp("Emulation.setDeviceMetricsOverride", screen);
    }

    /// Emulates a phone: touch, and no pointer that can hover.
    pub fn phone(&self, width: u32, height: u32) {
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": true });
        self.cdp("Emulation.setDeviceMetricsOverride", screen);
        self.cdp("Emulation.setTouchEmulationEnabled", json!({ "enabled": true, "maxTouchPoints": 5 }));
        self.until("matchMedia('(pointer: coarse)').matches");
    }

    /// Emulates media features such as `("prefers-color-scheme", "dark")` and resets all others.
    pub fn media(&self, features: &[(&str, &str)]) {
        let features: Vec<_> =
            features.iter().map(|(name, value)| json!({ "name": name, "value": value })).collect();
        self.cdp("Emulation.setEmulatedMedia", json!({ "features": features }));
    }

    /// Sets `navigator.languages` from the next load on.
    pub fn speak(&self, languages: &str) {
        self.is_reusable.set(false);
        let agent = self.eval("navigator.userAgent");
        self.cdp(
            "Emulation.setUserAgentOverride",
            json!({ "userAgent": agent, "acceptLanguage": languages }),
        );
    }

    /// Opens a tab in front of this one, so that the page is hidden until the tab is closed.
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

    /// Duplicates the tab. The copy starts with the tab's storage, as in a browser.
    pub fn duplicate(&self) -> Page {
        self.is_reusable.set(false);
        let open = "window.open(location.href, '_blank', 'popup,width=900,height=700'), 0";
        self.cdp("Runtime.evaluate", json!({ "expression": open, "userGesture": true }));
        let copies = || {
            let targets = chromium().call("Target.getTargets", json!({}))["targetInfos"].take();
            let targets = targets.as_array().cloned().unwrap_or_default();
            targets.into_iter().find(|target| target["openerId"] == self.target.as_str())
        };
        let target = poll(copies).expect("the second tab opens");
        let mut copy = Self::attach(&self.context, target["targetId"].as_str().expect("an id"));
        copy.allowed.clone_from(&self.allowed);
        copy.until("location.href != 'about:blank' && document.readyState == 'complete'");
        copy
    }

    /// Runs a command that changes the whole browser context, which no other test may use afterwards.
    pub fn context_cdp(&self, method: &str, mut params: Value) {
        self.is_reusable.set(false);
        params["browserContextId"] = self.context.0.clone();
        chromium().call(method, params);
    }
}
