//! What the fuzz targets call: each function feeds bytes to a codec and checks what may never happen.
//!
//! A function returns when the codec did, with an error or without; it panics when the codec broke a promise.
//! Panics of arrow-ipc that the codecs catch are no findings. Compiled for fuzzing and for tests, where the
//! committed corpus must pass.

use std::io::Cursor;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, StringArray};
use arrow::buffer::Buffer;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::chunk::{self, BatchFrames, Body, ChunkDecoder, DecodeLimit, body_range, decode_batch, decode_dictionaries};
use crate::codec::Codec;
use crate::error::{ErrorKind, Result};
use crate::ipc_file::{IpcFile, PartitionBy};
use crate::ipc_stream::StreamInput;
use crate::manifest::{self, ChunkEntry, ChunkStatistics, Manifest, ManifestBuilder, ManifestHeader};
use crate::partition::{self, PartitionValue, Selection};
use crate::runtime::Context;
use crate::statistics::{batch_statistics, statistics_columns};
use crate::store::joined;

/// Small, so that an input that declares more than it holds costs little time.
const LIMIT: DecodeLimit = DecodeLimit::new(8 << 20);
/// Batches of more rows are not walked value by value.
const MOST_ROWS: usize = 10_000;
/// Files of more batches are not walked batch by batch.
const MOST_BATCHES: usize = 100;

/// A chunk's payload: decoded whole, by projection, from parts of its body, and copied.
pub fn chunk(bytes: &[u8]) {
    let Some(frames) = accepted(chunk::parse(&buffer(bytes))) else { return };
    copied(&frames);
    let Some(schema) = accepted(frames.schema.schema()) else { return };
    let whole = accepted(ChunkDecoder::new(None, None, LIMIT).decode_frames(&frames)).map(|decoded| decoded.batch);
    if let Some(batch) = &whole {
        check_batch(batch);
    }
    projected(&frames, &schema, whole.as_ref());
    from_parts(&frames, &schema, whole.as_ref());
}

/// Messages that are copied from one payload to another stay what they are.
fn copied(frames: &BatchFrames) {
    let (parts, index) = chunk::assemble(frames);
    assert!(index.body_offset.is_multiple_of(64));
    let again = chunk::parse(&Buffer::from_vec(joined(&parts))).expect("a copied chunk is a chunk");
    assert!(again.schema.same_message(&frames.schema) && again.batch.same_message(&frames.batch));
    assert_eq!(again.dictionaries.len(), frames.dictionaries.len());
    for (copy, original) in again.dictionaries.iter().zip(&frames.dictionaries) {
        assert!(copy.same_message(original));
    }
}

/// Every other column, last first.
fn projected(frames: &BatchFrames, schema: &SchemaRef, whole: Option<&RecordBatch>) {
    let names: Vec<String> = schema.fields().iter().rev().step_by(2).map(|field| field.name().clone()).collect();
    let decoded = accepted(ChunkDecoder::new(None, Some(names.clone()), LIMIT).decode_frames(frames));
    let Some(whole) = whole else { return };
    let decoded = decoded.expect("what decodes whole decodes in part").batch;
    let indices: Vec<usize> = names.iter().map(|name| schema.index_of(name).expect("it is there")).collect();
    same(&decoded, &whole.project(&indices).expect("the columns are there"));
}

/// Column by column, from no more of the body than the column needs.
fn from_parts(frames: &BatchFrames, schema: &SchemaRef, whole: Option<&RecordBatch>) {
    let Some(dictionaries) = accepted(decode_dictionaries(&frames.dictionaries, schema, LIMIT)) else { return };
    let body = &frames.batch.body;
    for column in 0..schema.fields().len() {
        let Some(range) = accepted(body_range(&frames.batch, schema, &[column])) else { return };
        let segment = body.slice_with_length(range.start as usize, (range.end - range.start) as usize);
        let sparse = Body::sparse(vec![(range.start, segment)], body.len() as u64);
        let decoded = accepted(decode_batch(&frames.batch, &sparse, schema, Some(&[column]), &dictionaries, LIMIT));
        if let Some(whole) = whole {
            let decoded = decoded.expect("what decodes whole decodes from parts").batch;
            same(&decoded, &whole.project(&[column]).expect("the column is there"));
        }
    }
}

