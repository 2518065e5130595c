//! Datasets: opening, describing, listing, deleting.

use std::ffi::c_char;
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, RecordBatch, StringArray, UInt64Array};

use crate::dataset::{Dataset, DatasetSummary, NodeSummary, delete_dataset, list_datasets};
use crate::error::{Error, Result};
use crate::ffi::arrow_abi::{ArrowArrayStream, ArrowSchema};
use crate::ffi::context::{arrowredis_context, start};
use crate::ffi::error::arrowredis_error;
use crate::ffi::export::{export_schema, export_table};
use crate::ffi::guard::{Growing, Out, OutStruct, Text, borrow, call, give, handle, release, set_optional, text};
use crate::ffi::store::{arrowredis_store, or_minus_one};
use crate::manifest::Manifest;
use crate::partition::Selection;

/// A dataset of a store, at the version that was current when it was opened. Immutable; may be shared by threads.
/// It keeps the store's connections open, whether or not the store is closed or freed.
pub struct arrowredis_dataset {
    dataset: Dataset,
    texts: Texts,
    partitions: OnceLock<Vec<Partition>>,
}

handle!(arrowredis_dataset, "dataset", b"ar.datas");

struct Texts {
    prefix: Text,
    upload_id: Text,
    created_at: Text,
    compression: Text,
    writer: Text,
    partition_column: Option<Text>,
}

struct Partition {
    partition: u32,
    value: Option<Text>,
    batches: u64,
    rows: u64,
    payload_bytes: u64,
}

impl arrowredis_dataset {
    fn new(dataset: Dataset) -> Self {
        let of_manifest = |get: fn(&Manifest) -> String| Text::new(&dataset.manifest().map(get).unwrap_or_default());
        let texts = Texts {
            prefix: Text::new(dataset.prefix()),
            upload_id: of_manifest(|manifest| manifest.upload_id().to_string()),
            created_at: of_manifest(|manifest| manifest.created_at().to_string()),
            compression: of_manifest(|manifest| manifest.compression().to_string()),
            writer: of_manifest(|manifest| manifest.writer().to_string()),
            partition_column: dataset.manifest().and_then(Manifest::partition_column).map(Text::new),
        };
        arrowredis_dataset { dataset, texts, partitions: OnceLock::new() }
    }

    pub(crate) fn dataset(&self) -> &Dataset {
        &self.dataset
    }

    fn manifest(&self) -> Result<&Manifest> {
        self.dataset.manifest().ok_or_else(|| {
            Error::unsupported(format!(
                "dataset '{}' was opened without a manifest, so its partitions and chunks are not known: read it",
                self.dataset.prefix()
            ))
        })
    }

    fn partitions(&self) -> Result<&[Partition]> {
        if let Some(partitions) = self.partitions.get() {
            return Ok(partitions);
        }
        let partitions = partitions_of(self.manifest()?)?;
        Ok(self.partitions.get_or_init(|| partitions))
    }
}

fn partitions_of(manifest: &Manifest) -> Result<Vec<Partition>> {
    let named = |(partition, value): (u32, Option<String>)| Partition {
        partition,
        value: value.as_deref().map(Text::new),
        batches: 0,
        rows: 0,
        payload_bytes: 0,
    };
    let mut partitions: Vec<Partition> = manifest.partitions()?.into_iter().map(named).collect();
    let mut current = 0;
    for chunk in manifest.chunks() {
        while partitions.get(current).is_some_and(|partition| partition.partition != chunk.partition) {
            current += 1;
        }
        let Some(partition) = partitions.get_mut(current) else { break };
        partition.batches += 1;
        partition.rows += chunk.rows;
        partition.payload_bytes += chunk.payload_bytes;
    }
    Ok(partitions)
}

/// Opens a published dataset by reading its manifest. The caller owns `*out`.
///
/// Errors: NOT_FOUND when there is none under that prefix; CORRUPT or UNSUPPORTED when its manifest cannot be used.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_dataset_open(
    store: *const arrowredis_store,
    prefix: *const c_char,
    prefix_length: usize,
    context: *const arrowredis_context,
    out: *mut *mut arrowredis_dataset,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let (store, out) = (borrow(store, "store")?.store()?, Out::new(out, "out")?);
        let dataset = Dataset::open(&store, text(prefix, prefix_length, "prefix")?, &start(context)?)?;
        out.set(give(arrowredis_dataset::new(dataset)));
        Ok(())
    })
}

