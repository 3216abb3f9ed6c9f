//! The desk with TLS, as its clients see it: `make test-tls`. The socket tests check that the desk behaves the same
//! with TLS: they run once more, through a tunnel (`TEST_TLS`).
#![cfg(feature = "tls")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../support/mod.rs"]
mod support;

mod certificates;
mod doctor;
mod handshakes;

use std::sync::Arc;

use rustls::ClientConfig;
use support::tls::{Certificate, certificate, tunnel};
use support::{Desk, Launch};

/// A desk with this certificate.
fn desk_with(certificate: &Certificate, args: &[&str]) -> Desk {
    let options = certificate.options();
    let options = options.iter().map(String::as_str).collect::<Vec<_>>();
    Desk { server: Launch::new().args(&options).args(args).start_direct() }
}

fn desk() -> Desk {
    desk_with(certificate(), &[])
}

/// Has everybody come through a tunnel whose client trusts this.
fn through_tunnel(mut desk: Desk, config: &Arc<ClientConfig>) -> Desk {
    desk.server.addr = tunnel(desk.server.addr, config);
    desk
}
