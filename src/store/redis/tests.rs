//! The store against real servers.

use std::collections::HashSet;
use std::io::{Read, Write};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::buffer::Buffer;

use super::RedisStore;
use crate::ErrorKind;
use crate::runtime::{Context, runtime};
use crate::store::{Payload, Store, StoreExt, StoreOptions, open};
use crate::test_servers as servers;
use servers::{Certificate, Engine, RedisServer, ServerConfig, free_port, listen};

#[allow(dead_code, reason = "shared with the integration tests, which use more of it")]
#[path = "../../../tests/common/cluster.rs"]
mod cluster;

#[path = "cluster/tests.rs"]
mod on_a_cluster;

#[path = "access/tests.rs"]
mod who_and_whom;

fn run<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    runtime().unwrap().wait(async move { Ok(future.await) }).unwrap()
}

fn quick() -> StoreOptions {
    StoreOptions { retry_base_delay: Duration::from_millis(10), ..StoreOptions::default() }
}

fn start() -> RedisServer {
    RedisServer::start(&ServerConfig::default())
}

fn open_with(url: &str, options: StoreOptions) -> Arc<dyn Store> {
    open(url, &options).unwrap()
}

fn bytes(len: usize, seed: usize) -> Vec<u8> {
    (0..len).map(|i| (i.wrapping_mul(31) ^ (i >> 8) ^ seed) as u8).collect()
}

fn payload(value: &[u8]) -> Payload {
    let (one, two) = value.split_at(value.len() / 3);
    vec![Buffer::from(one), Buffer::from(two)]
}

fn names(keys: &[&str]) -> Vec<String> {
    keys.iter().map(|key| key.to_string()).collect()
}

/// What get_many delivers, in the order of the keys.
async fn get_all(store: &dyn Store, keys: &[String], ctx: &Context) -> crate::Result<Vec<Option<Buffer>>> {
    let mut values: Vec<Option<Option<Buffer>>> = vec![None; keys.len()];
    store
        .get_many(keys, ctx, &mut |index, value| {
            assert!(values[index].replace(value).is_none(), "value {index} came twice");
        })
        .await?;
    Ok(values.into_iter().map(|value| value.expect("every value was delivered")).collect())
}

/// What every store does, and every method with large values, over whatever the store is connected by.
fn check(store: Arc<dyn Store>) {
    crate::store::conformance::check(store.clone());
    run(async move {
        let ctx = Context::new();
        every_method(&*store, &ctx).await.unwrap();
        assert_eq!(ctx.metrics().retries, 0);
    });
}