/// Opens a dataset that has no manifest, such as the original tool writes: nothing is read yet. The caller owns
/// `*out`. Its partitions are found when it is read, or named by the read's options.
///
/// Errors: INVALID_ARGUMENT for a prefix that cannot be.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_dataset_open_without_manifest(
    store: *const arrowredis_store,
    prefix: *const c_char,
    prefix_length: usize,
    out: *mut *mut arrowredis_dataset,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let (store, out) = (borrow(store, "store")?.store()?, Out::new(out, "out")?);
        let dataset = Dataset::without_manifest(&store, text(prefix, prefix_length, "prefix")?)?;
        out.set(give(arrowredis_dataset::new(dataset)));
        Ok(())
    })
}

/// The fields of a dataset. Strings are borrowed from it. Without a manifest, strings are empty and numbers 0.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct arrowredis_dataset_fields {
    /// Its name.
    pub prefix: *const c_char,
    /// 32 hexadecimal digits that tell this upload from every other.
    pub upload_id: *const c_char,
    /// When it was published, as RFC 3339 in UTC.
    pub created_at: *const c_char,
    /// The compression of its chunks: `zstd`, `lz4` or `none`.
    pub compression: *const c_char,
    /// The program that wrote it.
    pub writer: *const c_char,
    /// The partition column; NULL if it has none.
    pub partition_column: *const c_char,
    /// Rows of all chunks.
    pub rows: u64,
    /// Bytes of all payloads.
    pub payload_bytes: u64,
    /// Chunks.
    pub chunks: u64,
    /// 1 if it was opened by its manifest.
    pub has_manifest: u64,
}

// SAFETY: fields of eight bytes, for all of which any bits are a value; no padding.
unsafe impl Growing for arrowredis_dataset_fields {}

/// The fields of a dataset. `out_size` is `sizeof(arrowredis_dataset_fields)`.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_dataset_info(
    dataset: *const arrowredis_dataset,
    out: *mut arrowredis_dataset_fields,
    out_size: usize,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let out = OutStruct::new(out, out_size, "out")?;
        let dataset = borrow(dataset, "dataset")?;
        let (texts, manifest) = (&dataset.texts, dataset.dataset.manifest());
        out.set(&arrowredis_dataset_fields {
            prefix: texts.prefix.pointer(),
            upload_id: texts.upload_id.pointer(),
            created_at: texts.created_at.pointer(),
            compression: texts.compression.pointer(),
            writer: texts.writer.pointer(),
            partition_column: texts.partition_column.as_ref().map_or(std::ptr::null(), Text::pointer),
            rows: manifest.map_or(0, Manifest::rows),
            payload_bytes: manifest.map_or(0, Manifest::payload_bytes),
            chunks: manifest.map_or(0, |manifest| manifest.chunk_count() as u64),
            has_manifest: u64::from(manifest.is_some()),
        });
        Ok(())
    })
}

/// The schema of a dataset, all columns. The caller releases `*out`. Without a manifest a chunk is read for it.
///
/// Errors: NOT_FOUND when there are no chunks; what the store reports.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_dataset_schema(
    dataset: *const arrowredis_dataset,
    context: *const arrowredis_context,
    out: *mut ArrowSchema,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let (dataset, out) = (borrow(dataset, "dataset")?.dataset.clone(), Out::new(out, "out")?);
        let context = start(context)?;
        let asking = context.clone();
        let schema = context.block_on(async move {
            let plan = match dataset.manifest() {
                Some(_) => Vec::new(),
                None => dataset.plan(&Selection::All, None, &asking).await?,
            };
            dataset.schema(&plan, &asking).await
        })?;
        out.set(export_schema(&schema)?);
        Ok(())
    })
}

