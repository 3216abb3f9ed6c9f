//! Reads the certificate and its key from two files.

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

/// Why these files cannot be used for TLS.
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
    /// Reads both files, in PEM: the server's certificate followed by the rest of its chain, and the private key.
    ///
    /// # Errors
    /// A file cannot be read or has no certificate or key in it, or the two do not belong together.
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
        // A browser that returns can resume its session, which saves a signature. Its session ticket (RFC 8446 4.6.1) has all
        // that is needed, so the server keeps nothing.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = ring::Ticketer::new().map_err(|error| TlsError(error.to_string()))?;
        Ok(Self {
            certificate: certificate.to_owned(),
            key: key.to_owned(),
            config: Arc::new(config),
            validity,
        })
    }

    /// Reads the files again, for new connections. If that fails, nothing changes, and the log says why.
    pub(crate) fn reload(&mut self) {
        match Self::read(&self.certificate, &self.key) {
            Ok(read) => {
                *self = read;
                self.log_expiry();
            }
            Err(error) => log::error!("TLS keeps the certificate that it has: {error}"),
        }
    }

    /// Logs how long the certificate is valid.
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
        pem::Error::NoItemsFound => "nothing in PEM is in this file".to_owned(),
        // The text of rustls quotes the line, which may be a part of the key.
        _ => "it is not valid PEM".to_owned(),
    }
}
