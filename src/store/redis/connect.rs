//! Making a connection: socket, TLS, login, name, database.

use std::fmt;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::access::Access;
use super::batch::Batch;
use super::connection::{Connection, Shape};
use super::errors::{Failure, login_error, reason, server_error};
use super::resp::Reply;
use super::transport::Transport;
use super::url::{Address, Credentials, Target};
use crate::error::{Error, ErrorKind, Result};
use crate::store::StoreOptions;
use crate::telemetry::{Counter, count};

/// A handshake that takes longer is looked into.
const SLOW_HANDSHAKE: Duration = Duration::from_millis(500);

/// A server and all that is needed to connect to it.
pub(super) struct Endpoint {
    target: Target,
    place: String,
    access: Arc<Access>,
    /// Whether this is a replica that shall answer reads.
    replica: bool,
    connect_timeout: Duration,
    tcp_keepalive: Duration,
    client_name: String,
}

/// What is being done, for the message of a timeout.
#[derive(Clone, Copy)]
enum Stage {
    Connect,
    Handshake,
    Setup,
}

impl Endpoint {
    pub(super) fn new(target: Target, access: Arc<Access>, replica: bool, options: &StoreOptions) -> Result<Self> {
        if options.client_name.contains(|c: char| !c.is_ascii_graphic()) {
            return Err(Error::invalid_argument(
                "option 'client_name' may have printable ASCII characters only, and no spaces",
            ));
        }
        Ok(Endpoint {
            place: target.to_string(),
            target,
            access,
            replica,
            connect_timeout: options.connect_timeout,
            tcp_keepalive: options.tcp_keepalive,
            client_name: options.client_name.clone(),
        })
    }

    /// What changes when connections made so far are not to be used any more.
    pub(super) fn generation(&self) -> u64 {
        self.access.generation()
    }

    /// Connects, within the time for it.
    pub(super) async fn connect(&self) -> Result<Connection> {
        let mut stage = Stage::Connect;
        let result = match tokio::time::timeout(self.connect_timeout, self.connect_in_stages(&mut stage)).await {
            Ok(result) => result,
            Err(_) => Err(self.too_late(stage)),
        };
        count(if result.is_ok() { Counter::Connections } else { Counter::ConnectionFailures }, 1);
        result
    }

    async fn connect_in_stages(&self, stage: &mut Stage) -> Result<Connection> {
        let transport = match &self.target.address {
            Address::Unix(path) => Transport::Unix(self.connect_unix(path).await?),
            Address::Tcp { host, port, .. } => {
                let stream = self.connect_tcp(host, *port).await?;
                match self.access.tls() {
                    None => Transport::Tcp(stream),
                    Some(config) => {
                        *stage = Stage::Handshake;
                        let address = stream.peer_addr().map_err(|error| Error::from(error).context(self))?;
                        tokio::select! {
                            stream = self.handshake(config, host, stream) => Transport::Tls(Box::new(stream?)),
                            () = answers_without_tls(address) => return Err(self.without_tls()),
                        }
                    }
                }
            }
        };
        *stage = Stage::Setup;
        let mut connection = Connection::new(transport);
        self.set_up(&mut connection).await?;
        Ok(connection)
    }

    async fn connect_unix(&self, path: &Path) -> Result<UnixStream> {
        UnixStream::connect(path).await.map_err(|error| match error.kind() {
            io::ErrorKind::PermissionDenied => Error::permission_denied(format!(
                "{self}: the socket may not be opened ({error}): check its owner and the server's unixsocketperm"
            )),
            _ => Error::unavailable(format!(
                "{self}: cannot connect ({error}): is a Redis server listening on this socket?"
            )),
        })
    }

