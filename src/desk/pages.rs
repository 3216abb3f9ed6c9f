//! The pages as they are served: one response each, built at the start from the files in frontend/.
//!
//! On disk a page is a dozen files that can be read and opened as they are. A phone on a slow connection would have to
//! wait for each of them, so a served page contains its styles and scripts, and is compressed once. Its policy allows
//! the hashes of these two and nothing else (CSP3 section 2.3.1): a script that a peer smuggles in does not run.

use std::io::Write;
use std::rc::Rc;

use data_encoding::{BASE64, HEXLOWER};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};

use super::branding::Branding;
use crate::net::http::Request;
use crate::net::response::{Body, Response, Status};

macro_rules! files {
    ($($name:literal)*) => {
        &[$(($name, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/frontend/", $name)))),*]
    };
}

/// The files of frontend/.
const FILES: &[(&str, &str)] = files![
    "address.js" "alerts.js" "backoff.js" "chat.css" "checks.js" "composer.js" "connection.js" "conversation.js"
    "dialogs.js" "elements.js" "embedded.js" "i18n.js" "log.js" "people.js" "settings.js" "staff-board.js" "staff-canned.js"
    "staff-changes.js" "staff-chats.js" "staff-keys.js" "staff-lists.css" "staff-notify.js" "staff-recap.js" "staff-sign-in.js"
    "staff-narrow.css" "staff.css" "staff.html" "staff.js" "storage.js" "stored-chat.js" "strings-staff-events.js" "strings-staff.js" "strings-user.js" "strings.js" "style.css"
    "time.js" "user-history.js" "user.html" "user.js" "widget.js" "wire.js"
];

/// The pages of a desk.
#[derive(Debug)]
pub struct Pages {
    pub(super) user: Document,
    pub(super) staff: Document,
    pub(super) widget: Document,
}

impl Pages {
    /// Builds the pages with the company's name, colour and greeting.
    pub fn new(branding: &Branding) -> Self {
        Self {
            user: Document::page("user.html", branding, &branding.embedders),
            staff: Document::page("staff.html", branding, &[]),
            widget: Document::widget(branding),
        }
    }

    /// Tells browsers to use only https for this many seconds (RFC 6797).
    #[cfg(feature = "tls")]
    #[must_use]
    pub fn with_strict_transport(mut self, seconds: u32) -> Self {
        for document in [&mut self.user, &mut self.staff, &mut self.widget] {
            for encoded in [&mut document.plain, &mut document.gzip] {
                encoded.fields += &format!("Strict-Transport-Security: max-age={seconds}\r\n");
            }
        }
        self
    }
}

/// What is served at a path.
#[derive(Debug)]
pub(super) struct Document {
    content_type: &'static str,
    fields: String,
    /// The document as it is, and compressed, each with its own entity tag.
    plain: Encoded,
    gzip: Encoded,
}

#[derive(Debug)]
struct Encoded {
    bytes: Rc<[u8]>,
    tag: String,
    /// The fields that a 304 has, too.
    fields: String,
}

impl Encoded {
    fn new(bytes: Vec<u8>) -> Self {
        // RFC 9110 8.8.3: a strong tag changes with every byte, so each encoding has a tag of its own.
        let tag = format!("\"{}\"", HEXLOWER.encode(&Sha256::digest(&bytes)[..12]));
        let fields = format!("ETag: {tag}\r\nCache-Control: no-cache\r\nVary: Accept-Encoding\r\n");
        Self { bytes: bytes.into(), tag, fields }
    }
}

impl Document {
    fn page(name: &str, branding: &Branding, embedders: &[String]) -> Self {
        let page = Inlined::new(&branded(file(name), branding), &brand_style(branding));
        let ancestors = if embedders.is_empty() { "'none'".to_owned() } else { embedders.join(" ") };
        let policy = format!(
            "default-src 'none'; script-src 'sha256-{}'; style-src 'sha256-{}'; img-src data:; connect-src 'self'; \
             base-uri 'none'; form-action 'none'; frame-ancestors {ancestors}; require-trusted-types-for 'script'",
            hash(&page.script),
            hash(&page.style),
        );
        let fields = format!("Content-Security-Policy: {policy}\r\nReferrer-Policy: no-referrer\r\n");
        Self::new("text/html; charset=utf-8", fields, page.html.into_bytes())
    }

    /// Builds the script for other sites. Its button has one colour, for light and dark sites alike.
    fn widget(branding: &Branding) -> Self {
        let name = serde_json::Value::from(branding.name.as_deref().unwrap_or(DEFAULT_NAME)).to_string();
        let accent = branding.accent.map_or_else(|| DEFAULT_ACCENT.to_owned(), |a| a.on_light().to_string());
        let script =
            without_comments(file("widget.js")).replace("\"__NAME__\"", &name).replace("__ACCENT__", &accent);
        Self::new("text/javascript; charset=utf-8", String::new(), script.into_bytes())
    }

    fn new(content_type: &'static str, fields: String, bytes: Vec<u8>) -> Self {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        // Writing to a Vec cannot fail.
        let gzip = encoder.write_all(&bytes).and_then(|()| encoder.finish()).unwrap_or_default();
        Self { content_type, fields, plain: Encoded::new(bytes), gzip: Encoded::new(gzip) }
    }

    /// Returns the response to a GET or HEAD. A client that already has the document gets 304 (RFC 9110 13.1.2).
    pub(super) fn response(&self, request: &Request<'_>) -> Response {
        let (encoded, coding) = match request.accepts_gzip {
            true => (&self.gzip, "Content-Encoding: gzip\r\n"),
            false => (&self.plain, ""),
        };
        // RFC 9110 13.1.2: the comparison is weak, so a tag that a proxy has weakened matches, too.
        let has_it = request.if_none_match.iter().any(|tag| {
            let tag = tag.strip_prefix("W/").unwrap_or(tag);
            tag == "*" || tag == encoded.tag
        });
        let (status, fields, body) = match has_it {
            true => (Status::NotModified, encoded.fields.clone(), Body::Static(b"")),
            false => (
                Status::Ok,
                [&self.fields, coding, &encoded.fields].concat(),
                Body::Shared(Rc::clone(&encoded.bytes)),
            ),
        };
        Response { status, content_type: self.content_type, fields: fields.into(), body }
    }
}

/// A page that contains its styles and scripts.
struct Inlined {
    html: String,
    style: String,
    script: String,
}

impl Inlined {
    /// Replaces the lines that load files with the files: all styles at the first such line, all scripts at the last.
    /// Leaves out the notes for readers of the file, and the policy for pages from disk, which would forbid inline
    /// code.
    fn new(page: &str, last_style: &str) -> Self {
        let lines: Vec<&str> = without_notes(page).collect();
        let style = inside(&lines, STYLESHEET) + last_style;
        let script = inside(&lines, SCRIPT);
        let style_at = lines.iter().position(|line| loaded(line, STYLESHEET).is_some());
        let script_at = lines.iter().rposition(|line| loaded(line, SCRIPT).is_some());
        let is_for_disk =
            |line: &str| [STYLESHEET, SCRIPT, DISK_POLICY].iter().any(|start| line.trim().starts_with(start));
        let mut html = String::new();
        for (at, line) in lines.iter().enumerate() {
            if Some(at) == style_at {
                html.extend(["<style>", &style, "</style>\n"]);
            } else if Some(at) == script_at {
                html.extend(["<script>", &script, "</script>\n"]);
            } else if !is_for_disk(line) {
                html.extend([line.trim_start(), "\n"]);
            }
        }
        Self { html, style, script }
    }
}

const STYLESHEET: &str = "<link rel=\"stylesheet\" href=\"";
const SCRIPT: &str = "<script src=\"";
const DISK_POLICY: &str = "<meta http-equiv=\"Content-Security-Policy\"";

/// The widget's label and colour if the company sets none.
const DEFAULT_NAME: &str = "Support";
const DEFAULT_ACCENT: &str = "#0b6b5d";

/// Returns the file that a line loads, if the line begins with `start`.
fn loaded<'a>(line: &'a str, start: &str) -> Option<&'a str> {
    line.trim().strip_prefix(start)?.split('"').next()
}

/// Returns the contents of all files that lines beginning with `start` load, concatenated.
fn inside(lines: &[&str], start: &str) -> String {
    lines.iter().filter_map(|line| loaded(line, start)).map(|name| without_comments(file(name))).collect()
}

fn file(name: &str) -> &'static str {
    FILES.iter().find(|(known, _)| *known == name).map_or("", |(_, text)| text)
}

