//! Slots that move from node to node.

use arrowredis::SplitOptions;
use arrowredis::store::open;

use super::{Load, clustered};
use crate::common::cluster::RedisCluster;
use crate::faults::{report, rounds};
use crate::helpers::{generate, publish, wait_until};

#[test]
fn slots_are_moved_under_load_without_an_error() {
    let cluster = RedisCluster::start();
    let store = open(&cluster.url(), &clustered()).unwrap();
    publish(&store, "d", &generate(10, 24), &SplitOptions::default()).unwrap();
    let masters: Vec<usize> = (0..6).filter(|node| cluster.role(*node).master).collect();
    let load = Load::start(&cluster.url());
    load.wait_for(4);
    // The slots of the dataset itself first, then whatever comes; all to one master after the other, as redis-cli does.
    let tagged = (0..24).map(|part| cluster.slot_of(&format!("d:{{part={part:05}}}:batch=00000")));
    let times = rounds(45, 1000);
    let slots: Vec<u32> = tagged.chain((0..16384).step_by(16)).take(times.div_ceil(2)).collect();
    let mut moved = 0;
    for to in masters.iter().copied().cycle() {
        for slot in &slots {
            let from = cluster.master_of_slot(*slot, to);
            if from != to && moved < times {
                cluster.start_moving(*slot, from, to);
                cluster.finish_moving(*slot, from, to);
                moved += 1;
            }
        }
        let agree = |slot: &u32| (0..6).all(|node| cluster.master_of_slot(*slot, node) == to);
        if moved == times {
            break;
        }
        wait_until("the nodes do not agree", || slots.iter().rev().take(3).all(agree));
    }
    load.wait_for(4);
    let (done, errors) = load.end();
    assert!(errors.is_empty(), "{errors:?}");
    report("slots resharded under read and write load", moved, &format!("{done} reads and uploads, no error"));
}
