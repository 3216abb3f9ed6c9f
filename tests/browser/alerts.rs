//! Alerts: the "3 new" button, the count in the title, the sound, desktop notifications.

use crate::setup::{Console, Kind, Source, Stage, UserPage, chat, chat_by, stories};

stories![
    scrolled_up_a_button_counts_what_is_new_and_nothing_jumps,
    hidden_the_title_counts_and_is_plain_again_on_return,
    sound_comes_only_when_it_was_switched_on,
    permission_is_asked_on_a_click_alone,
    with_permission_a_hidden_console_calls_and_a_click_leads_to_the_chat,
    of_many_tabs_one_rings,
    what_is_not_on_the_screen_is_not_called_delivered,
];

fn scrolled_up_a_button_counts_what_is_new_and_nothing_jumps(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    for (page, other) in [(&*user, &*console), (&*console, &*user)] {
        let long = |n| format!("{n}{}", "\na long text".repeat(20));
        (1..=3).for_each(|n| other.say(&long(n)));
        page.until_received(&long(3));
        page.until(AT_END);
        page.scroll_to_top();
        for n in 1..=3 {
            other.say(&format!("new {n}"));
            page.until_text("#new-messages", &format!("{n} new"));
        }
        page.check("document.querySelector('#log').scrollTop == 0");
        page.click("#new-messages");
        page.until_gone("#new-messages");
        page.until(AT_END);
        other.say("seen at once");
        page.until_received("seen at once");
        page.until(AT_END);
        assert!(!page.is_there("#new-messages"));
    }
}

const AT_END: &str =
    "(log => log.scrollHeight - log.scrollTop - log.clientHeight < 2)(document.querySelector('#log'))";

fn hidden_the_title_counts_and_is_plain_again_on_return(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    for (page, other) in [(&*user, &*console), (&*console, &*user)] {
        let title = page.eval("document.title").as_str().unwrap().to_owned();
        let tab = page.hide();
        for n in 1..=2 {
            other.say(&format!("psst {n}"));
            page.until(&format!("document.title.startsWith('({n}) ')"));
        }
        page.show_again(&tab);
        page.until(&format!("document.title == '{title}'"));
        other.say("seen");
        page.until_received("seen");
        page.check(&format!("document.title == '{title}'"));
    }
}

/// Counts the sounds that are played and the permissions that are asked for.
const EARS: &str = "
    window.beeps = 0; window.asked = 0;
    const start = OscillatorNode.prototype.start;
    OscillatorNode.prototype.start = function (...when) { beeps += 1; return start.apply(this, when); };
    if (window.Notification) Notification.requestPermission = async () => { asked += 1; return 'denied'; };
    Object.defineProperty(Notification, 'permission', { get: () => 'default' });";

fn sound_comes_only_when_it_was_switched_on(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat_with_ears(&stage);
    for (page, other) in [(&*user, &*console), (&*console, &*user)] {
        other.say("silent");
        page.until_received("silent");
        page.check("beeps == 0");
        page.click("#open-settings");
        page.click("#sound");
        page.until("beeps == 1"); // so that one knows how it sounds
        page.key("Escape");
        let tab = page.hide();
        other.say("ring");
        page.until("beeps == 2");
        page.show_again(&tab);
        page.click("#open-settings");
        page.check("document.querySelector('#sound').checked");
        page.click("#sound");
        page.key("Escape");
        other.say("silent again");
        page.until_received("silent again");
        page.check("beeps == 2");
    }
}

fn chat_with_ears(stage: &Stage) -> (UserPage, Console, String) {
    chat_by(stage.page(Kind::User).before(EARS), stage.page(Kind::Staff).before(EARS))
}

fn permission_is_asked_on_a_click_alone(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat_with_ears(&stage);
    user.say("hello");
    console.until_received("hello");
    let tab = console.hide();
    user.say("hello?");
    console.until("document.title.startsWith('(1)')");
    console.show_again(&tab);
    console.check("asked == 0");
    user.check("asked == 0");
    console.click("#open-settings");
    console.click("#notify");
    console.until("asked == 1");
}

/// A stand-in for `Notification` that keeps what was shown, so that a test can click it.
const DESKTOP: &str = "
    window.shown = [];
    window.Notification = class {
        static permission = 'granted';
        constructor(title, options) { Object.assign(this, { title, ...options }); shown.push(this); }
    };";

fn with_permission_a_hidden_console_calls_and_a_click_leads_to_the_chat(source: Source) {
    let stage = Stage::new(source);
    let console = stage.page(Kind::Staff).before(DESKTOP);
    let (user, console, first) = chat_by(stage.page(Kind::User), console);
    let mut other = stage.desk.user("other");
    let second = other.create("the scanner");
    console.pick(&second);
    user.say("seen as it comes");
    console.until_there(&format!("#chat-list [data-chat='{first}'] [data-unread]"));
    console.check("shown.length == 0");
    let tab = console.hide();
    user.say("are you there?");
    console.until("shown.length == 1");
    console.check("shown[0].body.includes('the printer')"); // whose it is; what was said is nobody else's
    console.show_again(&tab);
    console.eval("shown[0].onclick(), 0");
    console.until_shown(&first);
}

fn of_many_tabs_one_rings(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat_with_ears(&stage);
    console.click("#open-settings");
    console.click("#sound");
    console.until("beeps == 1");
    // Another console in the same browser is ringing right now: this one keeps still, but counts.
    let taken = "new Promise(held => navigator.locks.request('deskwire.ring', () => { held(); return new Promise(free => window.free = free) }))";
    console.until("navigator.locks.query().then(({ held }) => held.length == 0)");
    console.eval(taken);
    let tab = console.hide();
    user.say("ring?");
    console.until("document.title.startsWith('(1)')");
    console.check("beeps == 1");
    console.eval("free()");
    user.say("ring!");
    console.until("beeps == 2");
    console.show_again(&tab);
}

fn what_is_not_on_the_screen_is_not_called_delivered(source: Source) {
    let stage = Stage::new(source);
    let (user, console, _) = chat(&stage);
    let tab = console.hide();
    user.say("are you looking?");
    console.until_received("are you looking?");
    user.until_said("are you looking?", "sent");
    console.show_again(&tab);
    user.until_said("are you looking?", "delivered");
}
