//! Listening sockets that the service manager passes in (sd_listen_fds(3)), told apart by their names.

use std::net::TcpListener;

use listenfd::ListenFd;

use crate::Failure;

/// The name of the socket for the metrics: `FileDescriptorName=` in its unit. The desk's own may have any other name.
const METRICS_NAME: &str = "metrics";

/// The sockets by purpose. Each takes the place of an option.
#[derive(Default)]
pub(crate) struct Inherited {
    /// Instead of `--listen`.
    pub(crate) desk: Option<TcpListener>,
    /// Instead of `--metrics-listen`.
    pub(crate) metrics: Option<TcpListener>,
}

impl Inherited {
    /// Takes the sockets that are passed to this process, if there are any.
    pub(crate) fn take() -> Result<Self, Failure> {
        let names = std::env::var("LISTEN_FDNAMES").unwrap_or_default();
        let mut names = names.split(':');
        let mut passed_in = ListenFd::from_env();
        let mut sockets = Self::default();
        for at in 0..passed_in.len() {
            let (place, what) = match names.next() {
                Some(METRICS_NAME) => (&mut sockets.metrics, "the metrics"),
                _ => (&mut sockets.desk, "the desk"),
            };
            if place.is_some() {
                let hint = "the socket of the metrics has FileDescriptorName=metrics";
                return Err(Failure::Mistake(format!("LISTEN_FDS: two sockets for {what}; {hint}")));
            }
            let socket = passed_in.take_tcp_listener(at);
            *place = socket.map_err(|error| Failure::Mistake(format!("LISTEN_FDS: {error}")))?;
        }
        Ok(sockets)
    }
}
