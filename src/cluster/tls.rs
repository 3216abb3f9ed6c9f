//! TLS on a connection to Redis.

use std::io;
use std::sync::Arc;

use mio::net::TcpStream;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, StreamOwned};

use crate::net::tls::roots::{BUNDLE_VARIABLE, roots_of_this_machine};

/// TLS on a non-blocking socket. Records that the socket does not take wait in it for `flush`.
pub(super) type ClientStream = StreamOwned<ClientConnection, TcpStream>;

/// Opens TLS streams to one host.
#[derive(Debug)]
pub(super) struct Client {
    config: Arc<ClientConfig>,
    name: ServerName<'static>,
}

impl Client {
    /// Creates a client with the root certificates of this machine.
    ///
    /// # Errors
    /// There are none, or no certificate can be for such a host.
    pub(super) fn to(host: &str) -> io::Result<Self> {
        let name = ServerName::try_from(host.to_owned()).map_err(io::Error::other)?;
        let roots = roots_of_this_machine();
        if roots.is_empty() {
            let why =
                format!("this machine has no root certificates; {BUNDLE_VARIABLE} may name a file with some");
            return Err(io::Error::other(why));
        }
        let config = ClientConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions() // 1.2 and 1.3
            .map_err(io::Error::other)?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Self { config: Arc::new(config), name })
    }

    pub(super) fn connect(&self, socket: TcpStream) -> io::Result<ClientStream> {
        let session = ClientConnection::new(Arc::clone(&self.config), self.name.clone());
        Ok(StreamOwned::new(session.map_err(io::Error::other)?, socket))
    }
}