async fn every_method(store: &dyn Store, ctx: &Context) -> crate::Result<()> {
    let lens = [0, 1, 5_000, 3 << 20, (20 << 20) + 7];
    let values: Vec<Vec<u8>> = lens.iter().enumerate().map(|(seed, len)| bytes(*len, seed)).collect();
    let keys: Vec<String> = lens.iter().map(|len| format!("p*:{{part}}:{len}")).collect();
    let entries: Vec<_> = keys.iter().cloned().zip(values.iter().map(|value| payload(value))).collect();
    store.put_many(&entries, ctx).await?;
    store.put_many(&[], ctx).await?;

    let mut wanted = keys.clone();
    wanted.insert(2, "nobody".to_string());
    let mut expected: Vec<_> = values.iter().map(|value| Some(Buffer::from(&value[..]))).collect();
    expected.insert(2, None);
    assert!(get_all(store, &wanted, ctx).await? == expected);
    assert!(get_all(store, &wanted[3..4], ctx).await? == expected[3..4]);
    assert_eq!(get_all(store, &wanted[2..3], ctx).await?, [None]);
    assert_eq!(get_all(store, &[], ctx).await?, []);
    for value in get_all(store, &wanted, ctx).await?.into_iter().flatten() {
        assert_eq!(value.as_ptr() as usize % 64, 0);
    }

    let big = &values[4];
    let cuts = [0..1, 7..7, 0..0, 100..70_100, 20 << 20..u64::MAX, u64::MAX - 1..u64::MAX, 5..20 << 20];
    let mut ranges: Vec<_> = cuts.iter().map(|range| (keys[4].clone(), range.clone())).collect();
    ranges.push(("nobody".to_string(), 0..10));
    let mut parts = vec![None; ranges.len()];
    store.get_ranges(&ranges, ctx, &mut |index, part| parts[index] = part).await?;
    for (range, part) in cuts.iter().zip(&parts) {
        let expected = &big[(range.start as usize).min(big.len())..(range.end as usize).min(big.len())];
        assert!(part.as_deref() == Some(expected), "{range:?}");
    }
    assert_eq!(parts[7].as_deref().unwrap_or_default(), b"");

    let sizes = store.sizes(&wanted, ctx).await?;
    let len = |index: usize| Some(lens[index] as u64);
    assert_eq!(sizes, [None, len(1), None, len(2), len(3), len(4)]);

    let found: HashSet<String> = store.list("p*:", "", ctx).await?.into_iter().collect();
    assert_eq!(found, keys.iter().cloned().collect());
    assert_eq!(store.list("p*:{part", "}:1", ctx).await?, [keys[1].clone()]);
    assert_eq!(store.list("p?:", "", ctx).await?, [""; 0]);
    assert_eq!(store.list(&keys[1], &keys[1], ctx).await?, [keys[1].clone()], "prefix and suffix may overlap");

    assert!(store.put_if_absent("lease", payload(b"one"), ctx).await?);
    assert!(!store.put_if_absent("lease", payload(b"one"), ctx).await?);
    assert!(!store.replace_if("lease", b"two", Some(payload(b"three")), ctx).await?);
    let now = store.now_ms(ctx).await?;
    assert_eq!(store.expire_at(&names(&["lease", "nobody"]), now + 60_000, ctx).await?, 1);
    assert!(store.replace_if("lease", b"one", Some(payload(big)), ctx).await?);
    assert!(store.replace_if("lease", b"one", Some(payload(big)), ctx).await?, "a repeated call has succeeded");
    assert!(store.get("lease", ctx).await?.as_deref() == Some(&big[..]));
    assert!(!store.replace_if("lease", b"one", None, ctx).await?);
    assert!(store.replace_if("lease", big, None, ctx).await?);
    assert!(!store.replace_if("lease", big, None, ctx).await?);
    assert_eq!(store.get("lease", ctx).await?, None);

    assert_eq!(store.expire_at(&keys[..1], now - 1, ctx).await?, 1);
    assert_eq!(store.get(&keys[0], ctx).await?, None);
    assert_eq!(store.delete(&wanted, ctx).await?, 4);
    assert_eq!(store.delete(&wanted, ctx).await?, 0);

    let many: Vec<String> = (0..3_000).map(|i| format!("many:{i}")).collect();
    let entries: Vec<_> = many.iter().map(|key| (key.clone(), payload(key.as_bytes()))).collect();
    store.put_many(&entries, ctx).await?;
    let found = get_all(store, &many, ctx).await?;
    assert!(many.iter().zip(&found).all(|(key, value)| value.as_deref() == Some(key.as_bytes())));
    assert_eq!(store.list("many:", "", ctx).await?.into_iter().collect::<HashSet<_>>(), many.iter().cloned().collect());
    assert_eq!(store.delete(&many, ctx).await?, 3_000);
    Ok(())
}

#[test]
fn over_tcp() {
    let server = start();
    check(open_with(&server.url(), quick()));
    check(open_with(&format!("redis://localhost:{}", server.port), quick()));
}

#[test]
fn on_servers_of_three_generations() {
    for (engine, name, version) in
        [(Engine::System, "redis", "7."), (Engine::Redis8, "redis", "8.2."), (Engine::Valkey9, "valkey", "9.")]
    {
        let server = RedisServer::start(&ServerConfig { engine, ..ServerConfig::default() });
        let store = open_with(&server.url(), quick());
        let ping = store.clone();
        let info = run(async move { ping.ping(&Context::new()).await }).unwrap();
        assert_eq!(info.server, name);
        assert!(info.version.starts_with(version), "{engine:?}: {}", info.version);
        assert_eq!(info.denied_commands, [""; 0]);
        check(store);
    }
}

#[test]
fn over_a_unix_socket() {
    let server = start();
    check(open_with(&server.unix_url(), quick()));
}

#[test]
fn over_tls() {
    let server = RedisServer::start(&ServerConfig { tls: true, ..ServerConfig::default() });
    let options = StoreOptions { tls_ca_file: Some(server.ca_file()), ..quick() };
    check(open_with(&server.tls_url(), options.clone()));
    check(open_with(&format!("rediss://127.0.0.1:{}", server.tls_port), options));
}

#[test]
fn over_tls_with_a_client_certificate() {
    let server =
        RedisServer::start(&ServerConfig { tls: true, tls_clients_need_certificate: true, ..ServerConfig::default() });
    let options = StoreOptions {
        tls_ca_file: Some(server.ca_file()),
        tls_cert_file: Some(server.client_cert_file()),
        tls_key_file: Some(server.client_key_file()),
        ..quick()
    };
    check(open_with(&server.tls_url(), options));

    let options = StoreOptions { tls_ca_file: Some(server.ca_file()), ..quick() };
    let error = fails(&server.tls_url(), options);
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::PermissionDenied, false));
    assert!(error.message().contains("client certificate"), "{error}");
}

