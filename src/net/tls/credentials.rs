//! The certificate and its key, read from two files.

use std::fmt::{self, Display, Formatter};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::{info, warn};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::NoServerSessionStorage;

use super::expiry::Validity;

/// Why no TLS can be spoken with these files.
#[derive(Debug)]
pub struct TlsError(String);

impl Display for TlsError {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A certificate with its chain, and the key that belongs to it.
#[derive(Debug)]
pub struct Credentials {
    certificate: PathBuf,
    key: PathBuf,
    config: Arc<ServerConfig>,
    validity: Validity,
}

impl Credentials {
    /// Reads both files, which are PEM: the server's certificate, the others of its chain behind it, and the private key.
    ///
    /// # Errors
    /// A file cannot be read, holds none, or the two do not belong together.
    pub fn read(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let wrong =
            |path: &Path, error: pem::Error| TlsError(format!("{}: {}", path.display(), pem_fault(&error)));
        let chain =
            CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let chain = chain.map_err(|error| wrong(certificate, error))?;
        let Some(first) = chain.first() else { return Err(wrong(certificate, pem::Error::NoItemsFound)) };
        let validity = Validity::of(first);
        let private = PrivateKeyDer::from_pem_file(key).map_err(|error| wrong(key, error))?;
        let config = ServerConfig::builder_with_provider(ring::default_provider().into())
            .with_safe_default_protocol_versions() // 1.2 and 1.3
            .map(|builder| builder.with_no_client_auth())
            .and_then(|builder| builder.with_single_cert(chain, private));
        let mut config = config.map_err(|error| {
            let (certificate, key) = (certificate.display(), key.display());
            TlsError(format!("{certificate} and {key} cannot be used together: {error}"))
        })?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        // A browser that comes back saves us the signature. Its ticket holds all that is needed: nothing is kept here.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = ring::Ticketer::new().map_err(|error| TlsError(error.to_string()))?;
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            config: Arc::new(config),
            validity,
        })
    }

    /// Reads the files again. If that fails, all stays as it was, and the log says why. Connections keep what they have.
    pub(crate) fn reload(&mut self) {
        match Self::read(&self.certificate, &self.key) {
            Ok(read) => {
                *self = read;
                self.log_expiry();
            }
            Err(error) => log::error!("TLS goes on with the certificate that it has: {error}"),
        }
    }

    /// Says in the log how long the certificate is valid.
    pub(crate) fn log_expiry(&self) {
        if self.validity.is_short() {
            warn!("TLS: the certificate {}", self.validity);
        } else {
            info!("TLS: the certificate {}", self.validity);
        }
    }

    /// Returns how long the certificate is valid.
    pub fn validity(&self) -> Validity {
        self.validity
    }

    pub(super) fn config(&self) -> &Arc<ServerConfig> {
        &self.config
    }
}

fn pem_fault(error: &pem::Error) -> String {
    match error {
        pem::Error::Io(error) => error.to_string(),
        pem::Error::NoItemsFound => "there is none in this file, which is to be PEM".to_owned(),
        // What rustls says of it quotes the line, which may be the key's.
        _ => "it is no PEM".to_owned(),
    }
}