/// Returns the lines of a page without the comment that lists its hooks.
fn without_notes(page: &str) -> impl Iterator<Item = &str> {
    let mut is_note = false;
    page.lines().filter(move |line| {
        let starts = line.starts_with("<!--");
        let is_inside = is_note || starts;
        is_note = is_inside && !line.contains("-->");
        !is_inside
    })
}

/// Strips a style or script of what only its readers need: comments, and indentation.
fn without_comments(text: &str) -> String {
    let is_comment = |line: &str| line.starts_with("//") || (line.starts_with("/*") && line.ends_with("*/"));
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !is_comment(line));
    lines.flat_map(|line| [code_of(line), "\n"]).collect()
}

/// Strips a line of the comment behind its code. Where a quotation mark follows, it may be within a text.
fn code_of(line: &str) -> &str {
    let in_style = || line.split_once(" /* ").filter(|(_, rest)| rest.ends_with("*/"));
    match line.split_once(" // ").or_else(in_style) {
        Some((code, rest)) if !rest.contains(['"', '`']) => code,
        _ => line,
    }
}

/// Puts the company's name and greeting into the page, so that they are there when it is first painted.
fn branded(page: &str, branding: &Branding) -> String {
    let mut page = page.to_owned();
    if let Some(name) = branding.name.as_deref().map(escaped) {
        page = replaced(&page, "<title", "</title>", &name);
        page = replaced(&page, "<h1 class=\"brand\"", "</h1>", &name);
    }
    if let Some(greeting) = branding.greeting.as_deref().map(escaped) {
        page = replaced(&page, "<h2 id=\"ask-title\"", "</h2>", &greeting);
    }
    page
}