#[test]
fn with_a_password() {
    let config = ServerConfig { password: Some("p@ss/w:rd%".to_string()), ..ServerConfig::default() };
    let server = RedisServer::start(&config);
    check(open_with(&format!("redis://:p%40ss%2Fw%3Ard%25@127.0.0.1:{}", server.port), quick()));
    check(open_with(&format!("{}?password=p%40ss%2Fw%3Ard%25", server.unix_url()), quick()));
}

#[test]
fn as_an_acl_user() {
    let users = vec!["bob on >s%cret ~* &* +@all".to_string()];
    let server = RedisServer::start(&ServerConfig { users, ..ServerConfig::default() });
    check(open_with(&format!("redis://bob:s%25cret@127.0.0.1:{}", server.port), quick()));
}

#[test]
fn in_a_numbered_database() {
    let server = start();
    let store = open_with(&format!("{}/5", server.url()), quick());
    check(store.clone());
    run(async move { store.put_many(&[("k".to_string(), payload(b"five"))], &Context::new()).await }).unwrap();
    assert_eq!(server.admin(&["GET", "k"]), "");
    assert!(server.admin(&["INFO", "keyspace"]).contains("db5:keys=1"));
    let store = open_with(&format!("{}?db=5", server.unix_url()), quick());
    let found = run(async move { store.get("k", &Context::new()).await });
    assert_eq!(found.unwrap().as_deref(), Some(&b"five"[..]));
}

/// The error of a get, and how often it was retried.
fn get_fails(store: Arc<dyn Store>) -> (crate::Error, u64) {
    run(async move {
        let ctx = Context::new();
        let error = store.get("k", &ctx).await.unwrap_err();
        (error, ctx.metrics().retries)
    })
}

fn fails(url: &str, options: StoreOptions) -> crate::Error {
    get_fails(open_with(url, options)).0
}

#[test]
fn what_cannot_be_connected_to_says_why() {
    let config = ServerConfig { tls: true, password: Some("right".to_string()), ..ServerConfig::default() };
    let server = RedisServer::start(&config);
    let elsewhere = RedisServer::start(&ServerConfig { tls: true, ..ServerConfig::default() });
    let silent = listen(std::mem::forget);
    let web = listen(|mut stream| {
        let _ = stream.read(&mut [0; 512]);
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n");
    });
    let (port, tls_port) = (server.port, server.tls_port);
    let trusting = StoreOptions { tls_ca_file: Some(server.ca_file()), ..quick() };
    let misled = StoreOptions { tls_ca_file: Some(elsewhere.ca_file()), ..quick() };
    let hasty = StoreOptions { connect_timeout: Duration::from_millis(100), ..quick() };
    use ErrorKind::{PermissionDenied, Timeout, Unavailable};
    for (url, options, kind, retries, part) in [
        (format!("redis://:canary@127.0.0.1:{port}"), quick(), PermissionDenied, 0, "WRONGPASS"),
        (format!("redis://canary:canary@127.0.0.1:{port}"), quick(), PermissionDenied, 0, "WRONGPASS"),
        (format!("redis://127.0.0.1:{port}"), quick(), PermissionDenied, 0, "NOAUTH"),
        (format!("redis://:right@127.0.0.1:{port}/99"), quick(), ErrorKind::InvalidArgument, 0, "databases"),
        (format!("redis://:canary@127.0.0.1:{}", elsewhere.port), quick(), PermissionDenied, 0, "no password at all"),
        (format!("redis://:canary@127.0.0.1:{}", free_port()), quick(), Unavailable, 3, "listening on port"),
        ("redis://:canary@host.invalid".to_string(), quick(), Unavailable, 3, "cannot be resolved"),
        ("unix:///nowhere/socket?password=canary".to_string(), quick(), Unavailable, 3, "listening on this socket"),
        (format!("rediss://:canary@127.0.0.1:{port}"), trusting.clone(), Unavailable, 0, "use redis://"),
        (format!("redis://:canary@127.0.0.1:{tls_port}"), quick(), Unavailable, 3, "rediss://"),
        (format!("rediss://:canary@127.0.0.2:{tls_port}"), trusting, Unavailable, 3, "cannot connect"),
        (format!("rediss://:canary@localhost:{tls_port}"), misled, Unavailable, 0, "not trusted for this host"),
        (format!("redis://:canary@127.0.0.1:{silent}"), hasty.clone(), Timeout, 3, "no answer to the login"),
        (format!("redis://:canary@127.0.0.1:{web}"), quick(), Unavailable, 0, "0x48"),
    ] {
        let (error, retried) = get_fails(open_with(&url, options));
        assert_eq!((error.kind(), retried), (kind, retries), "{url}: {error}");
        assert!(error.message().contains(part), "{url}: {error}");
        assert!(!format!("{error:?}").contains("canary"), "{error}");
    }
    let trusting = StoreOptions { tls_ca_file: Some(server.ca_file()), ..hasty };
    let error = fails(&format!("rediss://127.0.0.1:{silent}"), trusting);
    assert_eq!(error.kind(), Timeout);
    assert!(error.message().contains("no TLS handshake"), "{error}");
}