/// One partition of a dataset.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct arrowredis_partition {
    /// Its id.
    pub partition: u64,
    /// The value that it stands for, as text, borrowed from the dataset; NULL if it is not known.
    pub value: *const c_char,
    /// Its batches.
    pub batches: u64,
    /// Its rows.
    pub rows: u64,
    /// Bytes of its payloads.
    pub payload_bytes: u64,
}

// SAFETY: fields of eight bytes, for all of which any bits are a value; no padding.
unsafe impl Growing for arrowredis_partition {}

/// How many partitions a dataset has. Errors: UNSUPPORTED for one that was opened without a manifest.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_dataset_partition_count(
    dataset: *const arrowredis_dataset,
    out: *mut usize,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let out = Out::new(out, "out")?;
        out.set(borrow(dataset, "dataset")?.partitions()?.len());
        Ok(())
    })
}

/// A partition by its index from 0, in the order of the ids. `out_size` is `sizeof(arrowredis_partition)`.
///
/// Errors: INVALID_ARGUMENT for an index beyond the last; UNSUPPORTED for a dataset without a manifest.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_dataset_partition(
    dataset: *const arrowredis_dataset,
    index: usize,
    out: *mut arrowredis_partition,
    out_size: usize,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let out = OutStruct::new(out, out_size, "out")?;
        let partition = at(borrow(dataset, "dataset")?.partitions()?, index, "partition")?;
        out.set(&arrowredis_partition {
            partition: u64::from(partition.partition),
            value: partition.value.as_ref().map_or(std::ptr::null(), Text::pointer),
            batches: partition.batches,
            rows: partition.rows,
            payload_bytes: partition.payload_bytes,
        });
        Ok(())
    })
}

/// An item of a list that C walks by index.
pub(crate) fn at<'a, T>(items: &'a [T], index: usize, what: &str) -> Result<&'a T> {
    items
        .get(index)
        .ok_or_else(|| Error::invalid_argument(format!("there is no {what} {index}: there are {}", items.len())))
}

/// The chunk listing as an Arrow stream of one batch: the manifest's rows, one for each chunk, with its partition,
/// batch, rows, sizes, checksum and statistics. The caller releases `*out`, which needs neither dataset nor store.
///
/// Errors: UNSUPPORTED for a dataset that was opened without a manifest.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_dataset_chunks(
    dataset: *const arrowredis_dataset,
    out: *mut ArrowArrayStream,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let out = Out::new(out, "out")?;
        out.set(export_table(borrow(dataset, "dataset")?.manifest()?.to_record_batch()?));
        Ok(())
    })
}

/// How the chunks that the manifest lists are spread over the nodes of a cluster, as an Arrow stream of one batch:
/// `node` (its address), `chunks` and `payload_bytes`, in the order of the addresses. Every other store is one node; a
/// dataset without a manifest has no rows. The caller releases `*out`.
///
/// Errors: what the store reports.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_dataset_nodes(
    dataset: *const arrowredis_dataset,
    context: *const arrowredis_context,
    out: *mut ArrowArrayStream,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let (dataset, out) = (borrow(dataset, "dataset")?.dataset(), Out::new(out, "out")?);
        out.set(export_table(nodes_table(&dataset.nodes(&start(context)?)?)?));
        Ok(())
    })
}

fn nodes_table(nodes: &[NodeSummary]) -> Result<RecordBatch> {
    let addresses: StringArray = nodes.iter().map(|node| Some(node.node.as_str())).collect();
    let numbers = |of: fn(&NodeSummary) -> u64| Arc::new(UInt64Array::from_iter_values(nodes.iter().map(of)));
    Ok(RecordBatch::try_from_iter_with_nullable([
        ("node", Arc::new(addresses) as ArrayRef, false),
        ("chunks", numbers(|node| node.chunks), false),
        ("payload_bytes", numbers(|node| node.payload_bytes), false),
    ])?)
}

/// Frees a dataset; readers that were started from it go on. NULL does nothing. The data stays where it is.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_dataset_free(dataset: *mut arrowredis_dataset) {
    release(dataset);
}

