//! A real Redis Cluster: three masters and a replica of each.

use std::process::Command;
use std::time::{Duration, Instant};

use super::servers::{RedisServer, ServerConfig};

const PATIENCE: Duration = Duration::from_secs(60);

pub struct RedisCluster {
    /// Some of them may have been stopped.
    pub nodes: Vec<RedisServer>,
    tls: bool,
}

/// What a node knows of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    pub master: bool,
    pub id: String,
}

impl RedisCluster {
    pub fn start() -> RedisCluster {
        RedisCluster::with(&ServerConfig::default())
    }

    /// Every node has these settings besides.
    pub fn with(config: &ServerConfig) -> RedisCluster {
        let mut config = ServerConfig { cluster: true, ..config.clone() };
        let mut nodes: Vec<RedisServer> = Vec::new();
        for _ in 0..6 {
            let node = RedisServer::start(&config);
            if config.tls {
                config.certificates = Some(node.dir().to_path_buf());
            }
            nodes.push(node);
        }
        let cluster = RedisCluster { nodes, tls: config.tls };
        cluster.create(&config);
        cluster.wait_until_whole();
        cluster
    }

    fn create(&self, config: &ServerConfig) {
        let mut command = Command::new("redis-cli");
        if self.tls {
            let first = &self.nodes[0];
            command.args(["--tls", "--cacert", &first.ca_file()]);
            command.args(["--cert", &first.client_cert_file(), "--key", &first.client_key_file()]);
        }
        if let Some(password) = &config.password {
            command.env("REDISCLI_AUTH", password);
        }
        command.args(["--cluster", "create"]).args(self.addresses());
        let output = command.args(["--cluster-replicas", "1", "--cluster-yes"]).output().expect("redis-cli");
        assert!(output.status.success(), "no cluster: {}", String::from_utf8_lossy(&output.stdout));
    }

    fn addresses(&self) -> Vec<String> {
        let port = |node: &RedisServer| if self.tls { node.tls_port } else { node.port };
        self.nodes.iter().map(|node| format!("127.0.0.1:{}", port(node))).collect()
    }

    /// Waits until all nodes agree that all slots are served, and all replicas follow.
    pub fn wait_until_whole(&self) {
        self.wait_until("the cluster does not become whole", || {
            self.nodes.iter().all(|node| {
                let (info, replication) = (node.admin(&["CLUSTER", "INFO"]), node.admin(&["INFO", "replication"]));
                let masters = info.contains("cluster_size:3") && info.contains("cluster_state:ok");
                let follows = replication.contains("role:master") || replication.contains("master_link_status:up");
                masters && follows && info.contains("cluster_known_nodes:6")
            }) && (0..6).filter(|node| self.role(*node).master).count() == 3
        });
    }

    /// Waits until every replica has all that its master has. A replica that has just connected says that its link is
    /// up before it gets the first command.
    pub fn wait_until_replicated(&self) {
        self.wait_until("the replicas do not follow", || {
            self.nodes.iter().map(|node| node.admin(&["INFO", "replication"])).all(|info| {
                let value = |key: &str| info.lines().find_map(|line| line.trim_end().strip_prefix(key));
                let Some(replica) = value("slave0:") else { return !info.contains("role:master") };
                let offset = value("master_repl_offset:").unwrap_or_default();
                replica.contains("state=online") && replica.contains(&format!("offset={offset},"))
            })
        });
    }

    /// Waits for what must come, however slow the machine is.
    pub fn wait_until(&self, what: &str, mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done() {
            assert!(Instant::now() < deadline, "{what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Three of the nodes, as seeds.
    pub fn url(&self) -> String {
        let scheme = if self.tls { "rediss" } else { "redis" };
        format!("{scheme}://{}", self.addresses()[..3].join(","))
    }

    pub fn role(&self, node: usize) -> Role {
        let server = &self.nodes[node];
        let master = server.admin(&["ROLE"]).starts_with("master");
        Role { master, id: server.admin(&["CLUSTER", "MYID"]) }
    }

    /// The number of the node that is the master of a key, as `asked` sees it.
    pub fn master_of(&self, key: &str, asked: usize) -> usize {
        let slot: u32 = self.nodes[asked].admin(&["CLUSTER", "KEYSLOT", key]).parse().unwrap();
        self.master_of_slot(slot, asked)
    }

    pub fn master_of_slot(&self, slot: u32, asked: usize) -> usize {
        let nodes = self.nodes[asked].admin(&["CLUSTER", "NODES"]);
        let serves = |range: &str| {
            let (first, last) = range.split_once('-').unwrap_or((range, range));
            let range = (first.parse::<u32>(), last.parse::<u32>());
            matches!(range, (Ok(first), Ok(last)) if first <= slot && slot <= last)
        };
        let line = nodes.lines().find(|line| line.split(' ').skip(8).any(serves)).expect("somebody serves the slot");
        let address = line.split(' ').nth(1).unwrap().split(['@', ',']).next().unwrap();
        self.addresses().iter().position(|known| known == address).expect("one of ours")
    }

    pub fn slot_of(&self, key: &str) -> u32 {
        self.nodes[0].admin(&["CLUSTER", "KEYSLOT", key]).parse().unwrap()
    }

    /// Announces that a slot goes from one node to another.
    pub fn start_moving(&self, slot: u32, from: usize, to: usize) {
        let slot = slot.to_string();
        let set = |node: usize, state: &str, other: usize| {
            let id = self.role(other).id;
            assert_eq!(self.nodes[node].admin(&["CLUSTER", "SETSLOT", &slot, state, &id]), "OK");
        };
        set(to, "IMPORTING", from);
        set(from, "MIGRATING", to);
    }

    /// Moves keys of a slot that is on its way.
    pub fn move_keys(&self, keys: &[&str], from: usize, to: usize) {
        let port = self.nodes[to].port.to_string();
        let mut words = vec!["MIGRATE", "127.0.0.1", &port, "", "0", "10000", "KEYS"];
        words.extend(keys);
        let reply = self.nodes[from].admin(&words);
        assert!(reply == "OK" || reply == "NOKEY", "{reply}");
    }

    /// Moves the rest of a slot's keys and tells everybody who serves it now.
    pub fn finish_moving(&self, slot: u32, from: usize, to: usize) {
        let number = slot.to_string();
        loop {
            let keys = self.nodes[from].admin(&["CLUSTER", "GETKEYSINSLOT", &number, "100"]);
            let keys: Vec<&str> = keys.lines().filter(|key| !key.is_empty()).collect();
            if keys.is_empty() {
                break;
            }
            self.move_keys(&keys, from, to);
        }
        let id = self.role(to).id;
        for node in [to, from].into_iter().chain((0..6).filter(|node| *node != to && *node != from)) {
            let reply = self.nodes[node].admin(&["CLUSTER", "SETSLOT", &number, "NODE", &id]);
            assert!(reply == "OK" || reply.contains("only with masters"), "{reply}");
        }
    }

    /// Sends a signal to a node: `STOP`, `CONT`, `KILL`.
    pub fn signal(&self, node: usize, name: &str) {
        let pid = self.nodes[node].pid().to_string();
        let status = Command::new("kill").args([&format!("-{name}"), &pid]).status().expect("kill");
        assert!(status.success());
    }
}
