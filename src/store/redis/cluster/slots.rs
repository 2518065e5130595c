//! Which slot a key belongs to, and which node serves a slot. No I/O.

use std::fmt;
use std::sync::Arc;

use super::super::resp::Reply;

/// Slots of every cluster.
pub(super) const SLOTS: usize = 16384;

/// The slot of a key: CRC16 (XMODEM) of its hash tag, or of all of it where it has none.
pub(super) fn slot_of(key: &str) -> u16 {
    let key = key.as_bytes();
    let tag = key.iter().position(|byte| *byte == b'{').and_then(|open| {
        let rest = &key[open + 1..];
        rest.iter().position(|byte| *byte == b'}').filter(|len| *len > 0).map(|len| &rest[..len])
    });
    crc16(tag.unwrap_or(key)) % SLOTS as u16
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| (crc << 8) ^ CRC16[usize::from((crc >> 8) as u8 ^ byte)])
}

const CRC16: [u16; 256] = {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = (index as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

/// The address of a node, as the cluster announces it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) struct Node {
    pub(super) host: String,
    pub(super) port: u16,
}

impl fmt::Display for Node {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.host, self.port)
    }
}

/// A master and its replicas.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Shard {
    pub(super) master: Node,
    pub(super) replicas: Vec<Node>,
}

/// Who serves which slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SlotMap {
    shards: Vec<Arc<Shard>>,
    /// The number of a slot's shard plus one; 0 where nobody serves it.
    owners: Vec<u16>,
}

impl SlotMap {
    /// Reads the reply to CLUSTER SLOTS that `asked` gave; a node that does not know its own address is `asked`.
    pub(super) fn parse(reply: &Reply, asked: &Node) -> Option<SlotMap> {
        let Reply::Array(ranges) = reply else { return None };
        let mut map = SlotMap { shards: Vec::new(), owners: vec![0; SLOTS] };
        for range in ranges {
            let Reply::Array(parts) = range else { return None };
            let [Reply::Integer(first), Reply::Integer(last), nodes @ ..] = &parts[..] else { return None };
            let (first, last) = (usize::try_from(*first).ok()?, usize::try_from(*last).ok()?);
            let nodes: Vec<Node> = nodes.iter().filter_map(|node| parse_node(node, &asked.host)).collect();
            let ((master, replicas), true) = (nodes.split_first()?, first <= last && last < SLOTS) else { return None };
            let shard = map.shard(Shard { master: master.clone(), replicas: replicas.to_vec() });
            map.owners[first..=last].fill(shard);
        }
        (!map.shards.is_empty()).then_some(map)
    }

    /// The number to put among the owners.
    fn shard(&mut self, shard: Shard) -> u16 {
        let known = self.shards.iter().position(|known| known.master == shard.master);
        let index = known.unwrap_or_else(|| {
            self.shards.push(Arc::new(shard));
            self.shards.len() - 1
        });
        index as u16 + 1
    }

    pub(super) fn owner(&self, slot: u16) -> Option<&Arc<Shard>> {
        let index = usize::from(*self.owners.get(usize::from(slot))?).checked_sub(1)?;
        self.shards.get(index)
    }

    /// All shards that serve slots, in the order of their first one.
    pub(super) fn shards(&self) -> &[Arc<Shard>] {
        &self.shards
    }

    /// Whether a node is the master of any slot.
    pub(super) fn is_master(&self, node: &Node) -> bool {
        self.shards
            .iter()
            .enumerate()
            .any(|(index, shard)| shard.master == *node && self.owners.contains(&(index as u16 + 1)))
    }

    /// The same map after a slot was found elsewhere.
    pub(super) fn with_slot(&self, slot: u16, master: Node) -> SlotMap {
        let mut map = self.clone();
        let shard = map.shard(Shard { master, replicas: Vec::new() });
        if let Some(owner) = map.owners.get_mut(usize::from(slot)) {
            *owner = shard;
        }
        map
    }
}

/// `[host, port, id, ...]`; no host means the one that was asked.
fn parse_node(reply: &Reply, asked_host: &str) -> Option<Node> {
    let Reply::Array(parts) = reply else { return None };
    let [host, Reply::Integer(port), ..] = &parts[..] else { return None };
    let host = match host {
        Reply::Bulk(host) => std::str::from_utf8(host).ok()?,
        Reply::Nil => "",
        _ => return None,
    };
    let host = if host.is_empty() { asked_host } else { host };
    // '?' stands for an unknown name.
    let port = u16::try_from(*port).ok().filter(|port| *port != 0 && host != "?")?;
    Some(Node { host: host.to_string(), port })
}

/// An error reply that sends a request elsewhere.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Redirect {
    /// The slot is served by that node now.
    Moved(u16, Node),
    /// This key is there already, or will be; the slot is still on its way.
    Ask(Node),
}

