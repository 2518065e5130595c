//! The pure part: how to begin with a chunk.

use super::super::layout::{Columns, FirstRead, Known};
use super::*;
use crate::chunk::PayloadIndex;

fn columns_of(wanted: Vec<usize>) -> Columns {
    filtered(wanted, Vec::new())
}

fn filtered(wanted: Vec<usize>, filter: Vec<usize>) -> Columns {
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8));
    let types = [DataType::Int64, DataType::Int32, dictionary, DataType::Float64, DataType::Utf8];
    let fields: Vec<_> = types.into_iter().enumerate().map(|(i, t)| Field::new(format!("c{i}"), t, true)).collect();
    Columns::new(Arc::new(Schema::new(fields)), None, wanted, filter, vec![0..1000, 2000..3000])
}

fn at_once(range: std::ops::Range<u64>) -> Vec<std::ops::Range<u64>> {
    std::iter::once(range).collect()
}

/// A payload of 1 KiB of schema, 2 KiB of dictionaries, 512 bytes of metadata and a body.
fn index(body_length: u64) -> PayloadIndex {
    PayloadIndex {
        payload_bytes: 3584 + body_length + 8,
        dictionaries_offset: 1024,
        dictionaries_length: 2048,
        metadata_offset: 3072,
        metadata_length: 512,
        body_offset: 3584,
        body_length,
        ..PayloadIndex::default()
    }
}

#[test]
fn only_what_is_needed_of_the_head_is_fetched() {
    let large = index(1 << 20);
    let small = index(10 << 10);
    let head = |range| FirstRead::Head(at_once(range));
    for (wanted, index, expected) in [
        (vec![0], &large, head(3072..3584)),
        (vec![0, 2], &large, head(0..3584)),
        (vec![0, 1, 2, 3, 4], &large, FirstRead::Whole),
        (vec![], &large, head(3072..3584)),
        (vec![0], &small, FirstRead::Whole),
    ] {
        let known = Known { payload_bytes: index.payload_bytes, match_probability: 1.0, index: Some(*index) };
        assert_eq!(columns_of(wanted.clone()).first_read(known), expected, "{wanted:?}");
    }
}

#[test]
fn without_an_index_the_head_is_as_long_as_that_of_the_first_chunk() {
    let first_read =
        |payload_bytes| columns_of(vec![1]).first_read(Known { payload_bytes, match_probability: 1.0, index: None });
    assert_eq!(first_read(1 << 20), FirstRead::Head(at_once(0..3000)));
    assert_eq!(first_read(2000), FirstRead::Whole);
    assert_eq!(first_read(0), FirstRead::Whole, "it is missing, and fetching it will tell");
}

#[test]
fn a_filter_that_may_rule_out_much_is_looked_at_first() {
    let index = index(4 << 20);
    let first_read = |match_probability| {
        let known = Known { payload_bytes: index.payload_bytes, match_probability, index: Some(index) };
        filtered((0..5).collect(), vec![0]).first_read(known)
    };
    assert_eq!(first_read(0.5), FirstRead::Head(at_once(0..3584)));
    assert_eq!(first_read(1.0), FirstRead::Whole, "all columns of a chunk that matches for certain");
}
