//! What most tests start with: a desk, its pages, and what people do there.

use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex};

use crate::chromium::lock;
use crate::opening::Opening;
use crate::page::{Page, quoted};
use crate::proxy::Proxy;
use crate::support::{Desk, Staff, User};

/// Where the pages come from. Each test runs with both.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Opened as files, with the desk's address in the link.
    Disk,
    /// Served by the desk.
    Served,
}

/// Makes two tests of each function, one for each source.
macro_rules! stories {
    ($($name:ident),* $(,)?) => {
        mod from_disk {
            $(#[test] fn $name() { super::$name($crate::setup::Source::Disk); })*
        }
        mod served {
            $(#[test] fn $name() { super::$name($crate::setup::Source::Served); })*
        }
    };
}
pub(crate) use stories;

/// The user's page or the staff's.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    User,
    Staff,
}

pub const BOTH: [Kind; 2] = [Kind::User, Kind::Staff];

/// How many tests run at once. Most have two pages open, and a page that is too slow looks like a broken one.
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

    /// Starts a desk with these options.
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

    /// Opens the user's page and waits until it is connected.
    pub fn user(&self) -> UserPage {
        self.page(Kind::User).user()
    }

    /// Opens the staff's page and signs in. This staff member is offline.
    pub fn console(&self, name: &str) -> Console {
        self.page(Kind::Staff).console(name)
    }
}

/// What both pages have.
impl Page {
    pub fn until_connected(&self) {
        self.until("document.querySelector('#status').dataset.connection == 'open'");
    }

    /// Writes a message and sends it.
    pub fn say(&self, text: &str) {
        let writes_already =
            "(e => e == document.activeElement && e.value == '')(document.querySelector('#text'))";
        if !self.is(writes_already) {
            self.put("#text", "");
        }
        self.write(text);
        self.key("Enter");
    }

    /// Waits until our message with this text is in that state.
    pub fn until_said(&self, text: &str, state: &str) {
        self.until(&format!("{}.dataset.state == {}", row(text, "me"), quoted(state)));
    }

    pub fn until_received(&self, text: &str) {
        self.until(&row(text, "them"));
    }

    /// Returns the texts of all messages in the log, in order.
    pub fn messages(&self) -> Vec<String> {
        self.texts("#log li.message .text")
    }

    /// Returns the kinds of the system lines, in order.
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

/// Returns an expression for the row of a message.
pub fn row(text: &str, from: &str) -> String {
    let rows = quoted(&format!("#log li.message[data-from={from}]"));
    let text = quoted(text);
    format!(
        "[...document.querySelectorAll({rows})].find(e => e.querySelector('.text').textContent == {text})"
    )
}

pub struct UserPage(Page);

impl UserPage {
    /// Asks for help. Returns the id of the ticket.
    pub fn ask(&self, subject: &str) -> String {
        self.put("#subject", subject);
        self.key("Enter");
        self.until("document.body.dataset.view == 'chat'");
        self.until("document.querySelector('#ticket-id').textContent");
        self.text("#ticket-id")
    }

    /// Returns the user's id.
    pub fn id(&self) -> String {
        self.eval("user.id").as_str().expect("an id").to_owned()
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
        self.until(&format!("!document.querySelector(\"#tickets li[data-ticket='{ticket}']\")"));
    }

    /// Waits until this chat is the one on the screen, and active.
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

is_a_page!(UserPage);
is_a_page!(Console);

pub fn sign_in(page: &Page, name: &str, token: &str) {
    page.put("#staff-id", name);
    page.put("#token", token);
    page.key("Enter");
}

/// Opens both pages and brings them into a chat.
pub fn chat(stage: &Stage) -> (UserPage, Console, String) {
    chat_by(stage.page(Kind::User), stage.page(Kind::Staff))
}

pub fn chat_by(user: Opening, console: Opening) -> (UserPage, Console, String) {
    let console = console.console("sam");
    console.go_online();
    let user = user.user();
    let ticket = user.ask("the printer");
    console.pick(&ticket);
    user.until_ticket_is("active");
    user.until_unlocked();
    (user, console, ticket)
}

/// Opens the user's page and brings it into a chat with sam, who is a client of the test.
pub fn chat_with_staff(stage: &Stage, user: Opening) -> (UserPage, Staff, String) {
    let mut sam = stage.desk.staff("sam").online();
    let user = user.user();
    let ticket = user.ask("the printer");
    sam.pick(&ticket);
    user.until_unlocked();
    (user, sam, ticket)
}

/// Opens the console and brings it into a chat with ann, who is a client of the test.
pub fn chat_with_user(stage: &Stage) -> (User, Console, String) {
    let mut ann = stage.desk.user("ann");
    let ticket = ann.create("the printer");
    let console = stage.console("sam");
    console.go_online();
    console.pick(&ticket);
    (ann, console, ticket)
}
