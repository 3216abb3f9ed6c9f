//! The paths that the desk serves.

use crate::ids::{StaffId, UserId};

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

pub(super) fn route(path: &str) -> Route {
    if let Some(id) = path.strip_prefix("/ws/user/") {
        return UserId::parse(id).map_or(Route::BadId, Route::User);
    }
    if let Some(id) = path.strip_prefix("/ws/staff/") {
        return StaffId::parse(id).map_or(Route::BadId, Route::Staff);
    }
    match path {
        "/" | "/user.html" => Route::UserPage,
        "/staff" | "/staff.html" => Route::StaffPage,
        "/widget.js" => Route::Widget,
        "/healthz" => Route::Health,
        "/metrics" => Route::Metrics,
        _ => Route::NotFound,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_lead_where_they_should() {
        assert!(matches!(route("/ws/user/ann"), Route::User(_)));
        assert!(matches!(route("/ws/staff/sam"), Route::Staff(_)));
        for bad in ["/ws/user/", "/ws/user/a/b", "/ws/staff/a%20b"] {
            assert!(matches!(route(bad), Route::BadId), "{bad}");
        }
        for unknown in ["/ws/user", "/ws/", "/Staff", "/staff/", "//", "", "*", "/../Cargo.toml", "/user.js"]
        {
            assert!(matches!(route(unknown), Route::NotFound), "{unknown}");
        }
    }
}
