//! TLS for the doctor's own connections, which finds out whether browsers would accept the certificate, and if not,
//! why.

use std::io::{self, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Instant;

use deskwire::net::tls::Validity;
use deskwire::net::tls::roots::roots_of_this_machine;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, ClientConnection, DigitallySignedStruct, Error, SignatureScheme};

use super::client::STEP;
use super::finding::{self, Finding};
use super::line::read_until;
use super::tls_finding;

/// What every connection of a doctor needs to speak TLS.
#[derive(Clone, Debug)]
pub(super) struct Trust(Arc<ClientConfig>);

impl Trust {
    /// Trusts the root certificates of this machine. `None` if it has none.
    pub(super) fn of_this_machine() -> Option<Self> {
        let roots = roots_of_this_machine();
        let config = builder()?.with_root_certificates(roots.clone()).with_no_client_auth();
        (!roots.is_empty()).then(|| Self(Arc::new(config)))
    }

    /// Trusts any certificate. For health checks of a desk on this machine, which send no secret and do not know the
    /// desk's name.
    pub(super) fn anybody() -> Option<Self> {
        let verifier = Arc::new(Anybody(ring::default_provider()));
        let config = builder()?.dangerous().with_custom_certificate_verifier(verifier).with_no_client_auth();
        Some(Self(Arc::new(config)))
    }

    /// Does the TLS handshake on a socket that was just connected.
    pub(super) fn shake_hands(&self, socket: TcpStream, host: &str) -> Result<Session, Finding> {
        let name = ServerName::try_from(host.to_owned()).map_err(|_| tls_finding::name(host, &[]))?;
        let session = ClientConnection::new(Arc::clone(&self.0), name);
        let session = session.map_err(|error| tls_finding::of(&error, host))?;
        let mut session = Session { session, socket };
        match session.complete(Instant::now() + STEP) {
            Ok(()) => Ok(session),
            Err(Failure::Tls(error)) => Err(tls_finding::of(&error, host)),
            Err(Failure::Socket(error)) if error.kind() == ErrorKind::TimedOut => {
                Err(finding::silent("the TLS handshake"))
            }
            Err(Failure::Socket(_)) => Err(tls_finding::cut()),
        }
    }
}

fn builder() -> Option<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>> {
    ClientConfig::builder_with_provider(ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .ok()
}

enum Failure {
    Tls(Error),
    Socket(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Self::Socket(error)
    }
}

/// A TLS connection.
#[derive(Debug)]
pub(super) struct Session {
    session: ClientConnection,
    socket: TcpStream,
}

impl Session {
    fn complete(&mut self, deadline: Instant) -> Result<(), Failure> {
        self.socket.set_write_timeout(Some(STEP))?;
        while self.session.is_handshaking() {
            self.write()?;
            if self.session.is_handshaking() {
                self.read(deadline)?;
            }
        }
        Ok(self.write()?)
    }

    fn write(&mut self) -> io::Result<()> {
        while self.session.wants_write() {
            self.session.write_tls(&mut self.socket)?;
        }
        Ok(())
    }

    fn read(&mut self, deadline: Instant) -> Result<(), Failure> {
        read_until(deadline, &mut self.socket, |socket| self.session.read_tls(socket))?;
        if let Err(error) = self.session.process_new_packets() {
            let _ = self.write(); // the alert
            return Err(Failure::Tls(error));
        }
        Ok(())
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.session.writer().write_all(bytes)?;
        self.write()
    }

    /// Waits for more bytes, and appends them to `bytes`. Reads on after a record without data, or a part of a record.
    pub(super) fn receive(&mut self, bytes: &mut Vec<u8>, deadline: Instant) -> io::Result<()> {
        let mut buffer = [0; 4096];
        loop {
            match self.session.reader().read(&mut buffer) {
                Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
                Ok(length) => {
                    bytes.extend_from_slice(&buffer[..length]);
                    return Ok(());
                }
                Err(error) if error.kind() != ErrorKind::WouldBlock => return Err(error),
                Err(_) => match self.read(deadline) {
                    Ok(()) => self.write()?,
                    Err(Failure::Socket(error)) => return Err(error),
                    Err(Failure::Tls(error)) => return Err(io::Error::other(error)),
                },
            }
        }
    }

    /// Returns how long the certificate is valid.
    pub(super) fn validity(&self) -> Validity {
        let certificate = self.session.peer_certificates().and_then(<[_]>::first);
        certificate.map_or_else(Validity::default, |certificate| Validity::of(certificate))
    }
}

/// Accepts any certificate, and checks only that the peer has its key.
#[derive(Debug)]
struct Anybody(CryptoProvider);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _chain: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
