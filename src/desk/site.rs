//! The paths that the desk serves.

use crate::ids::{StaffId, UserId};
use crate::net::scope::Scope;

/// What a path stands for.
#[derive(Debug)]
pub(super) enum Route {
    UserPage,
    StaffPage,
    Widget,
    Health,
    Metrics,
    User(UserId),
    Staff(StaffId),
    BadId,
    NotFound,
}

/// Returns where a path leads at a listener with this scope.
pub(super) fn route(path: &str, scope: Scope) -> Route {
    match (path, scope) {
        ("/healthz", _) => return Route::Health,
        ("/metrics", Scope::All | Scope::Metrics) => return Route::Metrics,
        (_, Scope::Metrics) => return Route::NotFound,
        (_, Scope::All | Scope::Public) => {}
    }
    if let Some(id) = path.strip_prefix("/ws/user/") {
        return UserId::parse(id).map_or(Route::BadId, Route::User);
    }
    if let Some(id) = path.strip_prefix("/ws/staff/") {
        return StaffId::parse(id).map_or(Route::BadId, Route::Staff);
    }
    match path {
        "/" => Route::UserPage,
        "/staff" => Route::StaffPage,
        "/widget.js" => Route::Widget,
        _ => Route::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn route(path: &str) -> Route {
        super::route(path, Scope::All)
    }

    #[test]
    fn metrics_with_a_listener_of_their_own_are_there_and_nowhere_else() {
        assert!(matches!(route("/metrics"), Route::Metrics));
        assert!(matches!(super::route("/metrics", Scope::Public), Route::NotFound));
        assert!(matches!(super::route("/metrics", Scope::Metrics), Route::Metrics));
        for path in ["/", "/staff", "/widget.js", "/ws/user/ann", "/ws/staff/sam", "/ws/user/a/b"] {
            assert!(matches!(super::route(path, Scope::Metrics), Route::NotFound), "{path}");
        }
        for scope in [Scope::All, Scope::Public, Scope::Metrics] {
            assert!(matches!(super::route("/healthz", scope), Route::Health));
        }
    }

    #[test]
    fn paths_lead_where_they_should() {
        assert!(matches!(route("/ws/user/ann"), Route::User(_)));
        assert!(matches!(route("/ws/staff/sam"), Route::Staff(_)));
        for bad in ["/ws/user/", "/ws/user/a/b", "/ws/staff/a%20b"] {
            assert!(matches!(route(bad), Route::BadId), "{bad}");
        }
        for unknown in [
            "/ws/user",
            "/ws/",
            "/Staff",
            "/staff/",
            "//",
            "",
            "*",
            "/../Cargo.toml",
            "/user.js",
            "/user.html",
        ] {
            assert!(matches!(route(unknown), Route::NotFound), "{unknown}");
        }
    }
}
