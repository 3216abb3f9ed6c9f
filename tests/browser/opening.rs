//! How a page is opened: from where, on which device, over which connection.

use std::net::SocketAddr;

use crate::page::Page;
use crate::proxy::Proxy;
use crate::setup::{Console, Kind, Source, UserPage, sign_in};
use crate::support::TOKEN;

/// How a page is to be opened.
pub struct Opening {
    pub source: Source,
    pub kind: Kind,
    pub addr: SocketAddr,
    pub is_proxied: bool,
    pub size: (u32, u32),
    pub before: Vec<String>,
    pub media: Vec<(&'static str, &'static str)>,
    pub fragment: String,
}

impl Opening {
    pub fn by(mut self, proxy: &Proxy) -> Self {
        self.addr = proxy.addr;
        self.is_proxied = true;
        self
    }

    /// Connects to another desk.
    pub fn at(mut self, addr: SocketAddr) -> Self {
        self.addr = addr;
        self
    }

    pub fn size(mut self, width: u32, height: u32) -> Self {
        self.size = (width, height);
        self
    }

    /// Adds a script that runs before the page's own.
    pub fn before(mut self, script: &str) -> Self {
        self.before.push(script.to_owned());
        self
    }

    /// Makes the page's clock and timers run this many times as fast.
    pub fn faster(self, rate: u32) -> Self {
        self.before(&faster_clock(rate))
    }

    pub fn media(mut self, name: &'static str, value: &'static str) -> Self {
        self.media.push((name, value));
        self
    }

    pub fn fragment(mut self, fragment: &str) -> Self {
        self.fragment = fragment.to_owned();
        self
    }

    /// Returns the URL of the page.
    pub fn url(&self) -> String {
        let (addr, is_user) = (self.addr, self.kind == Kind::User);
        let address = match self.source {
            Source::Disk => {
                let file = if is_user { "user.html" } else { "staff.html" };
                format!("file://{}/{file}?ws=ws://{addr}", pages_dir())
            }
            Source::Served => format!("http://{addr}/{}", if is_user { "" } else { "staff" }),
        };
        address + &self.fragment
    }

    /// Opens the page without waiting for its connection.
    pub fn open(self) -> Page {
        let mut page = Page::fresh(self.size);
        let addr = self.addr;
        page.allowed = match self.source {
            Source::Disk => vec![format!("file://{}/", pages_dir()), format!("ws://{addr}/ws/")],
            Source::Served => vec![format!("http://{addr}/"), format!("ws://{addr}/ws/")],
        };
        page.may_lose_connection = self.is_proxied;
        self.before.iter().for_each(|script| page.before_scripts(script));
        page.media(&self.media);
        page.go(&self.url());
        page
    }

    pub fn user(self) -> UserPage {
        let user = UserPage::from(self.open());
        user.until_connected();
        user
    }

    pub fn console(self, name: &str) -> Console {
        let console = Console::from(self.open());
        sign_in(&console, name, TOKEN);
        console.until_connected();
        console.until_there("#desk");
        console
    }
}

/// Returns a script that makes a page's clock and timers run this many times as fast.
pub fn faster_clock(rate: u32) -> String {
    format!(
        "{{
            const [began, now, after, every] = [Date.now(), Date.now.bind(Date), setTimeout, setInterval];
            Date.now = () => began + (now() - began) * {rate};
            let due = null;
            window.setTimeout = (act, ms = 0, ...rest) => after(() => {{ due = ms; act(...rest); due = null; }}, ms / {rate});
            window.setInterval = (act, ms = 0, ...rest) => every(act, ms / {rate}, ...rest);
            window.waits = []; // how long the page waited before each socket that a timer opened
            window.WebSocket = class extends WebSocket {{
                constructor(...args) {{ super(...args); if (due !== null) waits.push(due); }}
            }};
        }}"
    )
}

/// Returns the directory of the pages: frontend/, unless `PAGES_DIR` names another.
pub fn pages_dir() -> String {
    std::env::var("PAGES_DIR").unwrap_or_else(|_| concat!(env!("CARGO_MANIFEST_DIR"), "/frontend").to_owned())
}