    async fn connect_tcp(&self, host: &str, port: u16) -> Result<TcpStream> {
        let addresses = tokio::net::lookup_host((host, port)).await.map_err(|error| {
            Error::unavailable(format!("{self}: the name of the host cannot be resolved ({error}): check its spelling"))
        })?;
        let mut refused = None;
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => {
                    self.tune(&stream).map_err(|error| Error::from(error).context(self))?;
                    return Ok(stream);
                }
                Err(error) => refused = Some(error),
            }
        }
        let why = refused.map_or_else(|| "the host has no address".to_string(), |error| error.to_string());
        Err(Error::unavailable(format!(
            "{self}: cannot connect ({why}): is a Redis server listening on port {port} of {host}?"
        )))
    }

    /// Requests leave at once, and a peer that vanished is noticed.
    fn tune(&self, stream: &TcpStream) -> io::Result<()> {
        stream.set_nodelay(true)?;
        if !self.tcp_keepalive.is_zero() {
            // The system counts whole seconds.
            let idle = self.tcp_keepalive.max(Duration::from_secs(1));
            let keepalive = TcpKeepalive::new().with_time(idle).with_interval((idle / 3).max(Duration::from_secs(1)));
            SockRef::from(stream).set_tcp_keepalive(&keepalive)?;
        }
        Ok(())
    }

    async fn handshake(
        &self,
        config: &Arc<ClientConfig>,
        host: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>> {
        let name = ServerName::try_from(host.to_string()).map_err(|_| {
            Error::invalid_argument(format!("{self}: the host is not a name that a certificate can have"))
        })?;
        TlsConnector::from(config.clone()).connect(name, stream).await.map_err(|error| self.tls_error(&error))
    }

    /// Login, name and database, in one request.
    async fn set_up(&self, connection: &mut Connection) -> Result<()> {
        let login = self.access.credentials().await?;
        let (batch, steps) = self.set_up_request(login.as_ref());
        let mut replies = Vec::new();
        let start = Instant::now();
        let outcome = connection.exchange(&[batch], Shape::Replies, &mut |_, reply| replies.push(reply)).await;
        for (step, reply) in steps.iter().zip(&replies) {
            if let Reply::Error(text) = reply {
                self.judge(step, text)?;
            }
        }
        outcome.map_err(|failure| self.set_up_failure(failure))?;
        self.access.logged_in(start.elapsed());
        Ok(())
    }

    fn set_up_request(&self, login: Option<&Credentials>) -> (Batch, Vec<&'static str>) {
        let (mut batch, mut steps) = (Batch::default(), Vec::new());
        if let Some(login) = login {
            match &login.user {
                Some(user) => batch.command(&[b"AUTH", user, &login.password]),
                None => batch.command(&[b"AUTH", &login.password]),
            }
            steps.push("AUTH");
        }
        if self.target.database != 0 {
            batch.command(&[b"SELECT", self.target.database.to_string().as_bytes()]);
            steps.push("SELECT");
        }
        if self.replica {
            batch.command(&[b"READONLY"]);
            steps.push("READONLY");
        }
        if !self.client_name.is_empty() {
            batch.command(&[b"CLIENT", b"SETNAME", self.client_name.as_bytes()]);
            steps.push("CLIENT SETNAME");
        }
        if steps.is_empty() {
            // A server that will not have us says so only when it is asked something.
            batch.command(&[b"PING"]);
            steps.push("PING");
        }
        (batch, steps)
    }

    /// A name that may not be set, or a ping that may not be sent, is no reason to fail; a login or database is.
    fn judge(&self, step: &'static str, text: &str) -> Result<()> {
        if step == "AUTH" {
            return Err(login_error(text, &self.place));
        }
        let error = server_error(text, &self.place, &step);
        let harmless = matches!(step, "CLIENT SETNAME" | "PING")
            && !error.is_retryable()
            && !matches!(error.server_code(), Some("NOAUTH" | "DENIED"));
        if harmless { Ok(()) } else { Err(error) }
    }

    fn set_up_failure(&self, failure: Failure) -> Error {
        match failure {
            Failure::Io(error) if error.get_ref().is_some_and(|inner| inner.is::<rustls::Error>()) => {
                self.tls_error(&error)
            }
            Failure::Io(error) if self.access.tls().is_none() && matches!(self.target.address, Address::Tcp { .. }) => {
                Error::unavailable(format!(
                    "{self}: the server closed the new connection ({}): if it expects TLS on this port, use rediss://",
                    reason(&error)
                ))
            }
            Failure::Protocol(detail) if self.access.tls().is_none() => Error::unavailable(format!(
                "{self}: the server does not speak the Redis protocol on this port ({detail}): if it expects TLS, use rediss://"
            ))
            .retryable(false),
            other => other.into_error(&self.place, &"the login"),
        }
    }

    fn tls_error(&self, error: &io::Error) -> Error {
        use rustls::{AlertDescription as Alert, Error as Tls};
        let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Tls>());
        let (kind, retryable, advice) = match inner {
            Some(Tls::InvalidMessage(_)) => return self.without_tls(),
            Some(Tls::InvalidCertificate(_)) => (
                ErrorKind::Unavailable,
                false,
                "its certificate is not trusted for this host: check the host's name, the certificate and the option tls_ca_file",
            ),
            Some(Tls::AlertReceived(
                Alert::CertificateRequired
                | Alert::BadCertificate
                | Alert::UnknownCA
                | Alert::CertificateUnknown
                | Alert::CertificateExpired
                | Alert::AccessDenied
                | Alert::DecryptError
                | Alert::HandshakeFailure,
            )) => (
                ErrorKind::PermissionDenied,
                false,
                "the server wants a client certificate that it trusts: see the options tls_cert_file and tls_key_file",
            ),
            Some(_) => (ErrorKind::Unavailable, false, "the TLS handshake failed"),
            None => (
                ErrorKind::Unavailable,
                true,
                "the connection was lost during the TLS handshake; if the server does not speak TLS on this port, use redis://",
            ),
        };
        Error::new(kind, format!("{self}: {advice} ({})", reason(error))).retryable(retryable)
    }

    fn without_tls(&self) -> Error {
        Error::unavailable(format!("{self}: the server does not speak TLS on this port: use redis://")).retryable(false)
    }

    fn too_late(&self, stage: Stage) -> Error {
        let what = match stage {
            Stage::Connect => "no connection: is the host reachable, or does a firewall drop the packets?",
            Stage::Handshake => "no TLS handshake: if the server does not speak TLS on this port, use redis://",
            Stage::Setup => {
                "connected, but no answer to the login: is the server busy, or does it expect TLS (rediss://)?"
            }
        };
        Error::timeout(format!("{self}: within {} s {what}", self.connect_timeout.as_secs_f64())).retryable(true)
    }
}

/// Returns only if the server answers a plain PING. A Redis server without TLS takes the start of a handshake
/// for a command that has no end, and waits; so when a handshake takes long, we look whether that is why.
/// Nothing secret is sent.
async fn answers_without_tls(address: SocketAddr) {
    tokio::time::sleep(SLOW_HANDSHAKE).await;
    let mut reply = [0];
    let answer = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(b"PING\r\n").await?;
        stream.read_exact(&mut reply).await
    };
    let answered = answer.await.is_ok();
    if !(answered && matches!(reply[0], b'+' | b'-')) {
        std::future::pending::<()>().await;
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.place)
    }
}