#[test]
fn a_certificate_for_another_host_is_refused() {
    let server = RedisServer::start(&ServerConfig { tls: true, ..ServerConfig::default() });
    let options = StoreOptions { tls_ca_file: Some(server.ca_file()), ..quick() };
    // The same machine by an address that the certificate does not have.
    let port = listen_and_forward(server.tls_port);
    let error = fails(&format!("rediss://127.0.0.2:{port}"), options);
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::Unavailable, false));
    assert!(error.message().contains("not trusted for this host"), "{error}");
}

/// Listens on every local address and passes everything on to a port of 127.0.0.1.
fn listen_and_forward(to: u16) -> u16 {
    let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let server = std::net::TcpStream::connect(("127.0.0.1", to)).unwrap();
            for (mut from, mut to) in [(client.try_clone().unwrap(), server.try_clone().unwrap()), (server, client)] {
                std::thread::spawn(move || std::io::copy(&mut from, &mut to));
            }
        }
    });
    port
}

#[test]
fn options_that_cannot_be_used_are_refused_before_any_connection() {
    let missing = Some("/nowhere/canary.pem".to_string());
    for (url, options, kind, part) in [
        ("redis://h,g", quick(), ErrorKind::InvalidArgument, "--cluster on"),
        ("redis://h/1", StoreOptions { cluster: true, ..quick() }, ErrorKind::InvalidArgument, "database 0"),
        ("unix:///s", StoreOptions { cluster: true, ..quick() }, ErrorKind::InvalidArgument, "by TCP"),
        (
            "redis://h",
            StoreOptions { client_name: "a b".to_string(), ..quick() },
            ErrorKind::InvalidArgument,
            "client_name",
        ),
        (
            "redis://h",
            StoreOptions { tls_ca_file: missing.clone(), ..quick() },
            ErrorKind::InvalidArgument,
            "use rediss://",
        ),
        (
            "rediss://h",
            StoreOptions { tls_ca_file: missing.clone(), ..quick() },
            ErrorKind::InvalidArgument,
            "/nowhere/canary.pem",
        ),
        ("rediss://h", StoreOptions { tls_key_file: missing, ..quick() }, ErrorKind::InvalidArgument, "both options"),
    ] {
        let error = open(url, &options).unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.message().contains(part), "{error}");
    }
}

#[test]
fn no_form_of_a_store_shows_its_password() {
    let store = RedisStore::open("redis://bob:canary@h:1/2", &quick()).unwrap();
    assert_eq!(store.describe(), "redis://h:1/2");
    assert!(!format!("{store:?} {store:#?} {}", store.describe()).contains("canary"));
}

#[test]
fn error_replies_have_their_kinds() {
    let users = vec!["reader on >x ~* +@read +client".to_string(), "writer on >x ~* +@all -unlink -scan".to_string()];
    let server = RedisServer::start(&ServerConfig { users, ..ServerConfig::default() });
    let store = open_with(&server.url(), quick());
    let reader = open_with(&format!("redis://reader:x@127.0.0.1:{}", server.port), quick());
    let writer = open_with(&format!("redis://writer:x@127.0.0.1:{}", server.port), quick());
    let put = |store: &Arc<dyn Store>, len: usize| {
        let (store, entry) = (store.clone(), ("k".to_string(), vec![Buffer::from(bytes(len, 0))]));
        run(async move {
            let ctx = Context::new();
            (store.put_many(&[entry], &ctx).await, ctx.metrics().retries)
        })
    };
    let check = |(result, retries): (crate::Result<()>, u64), kind, code, expected_retries| {
        let error = result.unwrap_err();
        assert_eq!((error.kind(), error.server_code(), retries), (kind, Some(code), expected_retries), "{error}");
        assert!(error.message().contains("'k'") && error.message().contains("redis://127.0.0.1"), "{error}");
    };

    check(put(&reader, 9), ErrorKind::PermissionDenied, "NOPERM", 0);
    server.admin(&["LPUSH", "k", "element"]);
    let (error, retries) = {
        let store = store.clone();
        run(async move {
            let ctx = Context::new();
            let error = store.get("k", &ctx).await.unwrap_err();
            assert_eq!(get_all(&*store, &names(&["k", "l"]), &ctx).await.unwrap(), [None, None]);
            let error_of_range = store.get_ranges(&[("k".to_string(), 0..9)], &ctx, &mut |_, _| {}).await.unwrap_err();
            assert_eq!(error_of_range.kind(), ErrorKind::InvalidArgument);
            (error, ctx.metrics().retries)
        })
    };
    check((Err(error), retries), ErrorKind::InvalidArgument, "WRONGTYPE", 0);
    server.admin(&["CONFIG", "SET", "maxmemory", "1mb"]);
    check(put(&store, 9 << 20), ErrorKind::ResourceExhausted, "OOM", 0);
    server.admin(&["CONFIG", "SET", "maxmemory", "0"]);
    server.admin(&["REPLICAOF", "127.0.0.1", "1"]);
    check(put(&store, 9), ErrorKind::Unavailable, "READONLY", 3);
    server.admin(&["REPLICAOF", "NO", "ONE"]);
    put(&store, 9).0.unwrap();

    // Without UNLINK, DEL does.
    let deleted = run(async move { writer.delete(&names(&["k", "l"]), &Context::new()).await });
    assert_eq!(deleted.unwrap(), 1);
}

