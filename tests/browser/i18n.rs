//! Languages, text from right to left, how a page is loaded, and the links between the pages.

use std::collections::BTreeSet;

use serde_json::json;

use crate::page::Page;
use crate::setup::{BOTH, Kind, Source, Stage, chat, sign_in, stories};
use crate::support::TOKEN;

stories![
    the_page_speaks_the_browsers_language,
    another_language_is_chosen_in_the_page_and_kept,
    every_text_is_there_in_every_language,
    right_to_left_mirrors_the_layout_and_breaks_nothing,
];

/// The first heading in each language, of the user's page and of the staff's.
const GREETINGS: [(&str, [&str; 2]); 3] = [
    ("en", ["How can we help?", "Sign in to the desk"]),
    ("de", ["Wie können wir helfen?", "Anmelden"]),
    ("fr", ["Comment pouvons-nous vous aider ?", "Se connecter"]),
];

fn the_page_speaks_the_browsers_language(source: Source) {
    let stage = Stage::new(source);
    for (nth, kind) in BOTH.into_iter().enumerate() {
        let page = stage.page(kind).open();
        for (language, greetings) in GREETINGS {
            page.speak(&format!("pt-BR,{language}-CH,en"));
            page.reload();
            page.check(&format!("document.documentElement.lang == '{language}'"));
            assert_eq!(page.text("main h2"), greetings[nth]);
        }
        page.speak("pt-BR,ja"); // neither is here
        page.reload();
        page.check("document.documentElement.lang == 'en'");
    }
}

fn another_language_is_chosen_in_the_page_and_kept(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    user.say("hello");
    console.until_received("hello");
    user.until_said("hello", "delivered");
    for (page, send) in [(&*user, "Envoyer"), (&*console, "Envoyer")] {
        page.click("#open-settings");
        page.click("#language");
        page.key("f"); // the first that begins so
        page.key("Enter");
        page.until("document.documentElement.lang == 'fr'");
        page.key("Escape");
        assert_eq!(page.text("#send"), send);
        let line =
            if page.is("document.title && byId('queue')") { "sam est là." } else { "Vous êtes là." };
        page.until_text("li.system[data-kind=joined]", line); // what was said before follows
        page.reload();
        page.until_connected();
        page.check("document.documentElement.lang == 'fr'");
        assert_eq!(page.text("#send"), send);
    }
}

fn every_text_is_there_in_every_language(source: Source) {
    let stage = Stage::new(source);
    for kind in BOTH {
        let page = stage.page(kind).open();
        // The same places to fill in, and nothing forgotten.
        let odd = "Object.entries(STRINGS).filter(([key, texts]) => {
            const all = texts.map(text => typeof text == 'object' ? Object.values(text) : [text]);
            const places = all.map(forms => [...new Set(forms.join(' ').match(/\\{\\w+\\}/g))].sort().join());
            return texts.length != STRINGS.languages.length || all.flat().some(text => !text?.trim?.()) || new Set(places).size > 1;
        }).map(([key]) => key)";
        assert_eq!(page.eval(odd), json!([]));
        page.check("STRINGS.languages.length >= 3");
        let unknown = "[...document.querySelectorAll('[data-text], [data-label], [data-hint]')].flatMap(e => [e.dataset.text, e.dataset.label, e.dataset.hint]) \
            .filter(key => key && !(key in STRINGS))";
        assert_eq!(page.eval(unknown), json!([]), "each name in the page is in the table");
    }
}

fn right_to_left_mirrors_the_layout_and_breaks_nothing(source: Source) {
    let stage = Stage::new(source);
    let turn = |page: &Page| {
        page.eval("document.documentElement.dir = 'rtl'");
        crate::layout::fits(page, "right to left");
    };
    for kind in BOTH {
        turn(&stage.page(kind).open());
    }
    let (user, console, _) = chat(&stage);
    user.say("from the user");
    console.say("from the staff");
    for page in [&*user, &*console] {
        page.until("document.querySelectorAll('li.message').length == 2");
        turn(page);
        page.resize(1280, 800);
        let sides = "['me', 'them'].map(from => document.querySelector(`li.message[data-from=${from}] .text`).getBoundingClientRect())";
        page.check(&format!("(([me, them]) => me.left < them.left && me.right < them.right)({sides})"));
        page.check("(([text, send]) => send.right <= text.left)(['#text', '#send'].map(css => document.querySelector(css).getBoundingClientRect()))");
    }
    console.check("document.querySelector('#board').getBoundingClientRect().left > document.querySelector('#conversation').getBoundingClientRect().left");
    // Texts of another direction keep theirs.
    let arabic = "\u{645}\u{631}\u{62d}\u{628}\u{627}";
    console.eval("document.documentElement.dir = 'ltr'");
    user.say(arabic);
    console.until_received(arabic);
    console.check("getComputedStyle([...document.querySelectorAll('.said')].at(-1)).direction == 'rtl'");
    console.check("getComputedStyle([...document.querySelectorAll('.said')][0]).direction == 'ltr'");
}

/// Compresses all its files as one.
#[test]
fn a_served_page_is_one_request() {
    let stage = Stage::new(Source::Served);
    for page in [&*stage.user(), &*stage.console("sam")] {
        let urls: BTreeSet<String> =
            page.requests().into_iter().filter(|url| url.starts_with("http")).collect();
        assert_eq!(urls.len(), 1, "{urls:?}");
    }
}

/// The link between the pages keeps the desk's address; a user's page that was served has none for staff. The link that the desk prints fills in the token.
#[test]
fn the_pages_lead_to_each_other() {
    for source in [Source::Disk, Source::Served] {
        let stage = Stage::new(source);
        let from = if source == Source::Served { Kind::Staff } else { Kind::User };
        let page = stage.page(from).open();
        page.click("[data-other-page]");
        if from == Kind::Staff {
            page.until("byId('ask-form') && document.readyState == 'complete'");
            page.until_connected();
            page.eval("setTimeout(() => history.back()), 0"); // later, or the answer is lost with the page
        }
        page.until("byId('sign-in-form') && document.readyState == 'complete'");
        sign_in(&page, "sam", TOKEN);
        page.until_connected();
        let page = stage.page(Kind::Staff).fragment(&format!("#token={TOKEN}")).open();
        page.until("document.activeElement.id == 'staff-id'");
        page.check("!location.href.includes('token')");
        page.type_keys("sam");
        page.key("Enter");
        page.until_there("#desk");
    }
}
