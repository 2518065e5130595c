//! Connected clients, and repeating what can succeed later.

use std::collections::hash_map::DefaultHasher;
use std::future::Future;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use aws_config::environment::{EnvironmentVariableCredentialsProvider, EnvironmentVariableRegionProvider};
use aws_config::meta::region::RegionProviderChain;
use aws_config::profile::ProfileFileRegionProvider;
use aws_config::retry::RetryConfig;
use aws_config::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{Builder, Credentials, RequestChecksumCalculation, ResponseChecksumValidation};
use aws_smithy_http_client::tls::{Provider, TlsContext, TrustStore, rustls_provider::CryptoMode};
use aws_smithy_runtime_api::client::http::{HttpClient, SharedHttpClient, http_client_fn};
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

use super::{PathStyle, S3Options};
use crate::error::{Error, Result};
use crate::metrics::Progress;
use crate::options::Secret;
use crate::runtime::{CancelToken, Context};
use crate::store::redis::retry::delay;
use crate::telemetry::{Counter, count};

/// Connected clients that are kept for the next file.
const KEPT: usize = 8;
/// Their connections, credentials and trusted certificates are costly to come by.
static CLIENTS: Mutex<Vec<(u64, Client)>> = Mutex::new(Vec::new());

/// The client for these options, which may be in use already.
pub(super) async fn client(options: &S3Options) -> Result<Client> {
    let clients = || CLIENTS.lock().unwrap_or_else(PoisonError::into_inner);
    let wanted = fingerprint(options);
    let found = clients().iter().find(|(fingerprint, _)| *fingerprint == wanted).map(|(_, client)| client.clone());
    if let Some(client) = found {
        return Ok(client);
    }
    let client = connect(options).await?;
    let mut clients = clients();
    if clients.len() == KEPT {
        clients.remove(0);
    }
    clients.push((wanted, client.clone()));
    Ok(client)
}

/// Tells clients apart that are not connected alike: by their options, and by what AWS takes from the environment.
fn fingerprint(options: &S3Options) -> u64 {
    let secret = |secret: &Option<Secret>| secret.as_ref().map(|secret| secret.reveal().to_string());
    let mut hasher = DefaultHasher::new();
    (&options.endpoint_url, &options.aws_region, &options.tls_ca_file, options.path_style).hash(&mut hasher);
    [&options.aws_access_key, &options.aws_secret_key, &options.aws_session_token].map(secret).hash(&mut hasher);
    options.connect_timeout.hash(&mut hasher);
    let relevant = |name: &str| name.starts_with("AWS_") || name == "HOME" || name.starts_with("SSL_CERT_");
    let mut environment: Vec<_> = std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(relevant)).collect();
    environment.sort();
    environment.hash(&mut hasher);
    hasher.finish()
}

async fn connect(options: &S3Options) -> Result<Client> {
    let https = https(tls_context(options.tls_ca_file.as_deref())?);
    let region = RegionProviderChain::first_try(options.aws_region.clone().map(Region::new))
        .or_else(EnvironmentVariableRegionProvider::new())
        .or_else(ProfileFileRegionProvider::new())
        .or_else(Region::from_static("us-east-1"));
    // What is repeated, and when, is ours to say: see `Attempts`.
    let mut loader = aws_config::defaults(BehaviorVersion::latest())
        .http_client(https)
        .region(region)
        .retry_config(RetryConfig::disabled())
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .timeout_config(TimeoutConfig::builder().connect_timeout(options.connect_timeout).build());
    if let (Some(key), Some(secret)) = (&options.aws_access_key, &options.aws_secret_key) {
        let token = options.aws_session_token.as_ref().map(|token| token.reveal().to_string());
        loader = loader.credentials_provider(Credentials::new(key.reveal(), secret.reveal(), token, None, "options"));
    } else if is_set("AWS_ACCESS_KEY_ID") && is_set("AWS_SECRET_ACCESS_KEY") {
        // The first that the chain of AWS asks; all that could come after would be made ready for nothing.
        loader = loader.credentials_provider(EnvironmentVariableCredentialsProvider::new());
    }
    let shared = loader.load().await;
    // Parts of a whole have no checksum of their own, and not every server knows the newer ones. Signatures cover
    // what is sent.
    let mut config = Builder::from(&shared)
        .force_path_style(is_path_style(options))
        .request_checksum_calculation(RequestChecksumCalculation::WhenRequired)
        .response_checksum_validation(ResponseChecksumValidation::WhenRequired);
    if let Some(endpoint) = &options.endpoint_url {
        config = config.endpoint_url(endpoint);
        if endpoint.starts_with("http://") {
            config = config.http_client(aws_smithy_http_client::Builder::new().build_http());
        }
    }
    Ok(Client::from_conf(config.build()))
}

