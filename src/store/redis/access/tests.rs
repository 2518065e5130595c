//! Credentials that change while a store is open, and certificates that are not to be trusted.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::*;

fn put_one(store: &Arc<dyn Store>) -> crate::Result<()> {
    let store = store.clone();
    run(async move { store.put_many(&[("k".to_string(), payload(b"v"))], &Context::new()).await })
}

#[test]
fn a_password_file_is_read_again_for_every_connection() {
    let config = ServerConfig { password: Some("first".to_string()), ..ServerConfig::default() };
    let server = RedisServer::start(&config);
    let file = server.dir().join("password");
    std::fs::write(&file, "first\r\n").unwrap();
    let options = StoreOptions { password_file: Some(file.display().to_string()), ..quick() };
    let store = open_with(&server.url(), options);
    put_one(&store).unwrap();
    assert_eq!(server.admin(&["CONFIG", "SET", "requirepass", "second"]), "OK");
    std::fs::write(&file, "second").unwrap();
    put_one(&store).unwrap();
    // The old password would be refused now.
    let admin = |words: &[&str]| {
        std::process::Command::new("redis-cli")
            .arg("-s")
            .arg(server.socket())
            .args(words)
            .env("REDISCLI_AUTH", "second")
            .output()
            .unwrap()
    };
    assert!(admin(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).status.success());
    put_one(&store).unwrap();
    std::fs::write(&file, "third").unwrap();
    admin(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]);
    let error = put_one(&store).unwrap_err();
    assert_eq!((error.kind(), error.server_code()), (ErrorKind::PermissionDenied, Some("WRONGPASS")));
    std::fs::remove_file(&file).unwrap();
    let error = put_one(&store).unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, true));
    assert!(error.message().contains("password_file"), "{error}");
}

#[test]
fn credentials_are_replaced_on_a_live_store() {
    let users = vec!["bob on >old >new ~* &* +@all".to_string(), "eve on >x ~* &* +@all".to_string()];
    let server = RedisServer::start(&ServerConfig { users, ..ServerConfig::default() });
    let store = open_with(&format!("redis://bob:old@127.0.0.1:{}", server.port), quick());
    put_one(&store).unwrap();
    let users = || {
        let clients = server.admin(&["CLIENT", "LIST"]);
        let of = |line: &str| line.split(' ').find_map(|word| word.strip_prefix("user=").map(str::to_string));
        let ours = clients.lines().filter(|line| line.contains("name=arrowredis "));
        ours.filter_map(of).collect::<Vec<String>>()
    };
    assert_eq!(users(), ["bob"]);
    store.set_credentials(None, "new").unwrap();
    put_one(&store).unwrap();
    assert_eq!(users(), ["bob"], "the user of the URL stays");
    store.set_credentials(Some("eve"), "x").unwrap();
    put_one(&store).unwrap();
    assert_eq!(users(), ["eve"], "connections of the old user serve no longer");
    store.set_credentials(Some("bob"), "canary").unwrap();
    let error = put_one(&store).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::PermissionDenied);
    assert!(!format!("{error:?} {store:?}").contains("canary"), "{error}");
    store.set_credentials(Some("bob"), "new").unwrap();
    put_one(&store).unwrap();
    let error = open("memory://", &quick()).unwrap().set_credentials(None, "x").unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
}

#[test]
fn tls_fails_closed() {
    use ErrorKind::{InvalidArgument, PermissionDenied, Unavailable};
    let tls = |certificate| RedisServer::start(&ServerConfig { tls: true, certificate, ..ServerConfig::default() });
    let trusting = |server: &RedisServer| StoreOptions { tls_ca_file: Some(server.ca_file()), ..quick() };
    let check = |what: &str, url: &str, options: StoreOptions, kind, part: &str| {
        let error = match open(url, &options) {
            Ok(store) => get_fails(store).0,
            Err(error) => error,
        };
        assert_eq!((error.kind(), error.is_retryable()), (kind, false), "{what}: {error}");
        assert!(error.message().contains(part), "{what}: {error}");
    };
    for (certificate, part) in [
        (Certificate::OtherHost, "not valid for name"),
        (Certificate::Expired, "expired"),
        (Certificate::NotYetValid, "not valid yet"),
        (Certificate::SelfSigned, "not trusted for this host"),
    ] {
        let server = tls(certificate);
        check(&format!("{certificate:?}"), &server.tls_url(), trusting(&server), Unavailable, part);
        // Only the loudly named option lets it pass.
        let danger = StoreOptions { tls_danger_accept_any_certificate: true, ..quick() };
        let store = open_with(&server.tls_url(), danger);
        assert_eq!(run(async move { store.get("k", &Context::new()).await }).unwrap(), None);
    }
    let (server, other) = (tls(Certificate::Good), tls(Certificate::Good));
    check("unknown authority", &server.tls_url(), trusting(&other), Unavailable, "not trusted for this host");
    check("system roots", &server.tls_url(), quick(), Unavailable, "not trusted for this host");
    let strict =
        RedisServer::start(&ServerConfig { tls: true, tls_clients_need_certificate: true, ..ServerConfig::default() });
    let certificate = |server: &RedisServer, key: &RedisServer| StoreOptions {
        tls_ca_file: Some(strict.ca_file()),
        tls_cert_file: Some(server.client_cert_file()),
        tls_key_file: Some(key.client_key_file()),
        ..quick()
    };
    let part = "client certificate";
    check("no client certificate", &strict.tls_url(), trusting(&strict), PermissionDenied, part);
    check("untrusted client", &strict.tls_url(), certificate(&other, &other), PermissionDenied, part);
    check("another's key", &strict.tls_url(), certificate(&strict, &other), InvalidArgument, "tls_cert_file");
    let plain_port = format!("rediss://127.0.0.1:{}", server.port);
    check("plain port", &plain_port, trusting(&server), Unavailable, "use redis://");
    let danger = StoreOptions { tls_danger_accept_any_certificate: true, ..quick() };
    check("plain port in danger", &plain_port, danger.clone(), Unavailable, "use redis://");
    check("danger without TLS", &server.url(), danger, InvalidArgument, "use rediss://");
    let (sender, heard) = std::sync::mpsc::channel();
    let web = listen(move |mut stream| {
        let mut request = vec![0; 4096];
        let bytes = stream.read(&mut request).unwrap_or(0);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        let _ = sender.send(request[..bytes].to_vec());
    });
    let url = format!("rediss://:canary@127.0.0.1:{web}");
    check("no TLS at all", &url, trusting(&server), Unavailable, "use redis://");
    let heard = heard.recv().unwrap();
    assert_eq!(heard[0], 0x16, "a TLS handshake");
    assert!(!heard.windows(6).any(|word| word == b"canary"), "nothing else was sent");
    let mut garbage = trusting(&server);
    garbage.tls_ca_file = Some(server.dir().join("redis.conf").display().to_string());
    check("no certificate in the file", &server.tls_url(), garbage, InvalidArgument, "tls_ca_file");
}

