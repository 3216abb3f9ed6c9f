//! The findings about TLS: what may be wrong, in plain words, each with the command or configuration that fixes it.

use deskwire::net::tls::Validity;
use rustls::{AlertDescription, CertificateError, Error};

use super::finding::Finding;

/// Explains an error of rustls to the operator of a desk.
pub(super) fn of(error: &Error, host: &str) -> Finding {
    match error {
        Error::InvalidCertificate(why) => certificate(why, host),
        Error::InvalidMessage(_) | Error::InappropriateMessage { .. } => no_tls(host),
        Error::PeerIncompatible(_)
        | Error::AlertReceived(
            AlertDescription::ProtocolVersion
            | AlertDescription::HandshakeFailure
            | AlertDescription::InsufficientSecurity,
        ) => too_old(),
        other => Finding::fault(
            "tls",
            format!("the TLS handshake fails: {other}"),
            format!("look closer: openssl s_client -connect {host}:443 -servername {host}"),
        ),
    }
}

fn certificate(why: &CertificateError, host: &str) -> Finding {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Finding::fault(
            "tls-expired",
            "the certificate has expired: browsers refuse it",
            "certbot renew, and then: nginx -s reload, or systemctl reload deskwire where the desk has it",
        ),
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Finding::fault(
            "tls-not-yet",
            "the certificate is not valid yet, or the clock of this machine is slow",
            "timedatectl set-ntp true",
        ),
        CertificateError::NotValidForNameContext { presented, .. } => name(host, presented),
        CertificateError::NotValidForName => name(host, &[]),
        // If the signer has the name of a known one but another key, rustls reports a bad signature.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => unknown_issuer(host),
        // "openssl req -x509" makes a self-signed certificate that is itself marked as a signer.
        other if format!("{other:?}").contains("CaUsedAsEndEntity") => unknown_issuer(host),
        other => Finding::fault(
            "tls-certificate",
            format!("the certificate is not accepted: {other}"),
            format!("certbot certonly --nginx -d {host}"),
        ),
    }
}

fn unknown_issuer(host: &str) -> Finding {
    Finding::fault(
        "tls-issuer",
        "this machine does not know the certificate's signer: it is self-signed, or the rest of its chain is missing",
        format!(
            "certbot certonly --nginx -d {host}; and the whole chain, nginx: ssl_certificate fullchain.pem; \
             deskwire --tls-cert fullchain.pem; for a signer of your own: SSL_CERT_FILE=ca.pem deskwire doctor"
        ),
    )
}

/// The certificate is for `names`, if these are known, and not for `host`.
pub(super) fn name(host: &str, names: &[String]) -> Finding {
    let names = if names.is_empty() { String::new() } else { format!(", but for {}", names.join(", ")) };
    Finding::fault(
        "tls-name",
        format!("the certificate is not for {host}{names}"),
        format!("certbot certonly --nginx -d {host}; nginx: a server block with server_name {host};"),
    )
}

fn no_tls(host: &str) -> Finding {
    Finding::fault(
        "tls-none",
        "the server at this port does not speak TLS",
        format!(
            "nginx: listen 443 ssl; deskwire --tls-cert FILE --tls-key FILE; or ask without: http://{host}"
        ),
    )
}

fn too_old() -> Finding {
    Finding::fault(
        "tls-version",
        "the server supports neither TLS 1.2 nor 1.3, or no cipher that browsers still accept",
        "nginx: ssl_protocols TLSv1.2 TLSv1.3;",
    )
}

/// The connection has ended in the middle of the handshake.
pub(super) fn cut() -> Finding {
    Finding::fault(
        "tls-cut",
        "the connection ends in the middle of the TLS handshake",
        "nginx and Caddy say why in their logs: journalctl -u nginx -u caddy; a firewall may cut by name",
    )
}

/// This machine trusts no signers of certificates.
pub(super) fn no_roots() -> Finding {
    Finding::fault(
        "tls-roots",
        "this machine trusts no signers of certificates, so none can be checked",
        "apt-get install ca-certificates; or SSL_CERT_FILE=ca.pem deskwire doctor",
    )
}

/// The certificate is accepted. If it expires soon, that is a warning.
pub(super) fn accepted(validity: Validity) -> Finding {
    if validity.is_short() {
        return Finding::warning(
            "tls-expires",
            format!("the certificate {validity}"),
            "certbot renew, and then: nginx -s reload, or systemctl reload deskwire where the desk has it",
        );
    }
    Finding::ok("tls", format!("the certificate {validity}"))
}