/// An IPC stream of any number of batches.
pub fn ipc_stream(bytes: &[u8]) {
    let reader = Box::new(Cursor::new(bytes.to_vec()));
    let Some(mut stream) = accepted(StreamInput::open(reader)) else { return };
    while let Some(Some(frames)) = accepted(stream.next()) {
        copied(&frames);
        if let Some(batch) = accepted(stream.decode(&frames.batch, None)) {
            check_batch(&batch);
        }
    }
}

/// A manifest as it is, and as a table whose magic and checksum are right.
pub fn manifest(bytes: &[u8]) {
    if let Some(manifest) = accepted(Manifest::decode(&buffer(bytes))) {
        check_manifest(&manifest);
    }
    if let Some(manifest) = accepted(Manifest::decode(&buffer(&joined(&manifest::seal(vec![Buffer::from(bytes)]))))) {
        check_manifest(&manifest);
    }
}

/// An IPC file: opened, every batch decoded, read by its partition column, copied into chunks.
pub fn ipc_file(bytes: &[u8]) {
    let Some(file) = accepted(IpcFile::from_buffer("input", buffer(bytes))).map(Arc::new) else { return };
    // A few bytes of footer can name the same message a million times: each is looked at alike.
    let batches = file.batch_count().min(MOST_BATCHES);
    let Some(schema) = accepted(file.schema_frame(&Context::new())) else { return };
    for position in 0..batches {
        let bytes = file.bytes().at_hand(&file.block(position).range()).expect("blocks lie within the file");
        let Some(frame) = accepted(file.batch_frame(position, &bytes)) else { continue };
        copied(&file.frames(&schema, frame.clone()).expect("dictionaries are at hand"));
        let body = Body::whole(frame.body.clone());
        if let Some(decoded) = accepted(file.decode(position, &frame, &body, None)) {
            check_batch(&decoded.batch);
        }
    }
    if file.batch_count() > MOST_BATCHES {
        return;
    }
    for field in file.schema().fields() {
        let by = PartitionBy { column: field.name().clone(), batches: None };
        if let Ok(selected) = file.select(&Selection::All, &by, &Context::new()) {
            assert_eq!(selected.batches.len(), file.batch_count());
        }
    }
}

fn check_manifest(manifest: &Manifest) {
    let table = accepted(manifest.to_record_batch());
    accepted(manifest.partitions());
    let columns = statistics_columns(manifest.schema(), 32);
    for row in 0..manifest.chunk_count().min(MOST_ROWS) {
        let _ = manifest.knows(row, &columns);
    }
    let _ = (manifest.rows(), manifest.payload_bytes());
    // Names of columns come from the dataset's schema: the table may hold a name twice, which Arrow allows.
    let again = Manifest::decode(&buffer(&joined(&manifest.encode().expect("what was read can be written"))));
    let again = again.expect("what was written can be read");
    assert_eq!(again.chunks, manifest.chunks);
    same(&again.to_record_batch().expect("it was possible before"), &table.expect("it was read from a table"));
}

/// Promises about every batch that a decoder hands out.
fn check_batch(batch: &RecordBatch) {
    for column in batch.columns() {
        column.to_data().validate_full().expect("decoded arrays are valid");
    }
    if batch.num_rows() > MOST_ROWS {
        return;
    }
    let options = FormatOptions::default();
    for column in batch.columns() {
        // Reads every value, so that the address sanitizer sees the bytes that are used.
        if let Ok(formatter) = ArrayFormatter::try_new(column, &options) {
            (0..column.len()).for_each(|row| drop(formatter.value(row).try_to_string()));
        }
    }
    accepted(batch_statistics(batch, &statistics_columns(&batch.schema(), 32)));
    for (column, field) in batch.schema().fields().iter().enumerate() {
        if partition::value_type(field.name(), field.data_type()).is_ok() {
            let _ = partition::single_value(batch.column(column), field.name(), "the batch");
            let _ = partition::split_by_value(batch, column, field.name(), "the batch");
        }
    }
    let Some(frames) = accepted(chunk::encode_batch(batch, Codec::None)) else { return };
    let payload = Buffer::from_vec(joined(&chunk::assemble(&frames).0));
    let again = ChunkDecoder::new(None, None, LIMIT).decode(&payload).expect("what was written can be read");
    same(&again.batch, batch);
}

