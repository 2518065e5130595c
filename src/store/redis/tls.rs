//! Whom to trust, and who we are, when the connection is encrypted.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::error::{Error, Result};
use crate::store::StoreOptions;

/// The settings for all TLS connections of a store. Files are read here, so that a wrong path shows at once.
pub(super) fn client_config(options: &StoreOptions) -> Result<Arc<ClientConfig>> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|e| Error::internal(format!("the TLS library offers no protocol version: {e}")))?;
    let builder = if options.tls_danger_accept_any_certificate {
        tracing::warn!(
            "option tls_danger_accept_any_certificate is on: the server's certificate is NOT checked, so anybody on \
             the way can read and change everything, the password included"
        );
        builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate(provider)))
    } else {
        builder.with_root_certificates(roots(options.tls_ca_file.as_deref())?)
    };
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
    let danger = options.tls_danger_accept_any_certificate.then_some("tls_danger_accept_any_certificate");
    match set.iter().find(|(_, value)| value.is_some()).map(|(key, _)| *key).or(danger) {
        Some(key) => Err(Error::invalid_argument(format!(
            "option '{key}' is set, but the URL asks for a connection without TLS: use rediss://"
        ))),
        None => Ok(()),
    }
}

/// Takes every certificate, whoever made it and for whatever host: only on explicit demand. That the server holds
/// the certificate's key is still checked.
#[derive(Debug)]
struct AnyCertificate(Arc<CryptoProvider>);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.0.signature_verification_algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
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
