//! The root certificates that this machine trusts, for connections that we make.

use std::path::PathBuf;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// The files with the trusted root certificates on Debian and Alpine, Fedora, openSUSE, the BSDs and macOS.
const BUNDLES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];
/// The variable that names another such file, as in OpenSSL.
pub(crate) const BUNDLE_VARIABLE: &str = "SSL_CERT_FILE";

/// Returns the root certificates that this machine trusts; none if it has none.
pub fn roots_of_this_machine() -> RootCertStore {
    let own = std::env::var_os(BUNDLE_VARIABLE).map(PathBuf::from);
    let bundles = match own {
        Some(own) => vec![own],
        None => BUNDLES.map(PathBuf::from).into(),
    };
    let mut roots = RootCertStore::empty();
    for bundle in bundles {
        if let Ok(certificates) = CertificateDer::pem_file_iter(bundle) {
            roots.add_parsable_certificates(certificates.flatten());
        }
        if !roots.is_empty() {
            break;
        }
    }
    roots
}
