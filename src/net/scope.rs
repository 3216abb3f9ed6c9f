//! The purpose of a listener: the metrics may have their own, so that the public one does not serve them.

/// The paths that are served at a listener.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All paths: there is no other listener.
    #[default]
    All,
    /// All paths except the metrics, which have their own listener.
    Public,
    /// The metrics and the health check, but no WebSockets.
    Metrics,
}