/// Replaces the text of the element that begins with `start`. The rest of the element's tag is dropped: it names the
/// default text in the tables of languages, from which the page's script would restore it.
fn replaced(page: &str, start: &str, end: &str, text: &str) -> String {
    let Some((before, rest)) = page.split_once(start) else { return page.to_owned() };
    let Some((_, after)) = rest.split_once(end) else { return page.to_owned() };
    [before, start, ">", text, end, after].concat()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

fn brand_style(branding: &Branding) -> String {
    let Some(accent) = branding.accent else { return String::new() };
    let (light, dark) = (accent.on_light(), accent.on_dark());
    format!(
        ":root {{ --accent: light-dark({light}, {dark}); --on-accent: light-dark(#fff, #000); \
         --mine: light-dark(color-mix(in srgb, {light} 14%, #fff), color-mix(in srgb, {light} 35%, #1a2221)); }}\n"
    )
}

fn hash(text: &str) -> String {
    BASE64.encode(&Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desk::branding::Accent;

    fn html(document: &Document) -> &str {
        std::str::from_utf8(&document.plain.bytes).unwrap()
    }

    #[test]
    fn a_page_is_one_response_and_names_no_other_file() {
        let pages = Pages::new(&Branding::default());
        for document in [&pages.user, &pages.staff] {
            let html = html(document);
            for of_disk in ["src=\"", "rel=\"stylesheet\"", "http-equiv", "<!-- "] {
                assert!(!html.contains(of_disk), "{of_disk}");
            }
            assert_eq!(html.matches("<script>").count(), 1);
            assert_eq!(html.matches("</script").count(), 1, "no script ends its own element");
            assert_eq!(html.matches("<style>").count(), 1);
            assert_eq!(html.matches("</style").count(), 1);
        }
    }

    #[test]
    fn every_file_of_the_frontend_is_in_a_page() {
        let pages = [file("user.html"), file("staff.html")].concat();
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/frontend")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(!file(&name).is_empty(), "{name} is not in FILES");
            assert!(
                name == "widget.js" || name.ends_with(".html") || pages.contains(&format!("\"{name}\"")),
                "{name} is in no page"
            );
        }
    }

    #[test]
    fn the_policy_has_the_hashes_of_what_is_inside_and_of_nothing_else() {
        let pages = Pages::new(&Branding { accent: Accent::parse("#123456").ok(), ..Branding::default() });
        for document in [&pages.user, &pages.staff] {
            for (element, directive) in [("script", "script-src"), ("style", "style-src")] {
                let (_, rest) = html(document).split_once(&format!("<{element}>")).unwrap();
                let (inside, _) = rest.split_once(&format!("</{element}>")).unwrap();
                let listed = format!("{directive} 'sha256-{}';", hash(inside));
                assert!(document.fields.contains(&listed), "{}", document.fields);
            }
        }
    }

    #[test]
    fn comments_are_left_out_and_texts_are_not() {
        let script =
            "// the first line\n  a(); // the desk's\n  b(\"x // y\");\n\n  c(\"//z\") // \"kept\"\n";
        assert_eq!(without_comments(script), "a();\nb(\"x // y\");\nc(\"//z\") // \"kept\"\n");
        let style = "/* all */\np {\n  margin: 0; /* none */\n  content: \"a /* b */\";\n}\n";
        assert_eq!(without_comments(style), "p {\nmargin: 0;\ncontent: \"a /* b */\";\n}\n");
    }

    #[test]
    fn a_phone_gets_the_users_page_in_25_kb() {
        let pages = Pages::new(&Branding::default());
        assert!(pages.user.gzip.bytes.len() <= 25_000, "{} bytes", pages.user.gzip.bytes.len());
    }

    #[test]
    fn the_widget_has_the_companys_name_and_is_less_than_3_kb() {
        let branding = Branding { name: Some("A \"B\" & C".into()), ..Branding::default() };
        let widget = Pages::new(&branding).widget;
        assert!(html(&widget).contains("|| \"A \\\"B\\\" & C\";"));
        assert!(!html(&widget).contains("__"), "all is filled in");
        assert!(widget.gzip.bytes.len() < 3_000, "{} bytes", widget.gzip.bytes.len());
    }

    #[test]
    fn name_colour_and_greeting_are_in_the_page_and_nothing_in_them_is_markup() {
        let branding = Branding {
            name: Some("Acme & <b>Sons</b>".into()),
            greeting: Some("What \"can\" we do?".into()),
            accent: Accent::parse("#123456").ok(),
            embedders: vec!["https://shop.example".into()],
        };
        let pages = Pages::new(&branding);
        for document in [&pages.user, &pages.staff] {
            assert!(html(document).contains("<title>Acme &amp; &lt;b&gt;Sons&lt;/b&gt;</title>"));
            assert!(html(document).contains("class=\"brand\">Acme &amp; &lt;b&gt;Sons&lt;/b&gt;</h1>"));
            assert!(html(document).contains("--accent: light-dark(#123456, "));
        }
        assert!(html(&pages.user).contains("<h2 id=\"ask-title\">What &quot;can&quot; we do?</h2>"));
        assert!(pages.user.fields.contains("frame-ancestors https://shop.example;"));
        assert!(pages.staff.fields.contains("frame-ancestors 'none';"), "staff sign in at no other site");
    }
}