#[test]
fn a_value_above_the_servers_limit_says_so_while_it_is_still_being_sent() {
    let settings = vec!["proto-max-bulk-len 1mb".to_string()];
    let server = RedisServer::start(&ServerConfig { settings, tls: true, ..ServerConfig::default() });
    let options = StoreOptions { tls_ca_file: Some(server.ca_file()), ..quick() };
    for url in [server.url(), server.unix_url(), server.tls_url()] {
        let options = if url.starts_with("rediss") { options.clone() } else { quick() };
        let store = open_with(&url, options);
        run(async move {
            let ctx = Context::new();
            let value = Buffer::from(bytes(40 << 20, 0));
            for _ in 0..3 {
                // On a fresh connection, and on one that was used before.
                let entries = [
                    ("fits".to_string(), vec![value.slice_with_length(0, 1 << 20)]),
                    ("k".to_string(), vec![value.clone()]),
                ];
                let error = store.put_many(&entries, &ctx).await.unwrap_err();
                assert_eq!(error.kind(), ErrorKind::ResourceExhausted, "{error}");
                for part in ["SET 'k' (41943040 bytes)", "proto-max-bulk-len", "slice"] {
                    assert!(error.message().contains(part), "{error}");
                }
                assert_eq!(store.sizes(&names(&["fits", "k"]), &ctx).await.unwrap(), [Some(1 << 20), None]);
            }
            assert_eq!(ctx.metrics().retries, 0);
        });
    }
}

#[test]
fn idle_connections_that_the_server_closed_are_replaced_at_once() {
    let server = start();
    let store = open_with(&server.url(), StoreOptions { connections: 4, ..StoreOptions::default() });
    let value = bytes(100_000, 1);
    let entry = ("k".to_string(), payload(&value));
    for round in 0..3 {
        let (store, entry, value) = (store.clone(), entry.clone(), value.clone());
        let start = Instant::now();
        run(async move {
            let ctx = Context::new();
            let entries = [entry];
            let keys = names(&["k"]);
            let all = futures::future::join_all((0..4).map(|_| async {
                store.put_many(&entries, &ctx).await.unwrap();
                get_all(&*store, &keys, &ctx).await.unwrap()
            }));
            assert!(all.await.iter().all(|values| values[0].as_deref() == Some(&value[..])));
            assert!(!store.put_if_absent("k", payload(&value), &ctx).await.unwrap());
            assert_eq!(ctx.metrics().retries, 0);
        });
        assert!(start.elapsed() < Duration::from_secs(2));
        assert_eq!(connections(&server), 4, "round {round}");
        let killed: u32 = server.admin(&["CLIENT", "KILL", "TYPE", "normal"]).parse().unwrap();
        assert!(killed >= 4);
    }
}

/// How many connections of ours the server has.
fn connections(server: &RedisServer) -> usize {
    server.admin(&["CLIENT", "LIST"]).lines().filter(|line| line.contains("name=arrowredis ")).count()
}

