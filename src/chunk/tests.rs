use arrow::array::{ArrayRef, DictionaryArray, Int32Array, Int64Array, ListArray, StringArray};
use arrow::datatypes::{Int32Type, Int64Type};
use arrow::record_batch::RecordBatch;

use super::*;
use crate::codec::Codec;

const LIMIT: DecodeLimit = DecodeLimit::new(64 << 20);

fn sample(rows: i64) -> RecordBatch {
    let ids = Int64Array::from_iter_values(0..rows);
    let holes = Int32Array::from_iter((0..rows as i32).map(|i| (i % 3 != 0).then_some(i * 7)));
    let words: DictionaryArray<Int32Type> = (0..rows).map(|i| ["red", "green", "blue"][i as usize % 3]).collect();
    let names = StringArray::from_iter_values((0..rows).map(|i| format!("name {i}")));
    let lists = ListArray::from_iter_primitive::<Int64Type, _, _>(
        (0..rows).map(|i| Some((0..i % 4).map(Some).collect::<Vec<_>>())),
    );
    RecordBatch::try_from_iter_with_nullable([
        ("id", Arc::new(ids) as ArrayRef, true),
        ("holes", Arc::new(holes), true),
        ("word", Arc::new(words), true),
        ("name", Arc::new(names), true),
        ("list", Arc::new(lists), true),
    ])
    .unwrap()
}

fn joined(payload: &[Buffer]) -> Buffer {
    Buffer::from_vec(payload.iter().flat_map(|part| part.iter().copied()).collect::<Vec<u8>>())
}

fn payload(batch: &RecordBatch, codec: Codec) -> (Buffer, PayloadIndex) {
    let (parts, index) = assemble(&encode_batch(batch, codec).unwrap());
    (joined(&parts), index)
}

#[test]
fn every_codec_round_trips_with_and_without_projection() {
    for codec in [Codec::Zstd, Codec::Lz4, Codec::None] {
        for rows in [0, 1, 1000, 70_000] {
            let batch = sample(rows);
            let (bytes, index) = payload(&batch, codec);
            assert_eq!(index.payload_bytes, bytes.len() as u64);
            assert_eq!(index.body_offset % 64, 0);
            assert_eq!(index.xxh3, checksum(std::slice::from_ref(&bytes)));
            let decoded = ChunkDecoder::new(None, None, LIMIT).decode(&bytes).unwrap();
            assert_eq!(decoded.batch, batch, "{codec} {rows}");
            let columns = vec!["list".to_string(), "id".to_string(), "word".to_string()];
            let some = ChunkDecoder::new(None, Some(columns), LIMIT).decode(&bytes).unwrap();
            assert_eq!(some.batch, batch.project(&[4, 0, 2]).unwrap(), "{codec} {rows}");
            if rows > 0 {
                assert!(some.bytes < decoded.bytes);
            }
        }
    }
}

#[test]
fn the_index_points_at_the_parts() {
    let (bytes, index) = payload(&sample(100), Codec::Zstd);
    let dictionary = Frame::parse(&bytes, index.dictionaries_offset as usize).unwrap().unwrap();
    assert_eq!(dictionary.kind().unwrap(), MessageHeader::DictionaryBatch);
    assert_eq!(dictionary.len() as u64, index.dictionaries_length);
    let batch = Frame::parse(&bytes, index.metadata_offset as usize).unwrap().unwrap();
    assert_eq!(batch.kind().unwrap(), MessageHeader::RecordBatch);
    assert_eq!(index.metadata_offset + index.metadata_length, index.body_offset);
    assert_eq!(batch.body.len() as u64, index.body_length);
}

#[test]
fn passing_messages_through_keeps_them_byte_for_byte() {
    let (bytes, _) = payload(&sample(500), Codec::Lz4);
    let frames = parse(&bytes).unwrap();
    let (again, index) = assemble(&frames);
    let again = joined(&again);
    assert_eq!(index.body_offset % 64, 0);
    let copied = parse(&again).unwrap();
    assert_eq!(copied.batch.head(), frames.batch.head());
    assert_eq!(copied.batch.body, frames.batch.body);
    assert!(copied.dictionaries[0].same_message(&frames.dictionaries[0]));
}

#[test]
fn every_column_decodes_from_its_own_part_of_the_body() {
    for codec in [Codec::Zstd, Codec::Lz4, Codec::None] {
        for rows in [0, 1, 1000] {
            let batch = sample(rows);
            let frames = parse(&payload(&batch, codec).0).unwrap();
            let schema = frames.schema.schema().unwrap();
            let dictionaries = decode_dictionaries(&frames.dictionaries, &schema, LIMIT).unwrap();
            let body = &frames.batch.body;
            for column in 0..batch.num_columns() {
                let range = body_range(&frames.batch, &schema, &[column]).unwrap();
                let segment = body.slice_with_length(range.start as usize, (range.end - range.start) as usize);
                let sparse = Body::sparse(vec![(range.start, segment)], body.len() as u64);
                let decoded = decode_batch(&frames.batch, &sparse, &schema, Some(&[column]), &dictionaries, LIMIT);
                assert_eq!(decoded.unwrap().batch, batch.project(&[column]).unwrap(), "{codec} {rows} {column}");
            }
        }
    }
}