/// Deletes a dataset from a store: its manifest first, then its chunks, and nothing else. `deleted_chunks` may be
/// NULL.
///
/// Errors: NOT_FOUND when there is nothing under that prefix; CONFLICT while it is being written.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_dataset_delete(
    store: *const arrowredis_store,
    prefix: *const c_char,
    prefix_length: usize,
    context: *const arrowredis_context,
    deleted_chunks: *mut u64,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let store = borrow(store, "store")?.store()?;
        let deleted = delete_dataset(&store, text(prefix, prefix_length, "prefix")?, &start(context)?)?;
        set_optional(deleted_chunks, deleted);
        Ok(())
    })
}

/// The datasets of a store at one moment. Immutable.
pub struct arrowredis_dataset_list(Vec<Listed>);

handle!(arrowredis_dataset_list, "dataset list", b"ar.dlist");

struct Listed {
    summary: DatasetSummary,
    prefix: Text,
    created_at: Option<Text>,
    problem: Option<Text>,
}

/// What a store holds under one name. Strings are borrowed from the list.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct arrowredis_dataset_summary {
    /// The dataset's name.
    pub prefix: *const c_char,
    /// When it was published; NULL without a manifest.
    pub created_at: *const c_char,
    /// Why its manifest could not be read; NULL if it could.
    pub problem: *const c_char,
    /// 1 if it was published with a manifest.
    pub has_manifest: u64,
    /// Partitions.
    pub partitions: u64,
    /// Chunks.
    pub chunks: u64,
    /// Rows; -1 without a manifest.
    pub rows: i64,
    /// Bytes of all payloads; -1 without a manifest.
    pub payload_bytes: i64,
    /// Chunks under this name that the manifest does not list: of replaced versions in their grace period, and of
    /// uploads that are under way or dead.
    pub unlisted_chunks: u64,
}

// SAFETY: fields of eight bytes, for all of which any bits are a value; no padding.
unsafe impl Growing for arrowredis_dataset_summary {}

/// Lists the datasets whose names begin with `start_text` (all if empty), in the order of their names. The caller
/// owns `*out`.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_dataset_list_open(
    store: *const arrowredis_store,
    start_text: *const c_char,
    start_length: usize,
    context: *const arrowredis_context,
    out: *mut *mut arrowredis_dataset_list,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let (store, out) = (borrow(store, "store")?.store()?, Out::new(out, "out")?);
        let found = list_datasets(&store, text(start_text, start_length, "start_text")?, &start(context)?)?;
        let listed = |summary: DatasetSummary| Listed {
            prefix: Text::new(&summary.prefix),
            created_at: summary.created_at.as_deref().map(Text::new),
            problem: summary.problem.as_deref().map(Text::new),
            summary,
        };
        out.set(give(arrowredis_dataset_list(found.into_iter().map(listed).collect())));
        Ok(())
    })
}

/// How many datasets a list has; 0 for NULL.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_dataset_list_count(list: *const arrowredis_dataset_list) -> usize {
    borrow(list, "list").map_or(0, |list| list.0.len())
}

/// A dataset of a list by its index from 0. `out_size` is `sizeof(arrowredis_dataset_summary)`.
///
/// Errors: INVALID_ARGUMENT for an index beyond the last.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_dataset_list_get(
    list: *const arrowredis_dataset_list,
    index: usize,
    out: *mut arrowredis_dataset_summary,
    out_size: usize,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let out = OutStruct::new(out, out_size, "out")?;
        let listed = at(&borrow(list, "list")?.0, index, "dataset")?;
        let or_null = |text: &Option<Text>| text.as_ref().map_or(std::ptr::null(), Text::pointer);
        out.set(&arrowredis_dataset_summary {
            prefix: listed.prefix.pointer(),
            created_at: or_null(&listed.created_at),
            problem: or_null(&listed.problem),
            has_manifest: u64::from(listed.summary.has_manifest),
            partitions: listed.summary.partitions,
            chunks: listed.summary.chunks,
            rows: or_minus_one(listed.summary.rows),
            payload_bytes: or_minus_one(listed.summary.payload_bytes),
            unlisted_chunks: listed.summary.unlisted_chunks,
        });
        Ok(())
    })
}

/// Frees a list. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_dataset_list_free(list: *mut arrowredis_dataset_list) {
    release(list);
}
