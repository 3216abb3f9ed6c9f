//! A page with the files that it loads, searched without running them.

use std::collections::BTreeSet;
use std::fs;

use crate::Names;

const FRONTEND: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/frontend/");

pub(crate) struct Page {
    pub(crate) name: &'static str,
    /// Without comments.
    pub(crate) html: String,
    /// The scripts and stylesheets that it loads, in order.
    pub(crate) files: Vec<String>,
    /// All of its scripts except for the tables of texts, without comments.
    pub(crate) scripts: String,
    pub(crate) styles: String,
}

impl Page {
    pub(crate) fn load(name: &'static str) -> Self {
        let html = without(&read(name), "<!--", "-->");
        let files: Vec<String> = ["<script src=\"", "<link rel=\"stylesheet\" href=\""]
            .iter()
            .flat_map(|start| values_after(&html, start))
            .collect();
        let joined = |ends: &str| {
            let wanted = files.iter().filter(|file| file.ends_with(ends) && !file.starts_with("strings"));
            wanted.map(|file| read(file)).collect::<Vec<_>>().join("\n")
        };
        let (scripts, styles) = (without_line_comments(&joined(".js")), joined(".css"));
        Self { name, html, files, scripts, styles }
    }

    pub(crate) fn classes(&self) -> Names {
        let lists =
            values_after(&self.html, "class=\"").into_iter().chain(values_after(&self.scripts, "class: \""));
        lists.flat_map(|list| list.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// The ids in the HTML and those that scripts make, except for computed ones.
    pub(crate) fn ids(&self) -> Names {
        let in_html = values_after(&self.html, " id=\"");
        let made = values_after(&self.scripts, " id: \"");
        let dialogs = values_after(&self.scripts, "addDialog(\n  \"");
        in_html.into_iter().chain(made).chain(dialogs).filter(|id| !id.ends_with('-')).collect()
    }

    /// The ids to which a `for` or an aria attribute refers.
    pub(crate) fn ids_in_attributes(&self) -> Names {
        let attributes = ["for=\"", "aria-labelledby=\"", "aria-describedby=\""];
        let in_html = attributes.iter().flat_map(|start| values_after(&self.html, start));
        let made = values_after(&self.scripts, " for: \"");
        in_html.chain(made).flat_map(|list| list.split(' ').map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// The names of all `data-` attributes, without `data-`.
    pub(crate) fn hooks(&self) -> Names {
        let mut hooks = words_after(&self.html, " data-");
        hooks.extend(words_after(&self.scripts, "\"data-"));
        let set = self.scripts.split("dataset.").skip(1).filter_map(|rest| rest.split_once(" = "));
        let set = set.filter(|(name, _)| name.chars().all(|c| c.is_ascii_alphanumeric()));
        hooks.extend(set.map(|(name, _)| attribute_name(name)));
        hooks.remove(""); // a computed name
        hooks
    }

    pub(crate) fn scripts_without_ids(&self) -> String {
        self.ids().iter().fold(self.scripts.clone(), |text, id| text.replace(&format!(" id: \"{id}\""), ""))
    }
}

pub(crate) fn read(name: &str) -> String {
    fs::read_to_string(format!("{FRONTEND}{name}")).unwrap_or_else(|e| panic!("{name}: {e}"))
}

pub(crate) fn file_names() -> Names {
    let entries = fs::read_dir(FRONTEND).expect("a directory of this repository");
    entries
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a name in UTF-8"))
        .collect()
}

/// The tests in a browser, which look for ids and hooks too.
pub(crate) fn browser_tests() -> String {
    let directory = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/browser");
    let entries = fs::read_dir(directory).expect("a directory of this repository");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let sources = paths.filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    sources.map(|path| fs::read_to_string(path).expect("text")).collect()
}

/// Removes everything between two marks.
pub(crate) fn without(text: &str, start: &str, end: &str) -> String {
    let mut parts = text.split(start);
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |kept, part| kept + part.split_once(end).map_or("", |(_, rest)| rest))
}

fn without_line_comments(text: &str) -> String {
    let code = |line: &str| match line.trim_start().starts_with("//") {
        true => String::new(),
        false => line.split(" // ").next().unwrap_or_default().to_owned(),
    };
    text.lines().map(code).collect::<Vec<_>>().join("\n")
}

/// The text behind each `start`, up to the next quotation mark.
pub(crate) fn values_after(text: &str, start: &str) -> Vec<String> {
    text.split(start)
        .skip(1)
        .filter_map(|rest| rest.split_once('"'))
        .map(|(value, _)| value.to_owned())
        .collect()
}

/// The identifiers (letters, digits, hyphens) behind each `start`.
pub(crate) fn words_after(text: &str, start: &str) -> Names {
    let word =
        |rest: &str| rest.chars().take_while(|c| c.is_ascii_alphanumeric() || *c == '-').collect::<String>();
    text.split(start).skip(1).map(word).collect()
}

/// Like `words_after`, without empty ones: the names in selectors such as `.name` or `#name`.
pub(crate) fn names_after(text: &str, start: &str) -> Names {
    let mut names = words_after(text, start);
    names.remove("");
    names
}

/// The texts between double quotation marks on one line.
pub(crate) fn literals(script: &str) -> Vec<String> {
    script
        .lines()
        .flat_map(|line| line.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>())
        .collect()
}

/// `ticketState` for `ticket-state`.
pub(crate) fn dataset_name(hook: &str) -> String {
    let mut words = hook.split('-');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| name + &word[..1].to_uppercase() + &word[1..])
}

fn attribute_name(property: &str) -> String {
    property.chars().fold(String::new(), |mut name, c| {
        if c.is_ascii_uppercase() {
            name.push('-');
        }
        name.push(c.to_ascii_lowercase());
        name
    })
}

/// The members of a set as owned names.
pub(crate) fn names(of: &[&str]) -> BTreeSet<String> {
    of.iter().map(|name| (*name).to_owned()).collect()
}