#[test]
fn many_tasks_share_a_few_connections() {
    let server = Arc::new(start());
    let opened = open_with(&server.url(), StoreOptions { connections: 2, ..quick() });
    let (store, watched) = (opened.clone(), server.clone());
    run(async move {
        let ctx = Context::new();
        let tasks = (0..64).map(|task| {
            let (store, ctx, server) = (store.clone(), ctx.clone(), watched.clone());
            tokio::spawn(async move {
                let keys: Vec<String> = (0..3).map(|i| format!("{task}:{i}")).collect();
                let values: Vec<Vec<u8>> = (0..3).map(|i| bytes(50_000 + task, i)).collect();
                let entries: Vec<_> = keys.iter().cloned().zip(values.iter().map(|value| payload(value))).collect();
                store.put_many(&entries, &ctx).await.unwrap();
                let found = get_all(&*store, &keys, &ctx).await.unwrap();
                assert!(found.iter().zip(&values).all(|(found, value)| found.as_deref() == Some(&value[..])));
                if task % 8 == 0 {
                    assert!(connections(&server) <= 2);
                }
            })
        });
        for task in futures::future::join_all(tasks).await {
            task.unwrap();
        }
    });
    assert_eq!(connections(&server), 2);
    drop(opened);
}

#[test]
fn a_request_dropped_in_the_middle_leaves_the_pool_usable() {
    let server = start();
    let store = open_with(&server.url(), StoreOptions { connections: 1, ..quick() });
    let value = bytes(20 << 20, 3);
    run(async move {
        let ctx = Context::new();
        let entries = [("k".to_string(), vec![Buffer::from(&value[..])]), ("l".to_string(), payload(b"small"))];
        store.put_many(&entries, &ctx).await.unwrap();
        let keys = names(&["k", "k"]);
        let mut dropped = 0;
        for micros in (0..12_000).step_by(300) {
            let limit = Duration::from_micros(micros);
            dropped += tokio::time::timeout(limit, get_all(&*store, &keys, &ctx)).await.is_err() as u32;
            let small = store.get("l", &ctx).await.unwrap();
            assert_eq!(small.as_deref(), Some(&b"small"[..]));
            dropped += tokio::time::timeout(limit, store.put_many(&entries[..1], &ctx)).await.is_err() as u32;
        }
        assert!(dropped >= 10, "{dropped}");
        let found = get_all(&*store, &keys, &ctx).await.unwrap();
        assert!(found.iter().all(|found| found.as_deref() == Some(&value[..])));
        assert_eq!(ctx.metrics().retries, 0);
    });
}

#[test]
fn a_server_that_dies_is_retried_and_then_unavailable() {
    let mut server = start();
    let store = open_with(&server.url(), quick());
    let entry = ("k".to_string(), payload(&bytes(1 << 20, 0)));
    let work = {
        let (store, entry) = (store.clone(), [entry.clone()]);
        std::thread::spawn(move || {
            run(async move {
                let ctx = Context::new();
                loop {
                    if let Err(error) = store.put_many(&entry, &ctx).await {
                        return (error, ctx.metrics().retries);
                    }
                }
            })
        })
    };
    std::thread::sleep(Duration::from_millis(300));
    server.stop();
    let (error, retries) = work.join().unwrap();
    assert_eq!((error.kind(), error.is_retryable(), retries), (ErrorKind::Unavailable, true, 3), "{error}");
    assert!(error.message().contains("failed after 3 retries"), "{error}");

    // It comes back while we are still trying.
    let patient = StoreOptions { max_retries: 50, retry_base_delay: Duration::from_millis(50), ..quick() };
    let store = open_with(&server.url(), StoreOptions { ..patient });
    let work = std::thread::spawn(move || {
        run(async move {
            let ctx = Context::new();
            store.put_many(&[entry], &ctx).await.map(|()| ctx.metrics().retries)
        })
    });
    std::thread::sleep(Duration::from_millis(200));
    server.restart();
    assert!(work.join().unwrap().unwrap() >= 1);
    assert_eq!(server.admin(&["STRLEN", "k"]), (1 << 20).to_string());
}

#[test]
fn a_server_that_sleeps_is_a_timeout() {
    let server = start();
    let short = Duration::from_millis(100);
    let options = StoreOptions { timeout: short, connect_timeout: short, max_retries: 1, ..quick() };
    let store = open_with(&server.url(), options);
    let waiting = store.clone();
    run(async move { waiting.get("k", &Context::new()).await }).unwrap();
    let sleeper = std::thread::spawn(move || {
        server.admin(&["DEBUG", "SLEEP", "1"]);
        server
    });
    std::thread::sleep(Duration::from_millis(100));
    let (error, retries) = get_fails(store.clone());
    assert_eq!((error.kind(), error.is_retryable(), retries), (ErrorKind::Timeout, true, 1), "{error}");
    let server = sleeper.join().unwrap();
    run(async move { store.get("k", &Context::new()).await }).unwrap();
    drop(server);
}