#[test]
fn uncompressed_arrays_point_into_the_payload() {
    let (bytes, index) = payload(&sample(1000), Codec::None);
    let mut memory = crate::memory::Memory::new(bytes.len()).unwrap();
    memory.as_mut_slice().copy_from_slice(&bytes);
    let bytes = memory.freeze();
    let decoded = ChunkDecoder::new(None, None, LIMIT).decode(&bytes).unwrap();
    let body = bytes.as_ptr() as usize + index.body_offset as usize;
    for column in [0, 1, 3] {
        for buffer in decoded.batch.column(column).to_data().buffers() {
            assert!((body..body + index.body_length as usize).contains(&(buffer.as_ptr() as usize)));
            assert_eq!(buffer.as_ptr() as usize % 64, 0);
        }
    }
}

#[test]
fn every_bit_flip_and_every_cut_ends_in_an_error_or_a_batch() {
    let batch = sample(20);
    for codec in [Codec::Zstd, Codec::Lz4, Codec::None] {
        let (bytes, _) = payload(&batch, codec);
        let decoder = ChunkDecoder::new(Some(batch.schema()), None, LIMIT);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            if let Err(error) = decoder.decode(&Buffer::from_vec(flipped)) {
                assert_ne!(error.kind(), crate::ErrorKind::Internal, "bit {bit}: {error}");
            }
        }
        for len in 0..bytes.len() - END_OF_STREAM.len() {
            assert!(decoder.decode(&bytes.slice_with_length(0, len)).is_err(), "{codec} cut at {len}");
        }
    }
}

#[test]
fn a_declared_length_of_100_gib_takes_no_memory() {
    let batch = sample(1000);
    for codec in [Codec::Zstd, Codec::Lz4] {
        let (bytes, index) = payload(&batch, codec);
        let mut bytes = bytes.to_vec();
        // The first eight of a buffer are the declared length; what they are of starts at a multiple of 64.
        let at = index.body_offset as usize + 56;
        bytes[at..at + 8].copy_from_slice(&(100i64 << 30).to_le_bytes());
        let error = ChunkDecoder::new(None, None, LIMIT).decode(&Buffer::from_vec(bytes)).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::ResourceExhausted, "{error}");
    }
}

#[test]
fn a_chunk_of_another_schema_is_refused() {
    let (bytes, _) = payload(&sample(3), Codec::Zstd);
    let other = sample(3).project(&[0, 1]).unwrap();
    let error = ChunkDecoder::new(Some(other.schema()), None, LIMIT).decode(&bytes).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
    assert!(error.message().contains("another schema"), "{error}");
    let error = ChunkDecoder::new(None, Some(vec!["nope".to_string()]), LIMIT).decode(&bytes).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::NotFound);
    assert!(error.message().contains("no column 'nope': the columns are id, holes"), "{error}");
}

#[test]
fn a_body_that_is_no_multiple_of_eight_is_refused() {
    // Copied between streams it would shift all that follows.
    let (bytes, index) = payload(&sample(100), Codec::Zstd);
    let at = |from: u64, len: u64| bytes[from as usize..][..len as usize].to_vec();
    let head = at(index.metadata_offset, index.metadata_length);
    let declared = head.windows(8).position(|w| w == (index.body_length as i64).to_le_bytes()).unwrap();
    let mut bytes = bytes.to_vec();
    bytes[index.metadata_offset as usize + declared] += 4;
    let error = ChunkDecoder::new(None, None, LIMIT).decode(&Buffer::from_vec(bytes)).unwrap_err();
    assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
    assert!(error.message().contains(&format!("a body of {} bytes", index.body_length + 4)), "{error}");
}

#[test]
fn a_head_must_be_as_long_as_it_says() {
    let (bytes, index) = payload(&sample(1), Codec::None);
    let head = bytes.slice_with_length(index.metadata_offset as usize, index.metadata_length as usize);
    assert!(Frame::from_head(head.clone()).is_ok());
    for wrong in [
        head.slice_with_length(0, head.len() - 8),
        bytes.slice_with_length(index.metadata_offset as usize, head.len() + 8),
    ] {
        let error = Frame::from_head(wrong).unwrap_err();
        assert_eq!(error.kind(), crate::ErrorKind::Corrupt);
        assert!(error.message().contains("another length"), "{error}");
    }
}

#[test]
fn dictionaries_share_one_limit() {
    // 64 times 1 MiB of one repeated byte, each of which alone would do.
    let columns = (0..64).map(|i| {
        let values = StringArray::from_iter_values(["x".repeat(1 << 20)]);
        let words = DictionaryArray::<Int32Type>::new(vec![0].into(), Arc::new(values));
        (format!("word{i}"), Arc::new(words) as ArrayRef)
    });
    let (bytes, _) = payload(&RecordBatch::try_from_iter(columns).unwrap(), Codec::Zstd);
    let decode = |base_bytes| ChunkDecoder::new(None, None, DecodeLimit::new(base_bytes)).decode(&bytes);
    assert_eq!(decode(4 << 20).unwrap_err().kind(), crate::ErrorKind::ResourceExhausted);
    assert_eq!(decode(128 << 20).unwrap().batch.num_columns(), 64);
}