impl Redirect {
    /// Reads `MOVED 3999 127.0.0.1:6381` and `ASK ...`, the reply of a node at `asked_host`.
    pub(super) fn parse(reply: &str, asked_host: &str) -> Option<Redirect> {
        let mut words = reply.split(' ');
        let (code, slot, address) = (words.next()?, words.next()?.parse().ok()?, words.next()?);
        let (host, port) = address.rsplit_once(':')?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let host = if host.is_empty() { asked_host } else { host };
        let node = Node { host: host.to_string(), port: port.parse().ok().filter(|port| *port != 0)? };
        match code {
            "MOVED" if usize::from(slot) < SLOTS => Some(Redirect::Moved(slot, node)),
            "ASK" => Some(Redirect::Ask(node)),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::buffer::Buffer;

    use super::*;

    fn node(port: u16) -> Node {
        Node { host: "h".to_string(), port }
    }

    #[test]
    fn slots_are_those_of_the_specification() {
        assert_eq!(crc16(b"123456789"), 0x31C3);
        for (key, same) in [
            ("foo{hash_tag}", "bar{hash_tag}"),
            ("foo{{bar}}zap", "{bar"),
            ("foo{bar}{zap}", "bar"),
            ("d:{part=00000}:batch=00000", "other@x:{part=00000}:batch=00001"),
            ("demo{part=7", "demo{part=7"),
        ] {
            assert_eq!(slot_of(key), slot_of(same), "{key}");
        }
        assert_eq!(slot_of("foo{}{bar}"), crc16(b"foo{}{bar}") % 16384, "an empty tag is none");
        assert_eq!((slot_of("foo"), slot_of("bar"), slot_of("")), (12182, 5061, 0));
    }

    /// First and last slot, and the addresses of the nodes.
    type Range<'a> = (i64, i64, &'a [(&'a str, i64)]);

    fn reply(ranges: &[Range<'_>]) -> Reply {
        let bulk = |text: &str| Reply::Bulk(Buffer::from(text.as_bytes()));
        let node = |(host, port): &(&str, i64)| Reply::Array(vec![bulk(host), Reply::Integer(*port), bulk("id")]);
        let range = |(first, last, nodes): &Range<'_>| {
            let numbers = [Reply::Integer(*first), Reply::Integer(*last)];
            Reply::Array(numbers.into_iter().chain(nodes.iter().map(node)).collect())
        };
        Reply::Array(ranges.iter().map(range).collect())
    }

    #[test]
    fn a_map_knows_the_owner_of_every_slot() {
        let reply = reply(&[(0, 99, &[("h", 1), ("h", 4)]), (100, 16383, &[("", 2)]), (50, 50, &[("h", 1), ("h", 4)])]);
        let map = SlotMap::parse(&reply, &node(9)).unwrap();
        let shard = map.owner(50).unwrap();
        assert_eq!((&shard.master, &shard.replicas[..]), (&node(1), &[node(4)][..]));
        assert_eq!(map.owner(16383).unwrap().master, node(2));
        assert_eq!(map.shards().len(), 2);
        let moved = map.with_slot(7, node(2)).with_slot(8, node(3));
        assert_eq!([6, 7, 8].map(|slot| moved.owner(slot).unwrap().master.port), [1, 2, 3]);
        assert!(moved.is_master(&node(1)) && !moved.is_master(&node(4)));
    }

    #[test]
    fn replies_that_are_no_map_are_none() {
        for bad in [
            Reply::Nil,
            Reply::Array(vec![]),
            reply(&[(0, 16384, &[("h", 1)])]),
            reply(&[(5, 4, &[("h", 1)])]),
            reply(&[(-1, 4, &[("h", 1)])]),
            reply(&[(0, 4, &[])]),
            reply(&[(0, 4, &[("h", 0)])]),
            reply(&[(0, 4, &[("?", 1)])]),
            reply(&[(0, 4, &[("h", 70_000)])]),
        ] {
            assert_eq!(SlotMap::parse(&bad, &node(9)), None, "{bad:?}");
        }
    }

    #[test]
    fn redirects_name_slot_and_node() {
        let parse = |text| Redirect::parse(text, "asked");
        let at = |host: &str, port| Node { host: host.to_string(), port };
        assert_eq!(parse("MOVED 3999 h:1"), Some(Redirect::Moved(3999, node(1))));
        assert_eq!(parse("ASK 3999 ::1:7"), Some(Redirect::Ask(at("::1", 7))));
        assert_eq!(parse("MOVED 0 :7"), Some(Redirect::Moved(0, at("asked", 7))));
        for bad in ["MOVED", "MOVED 1", "MOVED x h:1", "MOVED 16384 h:1", "MOVED 1 h", "MOVED 1 h:0", "TRYAGAIN 1 h:1"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