/// Speaks TLS. Reading all the certificates that a system trusts takes longer than reading a small file, so it is done
/// for the first request: there may be none, where the server is asked without TLS and the keys are at hand.
fn https(trust: TlsContext) -> SharedHttpClient {
    let client = OnceLock::new();
    http_client_fn(move |settings, components| {
        let build = || {
            let builder = aws_smithy_http_client::Builder::new().tls_provider(Provider::Rustls(CryptoMode::Ring));
            builder.tls_context(trust.clone()).build_https()
        };
        client.get_or_init(build).http_connector(settings, components)
    })
}

fn is_set(variable: &str) -> bool {
    std::env::var_os(variable).is_some_and(|value| !value.is_empty())
}

fn is_path_style(options: &S3Options) -> bool {
    match options.path_style {
        PathStyle::On => true,
        PathStyle::Off => false,
        PathStyle::Auto => {
            options.endpoint_url.is_some() || is_set("AWS_ENDPOINT_URL_S3") || is_set("AWS_ENDPOINT_URL")
        }
    }
}

/// Whom to trust. The file is checked here, since the client would panic.
fn tls_context(ca_file: Option<&str>) -> Result<TlsContext> {
    let trust = match ca_file {
        None => TrustStore::default(),
        Some(path) => {
            let unusable = |why: &dyn std::fmt::Display| {
                Error::invalid_argument(format!("option 'tls_ca_file': the file {path} cannot be used: {why}"))
            };
            let pem = std::fs::read(path).map_err(|e| unusable(&e))?;
            let mut roots = RootCertStore::empty();
            for certificate in CertificateDer::pem_slice_iter(&pem) {
                roots.add(certificate.map_err(|e| unusable(&e))?).map_err(|e| unusable(&e))?;
            }
            if roots.is_empty() {
                return Err(unusable(&"it holds no PEM certificate"));
            }
            TrustStore::empty().with_pem_certificate(pem)
        }
    };
    TlsContext::builder().with_trust_store(trust).build().map_err(|e| Error::internal(e.to_string()))
}

/// The tries of one request.
pub(super) struct Attempts<'a> {
    pub(super) options: &'a S3Options,
    pub(super) ctx: &'a Context,
    /// Once fired, nothing more is sent: what is under way may still end.
    pub(super) stop: Option<&'a CancelToken>,
}

impl Attempts<'_> {
    /// Sends a request, and again what can succeed later. Tells whether it was sent more than once.
    pub(super) async fn run<T, F>(&self, what: &str, mut request: impl FnMut() -> F) -> Result<(T, bool)>
    where
        F: Future<Output = Result<T>>,
    {
        let mut failures = 0;
        loop {
            if self.stop.is_some_and(CancelToken::is_cancelled) {
                return Err(Error::cancelled(format!("{what}: not sent any more")));
            }
            let timeout = self.options.timeout;
            let ended = tokio::time::timeout(timeout, request()).await.unwrap_or_else(|_| {
                let seconds = timeout.as_secs_f64();
                Err(Error::timeout(format!(
                    "no complete answer to {what} within {seconds} s: is the server overloaded, or the option \
                     'timeout' too short for this much data?"
                ))
                .retryable(true))
            });
            let error = match ended {
                Ok(result) => return Ok((result, failures > 0)),
                Err(error) if !error.is_retryable() => return Err(error),
                Err(error) => error,
            };
            if failures >= self.options.max_retries {
                return Err(match failures {
                    0 => error,
                    1 => error.context("failed after 1 retry"),
                    retries => error.context(format_args!("failed after {retries} retries")),
                });
            }
            let delay = delay(self.options.retry_base_delay, failures, rand::random());
            failures += 1;
            Progress::add(&self.ctx.progress().retries, 1);
            count(Counter::Retries, 1);
            tracing::info!(
                request = what,
                attempt = failures,
                delay_ms = delay.as_millis() as u64,
                error = %error,
                "a request to S3 failed and will be repeated"
            );
            tokio::time::sleep(delay).await;
        }
    }
}

/// A client and what it asks for.
#[derive(Debug, Clone)]
pub(super) struct Connection {
    pub(super) client: Client,
    pub(super) url: Arc<super::S3Url>,
}
