//! Reading a file, wherever it lies, into another file or a stream.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;

use super::{Export, HeaderParts, Prepared, STATISTICS_COLUMNS, WriteReport};
use crate::chunk::DecodeLimit;
use crate::codec::Codec;
use crate::error::Result;
use crate::ipc_file::{self, IpcFile};
use crate::read::{FileRead, FileReadOptions, project_schema};
use crate::runtime::{Context, runtime};
use crate::statistics::statistics_columns;

/// Reads partitions and columns of an IPC file into another one. That gets its name only when it is complete.
///
/// # Errors
/// As [`crate::read_file`]; what the file system reports, naming the file.
pub fn read_file_to_file(
    file: &Arc<IpcFile>,
    options: &FileReadOptions,
    codec: Codec,
    path: &Path,
    ctx: &Context,
) -> Result<WriteReport> {
    let result = Export::of_file(file, options, codec, ctx).and_then(|mut export| export.write_file(path));
    ctx.progress().finish();
    Ok(WriteReport { file_bytes: result?, metrics: ctx.metrics() })
}

/// Reads partitions and columns of an IPC file into an Arrow IPC stream.
///
/// # Errors
/// As [`crate::read_file`]; what the writer reports.
pub fn read_file_to_stream(
    file: &Arc<IpcFile>,
    options: &FileReadOptions,
    codec: Codec,
    out: &mut dyn Write,
    ctx: &Context,
) -> Result<WriteReport> {
    let result = Export::of_file(file, options, codec, ctx).and_then(|mut export| export.write_stream(out));
    ctx.progress().finish();
    Ok(WriteReport { file_bytes: result?, metrics: ctx.metrics() })
}

impl Export {
    fn of_file(file: &Arc<IpcFile>, options: &FileReadOptions, codec: Codec, ctx: &Context) -> Result<Self> {
        let FileRead { ctx, plan, fetch, decoder } = FileRead::new(file, options, ctx)?;
        let schema = project_schema(file.schema(), options.columns.as_deref())?;
        let statistics_columns = statistics_columns(&schema, STATISTICS_COLUMNS);
        let positions: Vec<usize> = plan.batches.iter().map(|batch| batch.position).collect();
        let whole = options.columns.is_none() && options.filter.is_empty();
        let copied = if whole { Some(file.schema_frame(&ctx)?) } else { None };
        let known_statistics =
            file.index().filter(|_| whole).and_then(|index| index.known_statistics(&statistics_columns));
        let (file, wanted) = (file.clone(), statistics_columns.clone());
        let pipeline = fetch.start(&ctx, move |fetch, item, batch| {
            let known = if whole { file.statistics_row(positions[item], &wanted) } else { None };
            let prepared = match &copied {
                Some(schema) if ipc_file::codec_of(&batch.frame)? == codec => {
                    Some(Prepared::copied(file.frames(schema, batch.frame)?, known)?)
                }
                _ => {
                    let decoded = decoder.decode(fetch, item, &batch)?;
                    decoded.map(|decoded| Prepared::encoded(&decoded, codec, known, &wanted)).transpose()?
                }
            };
            let bytes = prepared.as_ref().map_or(0, |prepared| prepared.frames.batch.len() as u64);
            Ok((prepared, bytes))
        })?;
        Ok(Export {
            pipeline,
            places: plan.batches.iter().map(|batch| (batch.partition, batch.batch)).collect(),
            values: plan.batches.into_iter().map(|batch| batch.value).collect(),
            empty: RecordBatch::new_empty(schema),
            statistics_columns,
            known_statistics,
            header: HeaderParts {
                upload_id: String::new(),
                created_at: String::new(),
                codec,
                partition_column: plan.column,
            },
            limit: DecodeLimit::new(runtime()?.budget.total()),
            ctx,
        })
    }
}