/// A server that answers as told: one script of replies for each connection, the last for all that follow.
/// After its replies, the connection is closed.
fn scripted(connections: Vec<Vec<&'static [u8]>>) -> String {
    let next = std::sync::atomic::AtomicUsize::new(0);
    let port = listen(move |mut stream| {
        let number = next.fetch_add(1, std::sync::atomic::Ordering::Relaxed).min(connections.len() - 1);
        for reply in &connections[number] {
            if stream.read(&mut [0; 4096]).unwrap_or(0) == 0 || stream.write_all(reply).is_err() {
                return;
            }
        }
    });
    format!("redis://127.0.0.1:{port}")
}

#[test]
fn only_values_that_did_not_arrive_are_asked_for_again() {
    let url = scripted(vec![
        vec![b"+OK\r\n", b"*4\r\n$1\r\na\r\n$-1\r\n$5\r\nhal"],
        vec![b"+OK\r\n", b"*2\r\n$5\r\nwhole\r\n$1\r\nd\r\n"],
    ]);
    let store = open_with(&url, quick());
    let (found, retries) = run(async move {
        let ctx = Context::new();
        let found = get_all(&*store, &names(&["a", "b", "c", "d"]), &ctx).await.unwrap();
        (found, ctx.metrics().retries)
    });
    let text = |text: &str| Some(Buffer::from(text.as_bytes()));
    assert_eq!(found, [text("a"), None, text("whole"), text("d")]);
    assert_eq!(retries, 1);
}

/// A value of 3 MiB that is fetched in parts, and the context's retries.
fn get_in_parts(store: &Arc<dyn Store>) -> (crate::Result<Option<Buffer>>, u64) {
    let store = store.clone();
    run(async move {
        let (ctx, mut found) = (Context::new(), None);
        let fetched = store.get_in_parts(&"k".to_string(), 3 << 20, &ctx, &mut |_, value| found = value).await;
        (fetched.map(|()| found), ctx.metrics().retries)
    })
}

/// A server with that value, for which it is asked in parts, and the calls of commands.
fn with_a_large_value(users: Vec<String>) -> (RedisServer, Vec<u8>, impl Fn(&RedisServer, &str) -> String) {
    let server = RedisServer::start(&ServerConfig { users, ..ServerConfig::default() });
    let (value, store) = (bytes(3 << 20, 1), open_with(&server.url(), quick()));
    let entry = ("k".to_string(), payload(&value));
    run(async move { store.put_many(&[entry], &Context::new()).await }).unwrap();
    let calls = |server: &RedisServer, command: &str| {
        let stats = server.admin(&["INFO", "commandstats"]);
        let line = stats.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{command}:")));
        line.and_then(|line| line.split(',').next()).unwrap_or("calls=0").to_string()
    };
    (server, value, calls)
}

#[test]
fn a_large_value_of_known_size_comes_in_parts() {
    let (server, value, calls) = with_a_large_value(vec![]);
    let (found, retries) = get_in_parts(&open_with(&server.url(), quick()));
    assert!(found.unwrap().as_deref() == Some(&value[..]) && retries == 0);
    assert_eq!((calls(&server, "getrange"), calls(&server, "get")), ("calls=6".to_string(), "calls=0".to_string()));
}

#[test]
fn who_may_not_have_parts_gets_the_whole() {
    let users = vec!["bob on >secret ~* +@all -getrange".to_string()];
    let (server, value, calls) = with_a_large_value(users);
    let store = open_with(&format!("redis://bob:secret@127.0.0.1:{}", server.port), quick());
    for times in 1..=3 {
        let (found, retries) = get_in_parts(&store);
        assert!(found.unwrap().as_deref() == Some(&value[..]) && retries == 0);
        assert_eq!(calls(&server, "get"), format!("calls={times}"));
    }
    assert!(
        server
            .admin(&["INFO", "commandstats"])
            .contains("cmdstat_getrange:calls=0,usec=0,usec_per_call=0.00,rejected_calls=1")
    );
}

#[test]
fn a_connection_lost_between_parts_is_a_retry() {
    let url = scripted(vec![vec![b"+OK\r\n", b"$4\r\nhalf\r\n"], vec![b"+OK\r\n", b"$5\r\nwhole\r\n"]]);
    let (found, retries) = get_in_parts(&open_with(&url, quick()));
    assert_eq!((found.unwrap().as_deref(), retries), (Some(&b"whole"[..]), 1));
}

