//! What a listener is for, where the metrics have one of their own.

/// Which paths are served at the listener by which a request has come.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Scope {
    /// All: there is no other listener.
    #[default]
    All,
    /// All but the metrics, which have a listener of their own.
    Public,
    /// The metrics and the health check, and no WebSocket.
    Metrics,
}
