//! Both pages in a real Chromium, from disk and served: each story is told twice, by real mouse and keys.
//!
//! Whatever the story, a page that goes is checked: nothing in the console, no request but for its own files and its
//! one socket (windows.rs). `PAGES_DIR` names other pages than frontend/, to see the stories fail on broken ones;
//! `CHROME` names a browser. The main story is told once more in Firefox, on demand (firefox.rs). What the pages are held
//! to, and which story holds them to it:
//!
//! | point | story |
//! | --- | --- |
//! | 1, 2 no sideways scroll at 360, reflow at 320 | layout: nothing_scrolls_sideways... |
//! | 3 composer in view with a phone's keyboard | layout: the_composer_is_in_view... |
//! | 4 long words wrap | layout: long_words_wrap |
//! | 5 contrast, light and dark | layout: contrast_is_enough..., and axe in states |
//! | 6 forced colours | layout: forced_colours... |
//! | 7 reduced motion | layout: nothing_moves... |
//! | 8 targets | layout: targets_are_large_enough... |
//! | 9 fields of 16 px | layout: fields_are_large_enough... |
//! | 10 days, `<time>` | access: days_are_separated..., each_message_tells... |
//! | 11 two sides, not by colour | layout: the_two_sides_differ..., words: right_to_left... |
//! | 12 empty, loading, closed | access: every_state_says..., talk: the_end_offers... |
//! | 13 axe in every state | states: all |
//! | 14 lang, title, h1, main | access: each_view_has... |
//! | 15 log named, appended to | access: the_log_is_named... |
//! | 16 history silent | access: history_is_not_announced... |
//! | 17 connection told once | access: changes_of_the_connection... |
//! | 18 errors tied to fields | access: errors_are_announced... |
//! | 19 controls named | access: every_control_has_a_name |
//! | 20 sender and time | access: each_message_tells... |
//! | 21 log scrolls by keyboard | focus: the_log_scrolls... |
//! | 22 tab order, no trap | focus: tab_goes_as_the_eye_does... |
//! | 23 focus ring | focus: the_focus_is_seen... |
//! | 24 Enter, Shift+Enter, input method | typing: enter_... |
//! | 25 focus after sending | typing: focus_stays... |
//! | 26 the caret stays | typing: what_comes_in... |
//! | 27 drafts survive | typing: drafts_one_a_ticket..., the_visitors_draft... |
//! | 28 all by keyboard | keyboard: a_staff_member..., a_visitor... |
//! | 29 single keys while writing | keyboard: single_keys_... |
//! | 30 help | keyboard: the_help_names... |
//! | 31 sending, sent, delivered | cuts: all, access: each_message_tells..., alerts: what_is_not_on_the_screen... |
//! | 32 failed, Retry, no duplicate | cuts: a_message_that_was_refused..., cut_..., refused: all |
//! | 33 backoff | strangers: retries_are_jittered... |
//! | 34 stall noticed | strangers: a_stalled_line..., a_quiet_line... |
//! | 35 missed once, in order | cuts: what_was_missed..., a_reload..., a_chat_closed... |
//! | 36 "3 new" | alerts: scrolled_up... |
//! | 37 count in the title | alerts: hidden... |
//! | 38 sound, permission | alerts: sound_..., permission_..., with_permission_..., of_many_tabs... |
//! | 39 markup is text | hostile: all |
//! | 40 clean console, no outside request | every story; talk: a_visitor_and_a_staff_member_talk counts sockets |
//! | a secret goes to its own address alone | secrets: all |
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::zombie_processes, reason = "Chromium ends with the pipe that it is driven by")]
#![allow(clippy::nonminimal_bool, reason = "said as one would say it")]
#![allow(unreachable_pub, missing_docs, reason = "its readers are the tests beside it")]

#[path = "../support/mod.rs"]
mod support;

// The tools: a browser, a page in it, the hands that use it, a line that breaks, and a desk that says what it is told.
mod axe;
mod chromium;
mod device;
mod hands;
mod opening;
mod page;
mod proxy;
mod record;
mod scene;
mod scripted;
mod windows;

// The stories.
mod access;
mod alerts;
mod cuts;
mod firefox;
mod focus;
mod hostile;
mod keyboard;
mod layout;
mod refused;
mod screenshots;
mod secrets;
mod states;
mod strangers;
mod talk;
mod typing;
mod words;