#[test]
fn a_lost_reply_is_told_from_a_lost_race() {
    const OK: &[u8] = b"+OK\r\n";
    let lost = || vec![OK];
    let outcomes = |answers: Vec<&'static [u8]>| scripted(vec![lost(), answers]);
    let mine = || outcomes(vec![OK, b"$-1\r\n", b"$4\r\nmine\r\n"]);
    let others = || outcomes(vec![OK, b"$-1\r\n", b"$5\r\nother\r\n"]);
    for (url, expected) in [(mine(), true), (others(), false)] {
        let store = open_with(&url, quick());
        let done = run(async move { store.put_if_absent("k", payload(b"mine"), &Context::new()).await });
        assert_eq!(done.unwrap(), expected);
    }
    for (first, answer, expected) in [
        (lost(), &b":1\r\n"[..], true),
        (lost(), b":2\r\n", true),
        (lost(), b":3\r\n", true),
        (lost(), b":0\r\n", false),
        (vec![OK, b":2\r\n"], b"", true),
        (vec![OK, b":3\r\n"], b"", false),
    ] {
        let store = open_with(&scripted(vec![first, vec![OK, answer]]), quick());
        let done = run(async move { store.replace_if("k", b"old", None, &Context::new()).await });
        assert_eq!(done.unwrap(), expected, "{answer:?}");
    }
}

#[test]
fn in_a_pipeline_only_what_was_refused_or_lost_is_sent_again() {
    let url = scripted(vec![
        vec![b"+OK\r\n", b":1\r\n-LOADING wait\r\n:3\r\n-LOADING wait\r\n-LOADING wait\r\n:6\r\n"],
        vec![b"+OK\r\n", b":2\r\n"],
        vec![b"+OK\r\n", b":4\r\n:5\r\n"],
    ]);
    let store = open_with(&url, quick());
    let (sizes, retries) = run(async move {
        let ctx = Context::new();
        (store.sizes(&names(&["a", "b", "c", "d", "e", "f"]), &ctx).await, ctx.metrics().retries)
    });
    assert_eq!(sizes.unwrap(), [1, 2, 3, 4, 5, 6].map(Some));
    assert_eq!(retries, 2);
}

#[test]
fn a_cluster_without_the_option_says_so() {
    let url = scripted(vec![vec![b"+OK\r\n", b"-MOVED 3999 127.0.0.1:6381\r\n"]]);
    let (error, retries) = get_fails(open_with(&url, quick()));
    assert_eq!((error.kind(), error.server_code(), retries), (ErrorKind::Unsupported, Some("MOVED"), 0));
    assert!(error.message().contains("--cluster on"), "{error}");
}

#[test]
fn replies_of_the_wrong_kind_are_errors() {
    for reply in [&b":1\r\n"[..], b"+OK\r\n", b"*0\r\n", b"*1\r\n$1\r\na\r\n", b"$1\r\nabc", b"?", b"*3\r\n:1\r\n"] {
        let store = open_with(&scripted(vec![vec![b"+OK\r\n", reply]]), quick());
        let error = run(async move {
            let ctx = Context::new();
            let keys = names(&["a", "b"]);
            get_all(&*store, &keys, &ctx).await.map(drop).unwrap_err();
            get_all(&*store, &keys[..1], &ctx).await.map(drop).err()
        });
        let is_value = reply.starts_with(b"$1");
        assert!(error.is_some() || is_value, "{reply:?}");
    }
}

#[test]
fn ping_tells_what_the_server_is_and_what_the_user_may_not_do() {
    let users = vec!["reader on >x ~other:* +@read +client +ping".to_string()];
    let settings = vec!["maxmemory 500mb".to_string(), "maxmemory-policy allkeys-lru".to_string()];
    let server = RedisServer::start(&ServerConfig { users, settings, tls: true, ..ServerConfig::default() });
    let options = StoreOptions { tls_ca_file: Some(server.ca_file()), ..quick() };
    let ping = |store: Arc<dyn Store>| run(async move { store.ping(&Context::new()).await }).unwrap();

    let info = ping(open_with(&server.tls_url(), options));
    assert_eq!((info.server.as_str(), info.role.as_str()), ("redis", "master"));
    assert!(info.version.starts_with(|c: char| c.is_ascii_digit()), "{}", info.version);
    assert!(info.tls && !info.cluster);
    assert_eq!(info.max_memory, Some(500 << 20));
    assert_eq!(info.max_memory_policy.as_deref(), Some("allkeys-lru"));
    assert!(info.used_memory.is_some_and(|used| used > 0));
    assert_eq!(info.latencies.len(), 5);
    assert_eq!(info.denied_commands, [""; 0]);

    let info = ping(open_with(&format!("redis://reader:x@127.0.0.1:{}", server.port), quick()));
    assert_eq!(info.denied_commands, ["INFO", "SET", "EVAL", "UNLINK", "DEL", "PEXPIREAT", "TIME"]);
    assert!(!info.tls);
    assert_eq!(info.server, "");
    assert_eq!(server.admin(&["DBSIZE"]), "0");
}
