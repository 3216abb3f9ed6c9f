//! The paths of the desk, and the two pages, which are built in.

use crate::ids::{StaffId, UserId};
use crate::net::http::{Response, Status};

/// Where a path leads.
#[derive(Debug)]
pub(super) enum Route {
    Page(&'static Page),
    Health,
    Metrics,
    User(UserId),
    Staff(StaffId),
    BadId,
    NotFound,
}

/// A file of frontend/.
#[derive(Debug)]
pub(super) struct Page {
    path: &'static str,
    content_type: &'static str,
    bytes: &'static [u8],
}

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

macro_rules! page {
    ($path:literal, $content_type:expr, $file:literal) => {
        Page {
            path: $path,
            content_type: $content_type,
            bytes: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/frontend/", $file)),
        }
    };
}

const PAGES: &[Page] = &[
    page!("/", HTML, "user.html"),
    page!("/user.html", HTML, "user.html"),
    page!("/staff", HTML, "staff.html"),
    page!("/staff.html", HTML, "staff.html"),
    page!("/address.js", SCRIPT, "address.js"),
    page!("/alerts.js", SCRIPT, "alerts.js"),
    page!("/backoff.js", SCRIPT, "backoff.js"),
    page!("/checks.js", SCRIPT, "checks.js"),
    page!("/composer.js", SCRIPT, "composer.js"),
    page!("/connection.js", SCRIPT, "connection.js"),
    page!("/conversation.js", SCRIPT, "conversation.js"),
    page!("/dialogs.js", SCRIPT, "dialogs.js"),
    page!("/elements.js", SCRIPT, "elements.js"),
    page!("/i18n.js", SCRIPT, "i18n.js"),
    page!("/log.js", SCRIPT, "log.js"),
    page!("/settings.js", SCRIPT, "settings.js"),
    page!("/staff-board.js", SCRIPT, "staff-board.js"),
    page!("/staff-canned.js", SCRIPT, "staff-canned.js"),
    page!("/staff-chats.js", SCRIPT, "staff-chats.js"),
    page!("/staff-keys.js", SCRIPT, "staff-keys.js"),
    page!("/staff-notify.js", SCRIPT, "staff-notify.js"),
    page!("/staff.css", CSS, "staff.css"),
    page!("/staff.js", SCRIPT, "staff.js"),
    page!("/storage.js", SCRIPT, "storage.js"),
    page!("/strings-staff.js", SCRIPT, "strings-staff.js"),
    page!("/strings-user.js", SCRIPT, "strings-user.js"),
    page!("/strings.js", SCRIPT, "strings.js"),
    page!("/style.css", CSS, "style.css"),
    page!("/time.js", SCRIPT, "time.js"),
    page!("/user.js", SCRIPT, "user.js"),
    page!("/wire.js", SCRIPT, "wire.js"),
];

/// The pages load only what stands beside them, and connect only to the host that served them. Their own `<meta>` allows
/// every host, for the pages that are opened from disk; where there are two policies, both must allow (CSP3 section 8.1).
const PAGE_FIELDS: &str = "Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; \
    img-src 'self' data:; connect-src 'self'; base-uri 'none'; form-action 'none'; \
    frame-ancestors 'none'; require-trusted-types-for 'script'\r\n\
    Referrer-Policy: no-referrer\r\nCache-Control: no-cache\r\n";

impl Page {
    pub(super) fn response(&self) -> Response {
        Response {
            status: Status::Ok,
            content_type: self.content_type,
            fields: PAGE_FIELDS,
            body: self.bytes.into(),
        }
    }
}

pub(super) fn route(path: &str) -> Route {
    if let Some(id) = path.strip_prefix("/ws/user/") {
        return UserId::parse(id).map_or(Route::BadId, Route::User);
    }
    if let Some(id) = path.strip_prefix("/ws/staff/") {
        return StaffId::parse(id).map_or(Route::BadId, Route::Staff);
    }
    match path {
        "/healthz" => Route::Health,
        "/metrics" => Route::Metrics,
        _ => PAGES.iter().find(|page| page.path == path).map_or(Route::NotFound, Route::Page),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_of_the_frontend_is_served() {
        for entry in std::fs::read_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/frontend")).unwrap() {
            let name = entry.unwrap().file_name().into_string().unwrap();
            assert!(matches!(route(&format!("/{name}")), Route::Page(_)), "{name} is not in PAGES");
        }
    }

    #[test]
    fn paths_lead_where_they_should() {
        assert!(matches!(route("/ws/user/ann"), Route::User(_)));
        assert!(matches!(route("/ws/staff/sam"), Route::Staff(_)));
        for bad in ["/ws/user/", "/ws/user/a/b", "/ws/staff/a%20b"] {
            assert!(matches!(route(bad), Route::BadId), "{bad}");
        }
        for unknown in ["/ws/user", "/ws/", "/Staff", "/staff/", "//", "", "*", "/../Cargo.toml"] {
            assert!(matches!(route(unknown), Route::NotFound), "{unknown}");
        }
    }
}
