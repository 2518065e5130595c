//! Whom to trust, and who we are, when the connection is encrypted.

use std::sync::Arc;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore};

use crate::error::{Error, Result};
use crate::store::StoreOptions;

/// The settings for all TLS connections of a store. Files are read here, so that a wrong path shows at once.
pub(super) fn client_config(options: &StoreOptions) -> Result<Arc<ClientConfig>> {
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::internal(format!("the TLS library offers no protocol version: {e}")))?
        .with_root_certificates(roots(options.tls_ca_file.as_deref())?);
    let config = match (&options.tls_cert_file, &options.tls_key_file) {
        (None, None) => builder.with_no_client_auth(),
        (Some(certificate), Some(key)) => builder
            .with_client_auth_cert(certificates("tls_cert_file", certificate)?, private_key(key)?)
            .map_err(|e| unusable("tls_cert_file", certificate, &e))?,
        _ => {
            return Err(Error::invalid_argument(
                "a client certificate needs both options tls_cert_file and tls_key_file",
            ));
        }
    };
    Ok(Arc::new(config))
}

/// Refuses TLS options for a connection that would not be encrypted.
pub(super) fn refuse_options(options: &StoreOptions) -> Result<()> {
    let set = [
        ("tls_ca_file", &options.tls_ca_file),
        ("tls_cert_file", &options.tls_cert_file),
        ("tls_key_file", &options.tls_key_file),
    ];
    match set.iter().find(|(_, value)| value.is_some()) {
        Some((key, _)) => Err(Error::invalid_argument(format!(
            "option '{key}' is set, but the URL asks for a connection without TLS: use rediss://"
        ))),
        None => Ok(()),
    }
}

fn roots(ca_file: Option<&str>) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    match ca_file {
        Some(path) => {
            for certificate in certificates("tls_ca_file", path)? {
                roots.add(certificate).map_err(|e| unusable("tls_ca_file", path, &e))?;
            }
        }
        None => {
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
            if roots.is_empty() {
                return Err(Error::invalid_argument(
                    "the system has no trusted certificates: give the certificate authority in the option tls_ca_file or in SSL_CERT_FILE",
                ));
            }
        }
    }
    Ok(roots)
}

fn certificates(option: &str, path: &str) -> Result<Vec<CertificateDer<'static>>> {
    let certificates = CertificateDer::pem_file_iter(path)
        .and_then(Iterator::collect::<std::result::Result<Vec<_>, _>>)
        .map_err(|e| unusable(option, path, &e))?;
    if certificates.is_empty() {
        return Err(unusable(option, path, &"it holds no PEM certificate"));
    }
    Ok(certificates)
}

fn private_key(path: &str) -> Result<PrivateKeyDer<'static>> {
    PrivateKeyDer::from_pem_file(path).map_err(|e| unusable("tls_key_file", path, &e))
}

fn unusable(option: &str, path: &str, why: &dyn std::fmt::Display) -> Error {
    Error::invalid_argument(format!("option '{option}': the file {path} cannot be used: {why}"))
}
