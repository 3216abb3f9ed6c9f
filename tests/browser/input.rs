//! Input by mouse, keyboard and touch. The browser makes the events, so a page cannot tell them from a person's.

use serde_json::{Value, json};

use crate::page::{Page, poll, quoted};

/// Returns the point where an element can be clicked, or why it cannot, for example because it moves.
const CLICK_POINT: &str = "(async element => {
    if (!element?.checkVisibility()) return 'it is not there';
    if (element.disabled) return 'it is disabled';
    if (typeof lastClick != 'undefined') lastClick = null; // a test clicks on purpose: it has looked where
    element.scrollIntoView({ block: 'nearest', inline: 'nearest' });
    const middle = () => (({ x, y, width, height }) => [x + width / 2, y + height / 2])(element.getBoundingClientRect());
    const [before] = [middle(), await new Promise(requestAnimationFrame)];
    const [x, y] = middle();
    if (x != before[0] || y != before[1]) return 'it moves';
    const hit = document.elementFromPoint(x, y);
    return element.contains(hit) ? [x, y] : 'it is covered by ' + hit?.outerHTML.slice(0, 80);
})";

impl Page {
    /// Clicks the middle of an element, once it is neither covered nor disabled.
    #[track_caller]
    pub fn click(&self, css: &str) {
        let at = self.click_point(css);
        let event = |(kind, button, buttons)| {
            let at = json!({ "type": kind, "x": at[0], "y": at[1], "button": button, "buttons": buttons, "clickCount": 1 });
            ("Input.dispatchMouseEvent", at)
        };
        self.cdp_all(
            [("mouseMoved", "none", 0), ("mousePressed", "left", 1), ("mouseReleased", "left", 0)].map(event),
        );
    }

    /// Taps the middle of an element.
    #[track_caller]
    pub fn tap(&self, css: &str) {
        let at = self.click_point(css);
        let finger = json!([{ "x": at[0], "y": at[1] }]);
        let events = [
            json!({ "type": "touchStart", "touchPoints": finger }),
            json!({ "type": "touchEnd", "touchPoints": [] }),
        ];
        self.cdp_all(events.map(|event| ("Input.dispatchTouchEvent", event)));
    }

    #[track_caller]
    fn click_point(&self, css: &str) -> Value {
        let find = format!("{CLICK_POINT}(document.querySelector({}))", quoted(css));
        let mut last = Value::Null;
        let point = poll(|| {
            last = self.eval(&find);
            last.is_array().then(|| last.clone())
        });
        point.unwrap_or_else(|| panic!("cannot click {css}: {last}"))
    }

    /// Inserts text into the focused element in one piece, as a paste or an input method does.
    pub fn write(&self, text: &str) {
        self.cdp("Input.insertText", json!({ "text": text }));
    }

    /// Does the same as `fill` without the mouse, which is faster.
    #[track_caller]
    pub fn put(&self, css: &str, text: &str) {
        self.until_there(css);
        self.eval(&format!(
            "(field => (field.focus(), field.select()))(document.querySelector({}))",
            quoted(css)
        ));
        if text.is_empty() { self.key("Backspace") } else { self.write(text) }
    }

    /// Replaces the text of a field.
    #[track_caller]
    pub fn fill(&self, css: &str, text: &str) {
        self.click(css);
        self.key("Ctrl+a");
        if text.is_empty() { self.key("Backspace") } else { self.write(text) }
    }

    /// Types key by key.
    pub fn type_keys(&self, text: &str) {
        for letter in text.chars() {
            self.key(&letter.to_string());
        }
    }

    /// Presses a key by its name, such as `Enter`, `a`, `?`, `Shift+Tab`, `Ctrl+a`.
    pub fn key(&self, name: &str) {
        let (held, key) = match name.rsplit_once('+') {
            Some((held, key)) if !key.is_empty() => (held, key),
            _ => ("", name),
        };
        let modifiers = match held {
            "" => 0,
            "Alt" => 1,
            "Ctrl" => 2,
            "Shift" => 8,
            other => panic!("no modifier {other}"),
        };
        let (code, text) = key_code(key);
        let mut event = json!({ "key": key, "windowsVirtualKeyCode": code, "modifiers": modifiers });
        if modifiers == 2 && key == "a" {
            event["commands"] = json!(["selectAll"]); // headless has no menu that would know the shortcut
        }
        let mut down = event.clone();
        down["type"] = if text.is_empty() || modifiers == 2 { "rawKeyDown" } else { "keyDown" }.into();
        if down["type"] == "keyDown" {
            down["text"] = text.into();
        }
        event["type"] = "keyUp".into();
        self.cdp_all([down, event].map(|event| ("Input.dispatchKeyEvent", event)));
    }

    /// Scrolls to the top of the log by keyboard.
    pub fn scroll_to_top(&self) {
        self.click("#log");
        self.scroll_by_key("Home");
        self.check("document.querySelector('#log').scrollTop == 0");
    }

    /// Scrolls the focused log by a key, and waits until the smooth scrolling has ended.
    #[track_caller]
    pub fn scroll_by_key(&self, key: &str) {
        self.eval("document.querySelector('#log').addEventListener('scrollend', () => window.rests = true, { once: true }), window.rests = false");
        self.key(key);
        self.until("window.rests");
        self.next_frame();
    }

    /// Waits until the page has been drawn, and until the events of that, such as scrolling, were handled.
    pub fn next_frame(&self) {
        self.eval("new Promise(drawn => requestAnimationFrame(() => requestAnimationFrame(drawn)))");
    }

    /// Sets the text that an input method is still composing.
    pub fn compose(&self, text: &str) {
        let end = text.chars().count();
        self.cdp(
            "Input.imeSetComposition",
            json!({ "text": text, "selectionStart": end, "selectionEnd": end }),
        );
    }
}

/// Returns the virtual key code of a key, and the text that it types.
fn key_code(key: &str) -> (u32, String) {
    let named = match key {
        "Enter" => return (13, "\r".to_owned()),
        "Backspace" => 8,
        "Tab" => 9,
        "Escape" => 27,
        "PageUp" => 33,
        "PageDown" => 34,
        "End" => 35,
        "Home" => 36,
        "ArrowLeft" => 37,
        "ArrowUp" => 38,
        "ArrowRight" => 39,
        "ArrowDown" => 40,
        _ => 0,
    };
    if named != 0 {
        return (named, String::new());
    }
    let letter = key.chars().next().expect("a key");
    assert!(key.chars().count() == 1, "no key {key}");
    let code = match letter {
        '/' | '?' => 191,
        '.' => 190,
        '-' => 189,
        other => u32::from(other.to_ascii_uppercase()),
    };
    (code, key.to_owned())
}