/// A node that serves all slots, alone or as a cluster of its own: it sends away what `refuse` has an error for, given
/// how many requests there were before, and takes the rest.
fn refusing(refuse: impl Fn(u64) -> Option<&'static [u8]> + Send + Sync + 'static) -> (u16, Arc<AtomicU64>) {
    let (asked, refuse) = (Arc::new(AtomicU64::new(0)), Arc::new(refuse));
    let counter = asked.clone();
    let port = listen(move |mut stream| {
        let (counter, refuse) = (counter.clone(), refuse.clone());
        std::thread::spawn(move || {
            let port = stream.local_addr().unwrap().port();
            let slots = format!("*1\r\n*3\r\n:0\r\n:16383\r\n*2\r\n$9\r\n127.0.0.1\r\n:{port}\r\n");
            let mut request = [0; 4096];
            while let Ok(bytes @ 1..) = stream.read(&mut request) {
                let is = |name: &[u8]| request[..bytes].windows(name.len()).any(|word| word == name);
                let reply = match (is(b"SETNAME"), is(b"SLOTS")) {
                    (true, _) => b"+OK\r\n",
                    (_, true) => slots.as_bytes(),
                    _ => refuse(counter.fetch_add(1, Relaxed)).unwrap_or(b"+OK\r\n"),
                };
                if stream.write_all(reply).is_err() {
                    return;
                }
            }
        });
    });
    (port, asked)
}

/// Every error that a server may answer with: its code, and whether it is tried again.
#[test]
fn error_replies_are_retried_or_not() {
    use ErrorKind::{PermissionDenied, ResourceExhausted, Unavailable};
    for (reply, kind, tries) in [
        (&b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"[..], ResourceExhausted, 1),
        (b"-LOADING Redis is loading the dataset in memory\r\n", Unavailable, 4),
        (b"-MASTERDOWN Link with MASTER is down\r\n", Unavailable, 4),
        (b"-CLUSTERDOWN The cluster is down\r\n", Unavailable, 4),
        (b"-TRYAGAIN Multiple keys request during rehashing of slot\r\n", Unavailable, 4),
        (b"-BUSY Redis is busy running a script.\r\n", Unavailable, 4),
        (b"-READONLY You can't write against a read only replica.\r\n", Unavailable, 4),
        (b"-NOPERM this user has no permissions to run the 'set' command\r\n", PermissionDenied, 1),
        (b"-WRONGPASS invalid username-password pair\r\n", PermissionDenied, 1),
        (b"-NOAUTH Authentication required.\r\n", PermissionDenied, 1),
    ] {
        for cluster in [false, true] {
            let (port, asked) = refusing(move |_| Some(reply));
            let options = StoreOptions { cluster, failover_timeout: Duration::ZERO, ..quick() };
            let error = put_one(&open_with(&format!("redis://127.0.0.1:{port}"), options)).unwrap_err();
            let code = std::str::from_utf8(reply).unwrap().split([' ', '-']).nth(1);
            assert_eq!((error.kind(), error.server_code()), (kind, code), "{error}");
            assert_eq!(error.is_retryable(), tries > 1, "{error}");
            assert_eq!(asked.load(Relaxed), tries, "cluster {cluster}: {error}");
        }
    }
}

#[test]
fn a_cluster_is_waited_for_while_a_master_is_being_replaced() {
    for (reply, waits) in [
        (&b"-CLUSTERDOWN The cluster is down\r\n"[..], true),
        (b"-READONLY You can't write against a read only replica.\r\n", true),
        (b"-BUSY Redis is busy running a script.\r\n", false),
    ] {
        let (port, asked) = refusing(move |before| (before < 7).then_some(reply));
        let store = open_with(&format!("redis://127.0.0.1:{port}"), StoreOptions { cluster: true, ..quick() });
        assert_eq!(put_one(&store).is_ok(), waits, "{reply:?}");
        assert_eq!(asked.load(Relaxed), if waits { 8 } else { 4 });
    }
}
