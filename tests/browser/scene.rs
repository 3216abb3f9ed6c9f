//! The opening scenes: a desk, the pages that people open at it, and the words to tell what they do there.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex};

use crate::chromium::lock;
use crate::opening::Opening;
use crate::page::{Page, quoted};
use crate::proxy::Proxy;
use crate::support::Desk;

/// Where the pages come from: each story is told for both.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Opened as files, with the desk's address in the page's own.
    Disk,
    /// From the desk itself.
    Served,
}

/// Makes of each story two tests.
macro_rules! stories {
    ($($name:ident),* $(,)?) => {
        mod from_disk {
            $(#[test] fn $name() { super::$name($crate::scene::Source::Disk); })*
        }
        mod served {
            $(#[test] fn $name() { super::$name($crate::scene::Source::Served); })*
        }
    };
}
pub(crate) use stories;

/// Whose page.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Visitor,
    Staff,
}

pub const BOTH: [Kind; 2] = [Kind::Visitor, Kind::Staff];

/// A story has two pages as a rule. More at once would be slower, and a slow page looks like a broken one.
const STAGES_MAX: usize = 3;
static STAGES: (Mutex<usize>, Condvar) = (Mutex::new(0), Condvar::new());

pub struct Stage {
    pub desk: Desk,
    pub source: Source,
    _turn: Turn,
}

struct Turn;

impl Turn {
    fn take() -> Self {
        let stages = lock(&STAGES.0);
        let stages = STAGES.1.wait_while(stages, |stages| *stages == STAGES_MAX);
        *stages.unwrap_or_else(std::sync::PoisonError::into_inner) += 1;
        Self
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        *lock(&STAGES.0) -= 1;
        STAGES.1.notify_one();
    }
}

impl Stage {
    pub fn new(source: Source) -> Self {
        Self::with(source, &[])
    }

    /// With these options of the server.
    pub fn with(source: Source, args: &[&str]) -> Self {
        let turn = Turn::take();
        Self { desk: Desk::with(args), source, _turn: turn }
    }

    pub fn proxy(&self) -> Proxy {
        Proxy::to(self.desk.server.addr)
    }

    pub fn page(&self, kind: Kind) -> Opening {
        let (source, addr) = (self.source, self.desk.server.addr);
        let (before, media, fragment) = (vec![], vec![], String::new());
        Opening { source, kind, addr, is_proxied: false, size: (1280, 800), before, media, fragment }
    }

    /// The visitor's page, connected, and nothing asked yet.
    pub fn visitor(&self) -> Visitor {
        self.page(Kind::Visitor).visitor()
    }

    /// The console of somebody who has signed in and is still offline.
    pub fn console(&self, name: &str) -> Console {
        self.page(Kind::Staff).console(name)
    }
}

/// What is alike on both pages.
impl Page {
    pub fn until_connected(&self) {
        self.until("document.querySelector('#status').dataset.connection == 'open'");
    }

    /// Writes and sends, as one does.
    pub fn say(&self, text: &str) {
        let writes_already =
            "(e => e == document.activeElement && e.value == '')(document.querySelector('#text'))";
        if !self.is(writes_already) {
            self.put("#text", "");
        }
        self.write(text);
        self.key("Enter");
    }

    /// The message of ours with this text is in that state.
    pub fn until_said(&self, text: &str, state: &str) {
        self.until(&format!("{}.dataset.state == {}", row(text, "me"), quoted(state)));
    }

    pub fn until_heard(&self, text: &str) {
        self.until(&row(text, "them"));
    }

    /// All messages in the log, theirs and ours, in order.
    pub fn messages(&self) -> Vec<String> {
        self.texts("#log li.message .text")
    }

    /// The system lines, in order, by kind.
    pub fn lines(&self) -> Vec<String> {
        let kinds = self.eval("[...document.querySelectorAll('#log li.system')].map(e => e.dataset.kind)");
        serde_json::from_value(kinds).expect("kinds")
    }

    pub fn until_locked(&self, code: &str) {
        self.until(&format!("document.querySelector('#composer').dataset.locked == {}", quoted(code)));
        self.check("document.querySelector('#send').disabled");
        self.check("document.querySelector('#lock-reason').checkVisibility()");
    }

    pub fn until_unlocked(&self) {
        self.until("document.querySelector('#chat').checkVisibility()");
        self.until("document.querySelector('#composer').dataset.locked === undefined");
    }
}

/// The row of a message, as JavaScript.
pub fn row(text: &str, from: &str) -> String {
    let rows = quoted(&format!("#log li.message[data-from={from}]"));
    let text = quoted(text);
    format!(
        "[...document.querySelectorAll({rows})].find(e => e.querySelector('.text').textContent == {text})"
    )
}

pub struct Visitor(Page);

impl Visitor {
    /// Asks for help, and has a ticket: its id.
    pub fn ask(&self, subject: &str) -> String {
        self.put("#subject", subject);
        self.key("Enter");
        self.until("document.body.dataset.view == 'chat'");
        self.until("document.querySelector('#ticket-id').textContent");
        self.text("#ticket-id")
    }

    /// The id that the page goes by.
    pub fn id(&self) -> String {
        self.eval("visitor.id").as_str().expect("an id").to_owned()
    }

    pub fn until_ticket_is(&self, state: &str) {
        self.until(&format!("document.querySelector('#chat').dataset.ticketState == {}", quoted(state)));
    }
}

pub struct Console(Page);

impl Console {
    pub fn go_online(&self) {
        self.click("#go-online");
        self.until("document.querySelector('#presence').dataset.online == 'true'");
    }

    pub fn pick(&self, ticket: &str) {
        self.click(&format!("#tickets li[data-ticket='{ticket}'] [data-pick]"));
        self.until_shown(ticket);
        // The board is drawn a little later; until then its rows are about to move.
        self.until(&format!(
            "document.querySelector(\"#tickets li[data-ticket='{ticket}'][data-state=mine]\")"
        ));
    }

    /// This chat is the one on the screen, and open.
    pub fn until_shown(&self, ticket: &str) {
        self.until_there("#chat");
        self.until(&format!("document.querySelector('#chat').dataset.ticket == {}", quoted(ticket)));
        self.until("document.querySelector('#chat').dataset.chatState == 'active'");
    }

    pub fn until_chat_is(&self, state: &str) {
        self.until(&format!("document.querySelector('#chat').dataset.chatState == {}", quoted(state)));
    }

    pub fn until_ticket(&self, ticket: &str, state: &str) {
        self.until_there(&format!("#tickets li[data-ticket='{ticket}'][data-state={state}]"));
    }
}

macro_rules! is_a_page {
    ($kind:ty) => {
        impl Deref for $kind {
            type Target = Page;
            fn deref(&self) -> &Page {
                &self.0
            }
        }

        impl DerefMut for $kind {
            fn deref_mut(&mut self) -> &mut Page {
                &mut self.0
            }
        }

        impl From<Page> for $kind {
            fn from(page: Page) -> Self {
                Self(page)
            }
        }
    };
}

is_a_page!(Visitor);
is_a_page!(Console);

pub fn sign_in(page: &Page, name: &str, token: &str) {
    page.put("#staff-id", name);
    page.put("#token", token);
    page.key("Enter");
}

/// Both in the middle of a chat: what most stories begin with.
pub fn chat(stage: &Stage) -> (Visitor, Console, String) {
    chat_by(stage.page(Kind::Visitor), stage.page(Kind::Staff))
}

pub fn chat_by(visitor: Opening, console: Opening) -> (Visitor, Console, String) {
    let console = console.console("sam");
    console.go_online();
    let visitor = visitor.visitor();
    let ticket = visitor.ask("the printer");
    console.pick(&ticket);
    visitor.until_ticket_is("active");
    visitor.until_unlocked();
    (visitor, console, ticket)
}