/// The value, if there is one; a defect of ours is never a fit answer to strange bytes.
fn accepted<T>(result: Result<T>) -> Option<T> {
    if let Err(error) = &result {
        assert_ne!(error.kind(), ErrorKind::Internal, "{error}");
    }
    result.ok()
}

fn same(found: &RecordBatch, expected: &RecordBatch) {
    assert_eq!(found.num_rows(), expected.num_rows());
    if found.num_rows() <= MOST_ROWS {
        assert!(found.columns() == expected.columns(), "expected {expected:?}, found {found:?}");
    }
}

/// The bytes in an allocation that ends where they end; inputs of odd length start at an odd address.
fn buffer(bytes: &[u8]) -> Buffer {
    if bytes.len().is_multiple_of(2) {
        return Buffer::from_vec(bytes.to_vec());
    }
    let mut shifted = vec![0];
    shifted.extend_from_slice(bytes);
    Buffer::from_vec(shifted).slice(1)
}

/// A payload, for the corpus.
pub fn encode_chunk(batch: &RecordBatch, codec: Codec) -> Result<Vec<u8>> {
    Ok(joined(&chunk::assemble(&chunk::encode_batch(batch, codec)?).0))
}

/// The table of a manifest of a few chunks without compression, which the fuzzer can change byte by byte, and
/// the whole manifest as it is stored, for the corpus.
pub fn encode_manifest(batch: &RecordBatch, value_type: &DataType) -> Result<(Vec<u8>, Vec<u8>)> {
    let columns = statistics_columns(&batch.schema(), 32);
    let mut builder = ManifestBuilder::new(&columns, &batch.schema(), 0);
    for (partition, number) in [(0, 0), (0, 1), (3, 0)] {
        let (_, index) = chunk::assemble(&chunk::encode_batch(batch, Codec::Lz4)?);
        let rows = batch.num_rows() as u64;
        let entry = ChunkEntry { partition, batch: number, base: Arc::from("demo:v1"), rows, index };
        let value = match value_type {
            DataType::Utf8 => PartitionValue::Text(format!("region {partition}")),
            _ => PartitionValue::Int(partition.into()),
        };
        let statistics = match number {
            0 => ChunkStatistics::Computed(batch_statistics(batch, &columns)?),
            _ => ChunkStatistics::Nothing,
        };
        builder.push(&entry, Some(value), &statistics)?;
    }
    let manifest = builder.finish(ManifestHeader {
        upload_id: "0123456789abcdef0123456789abcdef".to_string(),
        created_at: "2026-01-01T00:00:00.000Z".to_string(),
        compression: Codec::Lz4,
        schema_frame: chunk::encode_schema(&batch.schema())?,
        partition_column: Some(("partition".to_string(), value_type.clone())),
    })?;
    Ok((encode_chunk(&manifest.to_record_batch()?, Codec::None)?, joined(&manifest.encode()?)))
}

/// A small batch, for the corpus.
pub fn sample(rows: i64) -> RecordBatch {
    let ids: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows));
    let names: ArrayRef =
        Arc::new(StringArray::from_iter((0..rows).map(|i| (i % 3 != 1).then(|| format!("name {i}")))));
    RecordBatch::try_from_iter_with_nullable([("id", ids, true), ("name", names, true)]).expect("columns of one length")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    #[test]
    fn the_corpus_passes() {
        type Target = (&'static str, &'static [fn(&[u8])]);
        let targets: [Target; 3] = [
            ("chunk", &[super::chunk, super::ipc_stream]),
            ("manifest", &[super::manifest]),
            ("ipc_file", &[super::ipc_file]),
        ];
        for (target, functions) in targets {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
            let inputs: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
            assert!(!inputs.is_empty(), "no input in {}", folder.display());
            for input in inputs {
                let bytes = std::fs::read(&input).unwrap();
                functions.iter().for_each(|function| function(&bytes));
            }
        }
    }
}
