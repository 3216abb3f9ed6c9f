//! Reads the files of frontend/ as texts: no text, style, id or hook is unused, and none is missing.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "pages/source.rs"]
mod source;
#[path = "pages/strings.rs"]
mod strings;
#[path = "pages/styles.rs"]
mod styles;

use std::collections::BTreeSet;

use source::{Page, browser_tests, literals, names_after, words_after};

fn pages() -> [Page; 2] {
    ["user.html", "staff.html"].map(Page::load)
}

type Names = BTreeSet<String>;

fn no_difference(what: &str, some: &Names, all: &Names) {
    let missing: Vec<_> = some.difference(all).collect();
    assert!(missing.is_empty(), "{what}: {missing:?}");
}

#[test]
fn every_class_has_a_style_or_is_looked_up() {
    for page in pages() {
        let mut known = styles::names(&page.styles, '.');
        known.extend(names_after(&page.scripts, "."));
        known.extend(names_after(&browser_tests(), "."));
        no_difference(&format!("classes of {} that nothing needs", page.name), &page.classes(), &known);
    }
}

#[test]
fn every_style_is_for_something_in_a_page_that_loads_it() {
    let pages = pages();
    let mut sheets = source::file_names();
    sheets.retain(|name| name.ends_with(".css"));
    for style in &sheets {
        let text = source::read(style);
        let loads: Vec<&Page> = pages.iter().filter(|page| page.files.contains(style)).collect();
        let all = |of: fn(&Page) -> Names| loads.iter().flat_map(|page| of(page)).collect::<Names>();
        no_difference(&format!("classes of {style}"), &styles::names(&text, '.'), &all(Page::classes));
        no_difference(&format!("ids of {style}"), &styles::names(&text, '#'), &all(Page::ids));
        no_difference(&format!("hooks of {style}"), &words_after(&text, "[data-"), &all(Page::hooks));
    }
    let all: String = sheets.iter().map(|name| source::read(name)).collect();
    let (defined, used) = (styles::variables(&all), words_after(&all, "var(--"));
    assert_eq!(defined, used, "each variable is defined and used");
}

#[test]
fn every_id_is_used() {
    for page in pages() {
        let mut used: Names = literals(&page.scripts_without_ids()).into_iter().collect();
        used.extend(styles::names(&page.styles, '#'));
        used.extend(page.ids_in_attributes());
        used.extend(names_after(&browser_tests(), "#"));
        used.extend(words_after(&browser_tests(), "byId('"));
        no_difference(&format!("ids of {} that nothing uses", page.name), &page.ids(), &used);
    }
}

#[test]
fn every_id_that_a_script_names_exists_on_its_page() {
    for page in pages() {
        let mut named = words_after(&page.scripts, "byId(\"");
        named.extend(words_after(&page.scripts, "onClick(\""));
        named.extend(page.ids_in_attributes());
        let is_optional = |id: &String| page.scripts.contains(&format!("byId(\"{id}\")?"));
        named.retain(|id| !is_optional(id));
        no_difference(&format!("ids that are not on {}", page.name), &named, &page.ids());
    }
}

#[test]
fn every_hook_is_used() {
    let tests = browser_tests();
    for page in pages() {
        let read_by = |text: &str, hook: &str| {
            let property = source::dataset_name(hook);
            let sets = |rest: &str| rest.starts_with(" = ") && !rest.starts_with(" == ");
            text.contains(&format!("[data-{hook}"))
                || text.contains(&format!("hasAttribute(\"data-{hook}\")"))
                || text
                    .split(&format!("dataset.{property}"))
                    .skip(1)
                    .any(|rest| !sets(rest) && !rest.starts_with(|next: char| next.is_ascii_alphanumeric()))
        };
        let i18n = ["text", "label", "hint"]; // i18n.js looks them up by a computed name
        for hook in page.hooks().iter().filter(|hook| !i18n.contains(&hook.as_str())) {
            let is_used =
                read_by(&page.scripts, hook) || read_by(&page.styles, hook) || read_by(&tests, hook);
            assert!(is_used, "nothing uses data-{hook} of {}", page.name);
        }
    }
}

#[test]
fn every_script_is_loaded_by_a_page() {
    let loaded: Names = pages().iter().flat_map(|page| page.files.clone()).collect();
    let mut there = source::file_names();
    there.retain(|name| !name.ends_with(".html") && name != "widget.js"); // that one is for other sites
    assert_eq!(there, loaded);
}
