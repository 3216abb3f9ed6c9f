//! Makes TLS streams of accepted sockets, with the buffers and counters that the streams share.

use std::cell::Cell;
use std::fmt::{self, Debug, Formatter};
use std::rc::Rc;
use std::sync::Arc;

use mio::net::TcpStream;

use super::handshakes::Handshakes;
use super::stream::TlsStream;
use super::{Credentials, Socket};

/// Makes TLS streams of accepted sockets.
#[derive(Debug)]
pub(crate) struct Acceptor {
    credentials: Credentials,
    shared: Rc<Shared>,
}

impl Acceptor {
    pub(crate) fn new(credentials: Credentials) -> Self {
        credentials.log_expiry();
        Self { credentials, shared: Rc::default() }
    }

    pub(crate) fn accept(&self, socket: TcpStream) -> Socket {
        let (config, shared) = (Arc::clone(self.credentials.config()), Rc::clone(&self.shared));
        Socket::Tls(Box::new(TlsStream::new(socket, config, shared)))
    }

    /// Reads the files again, for new connections.
    pub(crate) fn reload(&mut self) {
        self.credentials.reload();
    }

    /// Returns the counters of handshakes, which go on counting.
    pub(crate) fn handshakes(&self) -> Rc<Handshakes> {
        Rc::clone(&self.shared.handshakes)
    }
}

/// The buffers and counters that all streams share. A call takes a buffer out of its cell and puts it back.
#[derive(Default)]
pub(super) struct Shared {
    pub(super) incoming: Cell<Vec<u8>>,
    pub(super) outgoing: Cell<Vec<u8>>,
    pub(super) handshakes: Rc<Handshakes>,
}

impl Debug for Shared {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str("Shared")
    }
}
