//! Options of TLS.

use std::path::PathBuf;

use clap::Args;

/// TLS without a proxy. A binary without the feature `tls` does not have these options.
#[derive(Debug, Args)]
pub struct TlsOptions {
    /// File with the certificate and the rest of its chain, in PEM: the desk speaks https and wss. Read again on SIGHUP
    #[arg(long, env = "DESKWIRE_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// File with the certificate's private key, in PEM. Read again on SIGHUP
    #[arg(long, env = "DESKWIRE_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
    /// Seconds for which browsers are to return only by https (HSTS)
    #[arg(long, env = "DESKWIRE_TLS_HSTS", value_name = "SECONDS", requires = "tls_cert")]
    pub tls_hsts: Option<u32>,
}
