//! `info`: what a dataset consists of.

use std::collections::BTreeMap;

use arrowredis::{BrokenChunk, Dataset, ErrorKind, Manifest, list_datasets};
use clap::{Arg, ArgAction, ArgMatches, Command};
use serde_json::{Value, json};

use super::described;
use super::ls::summary_object;
use crate::args;
use crate::failure::Failure;
use crate::output::{count, counted, megabytes, object, table};
use crate::session::{Outcome, Session, total_timeout_flag};

const ABOUT: &str = "Describe a dataset";
const PARAGRAPH: &str = "Describe a dataset: its partitions with their values, rows and sizes, its schema and \
                          compression, who wrote it and when, the columns that its manifest has statistics of, and how its chunks are spread over the nodes of a \
                          cluster. With \
                          --check the store is asked for every chunk, and the exit status is 1 if one is missing.";
const EXAMPLES: &str = "\
EXAMPLES:
  arrowredis info demo:v1 --redis-url redis://localhost:6379/0
  arrowredis info demo:v1 --chunks
  arrowredis info demo:v1 --check
  arrowredis info demo:v1 --json";

pub fn command(command: Command) -> Command {
    let chunks = Arg::new("chunks").long("chunks").help("List every chunk, with its key").action(ArgAction::SetTrue);
    let check = Arg::new("check").long("check").help("Ask the store for every chunk and list those that are missing");
    let command = described(command, ABOUT, PARAGRAPH, EXAMPLES).arg(args::prefix_place()).arg(chunks);
    args::with_store(command.arg(check.action(ArgAction::SetTrue)).arg(total_timeout_flag()))
}

pub fn run(matches: &ArgMatches, session: &Session) -> Result<Outcome, Failure> {
    let prefix = args::prefix(matches)?;
    let store = args::open_store(matches, session)?;
    let ctx = session.context(matches)?;
    let dataset = match Dataset::open(&store, prefix, &ctx) {
        Err(e) if e.kind() == ErrorKind::NotFound => {
            // Data of other writers has no manifest: then its keys are all that is known.
            let found = list_datasets(&store, prefix, &ctx)?.into_iter().find(|summary| summary.prefix == prefix);
            let Some(summary) = found else { return Err(e.into()) };
            session.output.show(format!(
                "📦 {prefix} in {}\n   No manifest\n   Partitions: {}\n   Chunks: {}",
                store.describe(),
                count(summary.partitions),
                count(summary.chunks)
            ))?;
            let mut members = object(summary_object(&summary));
            members.insert("store".to_string(), store.describe().into());
            return Ok(members.into());
        }
        result => result?,
    };
    let Some(manifest) = dataset.manifest() else {
        return Err(Failure::Failed(arrowredis::Error::internal("a dataset was opened without its manifest")));
    };
    let with_chunks = matches.get_flag("chunks");
    let partitions = partitions(manifest)?;
    session.output.show(report(prefix, store.describe(), manifest, &partitions, with_chunks))?;
    let mut members = object(describe(manifest, &partitions, with_chunks));
    members.extend(object(json!({
        "prefix": prefix,
        "store": store.describe(),
        "manifest": true,
    })));
    let nodes = dataset.nodes(&ctx)?;
    if nodes.len() > 1 {
        let rows = nodes.iter().map(|node| vec![node.node.clone(), count(node.chunks), megabytes(node.payload_bytes)]);
        session.output.show(format!("\n{}", table(&["NODE", ">CHUNKS", ">SIZE"], &rows.collect::<Vec<_>>())))?;
    }
    let node_objects =
        nodes.iter().map(|node| json!({"node": node.node, "chunks": node.chunks, "payload_bytes": node.payload_bytes}));
    members.insert("nodes".to_string(), node_objects.collect());
    let mut differs = false;
    if matches.get_flag("check") {
        let broken = dataset.check(&ctx)?;
        differs = !broken.is_empty();
        session.output.show(format!("\n{}", report_check(manifest.chunk_count() as u64, &broken)))?;
        members.insert("broken_chunks".to_string(), broken.iter().map(broken_object).collect());
    }
    members.insert("total_seconds".to_string(), ctx.metrics().total_seconds.into());
    Ok(Outcome { differs, ..members.into() })
}

fn report_check(chunks: u64, broken: &[BrokenChunk]) -> String {
    if broken.is_empty() {
        return format!("✅ The store holds all of {}", counted(chunks, "chunk"));
    }
    let rows = broken.iter().map(|broken| {
        let stored = broken.stored_bytes.map_or_else(|| "missing".to_string(), count);
        vec![broken.chunk.key.clone(), count(broken.chunk.payload_bytes), stored]
    });
    let rows: Vec<_> = rows.collect();
    let head = format!(
        "❌ {} of {} are not there as the manifest lists them",
        count(broken.len() as u64),
        counted(chunks, "chunk")
    );
    format!("{head}\n\n{}", table(&["KEY", ">BYTES", ">IN THE STORE"], &rows))
}

fn broken_object(broken: &BrokenChunk) -> Value {
    json!({
        "key": broken.chunk.key,
        "partition": broken.chunk.partition,
        "batch": broken.chunk.batch,
        "payload_bytes": broken.chunk.payload_bytes,
        "stored_bytes": broken.stored_bytes,
    })
}

/// A partition and the sum of its chunks.
struct Partition {
    id: u32,
    value: Option<String>,
    chunks: u64,
    rows: u64,
    payload_bytes: u64,
}

fn partitions(manifest: &Manifest) -> Result<Vec<Partition>, Failure> {
    let mut sums = BTreeMap::<u32, (u64, u64, u64)>::new();
    for chunk in manifest.chunks() {
        let (chunks, rows, payload_bytes) = sums.entry(chunk.partition).or_default();
        *chunks += 1;
        *rows += chunk.rows;
        *payload_bytes += chunk.payload_bytes;
    }
    let partitions = manifest.partitions()?.into_iter().map(|(id, value)| {
        let (chunks, rows, payload_bytes) = sums.get(&id).copied().unwrap_or_default();
        Partition { id, value, chunks, rows, payload_bytes }
    });
    Ok(partitions.collect())
}

fn report(prefix: &str, place: &str, manifest: &Manifest, partitions: &[Partition], with_chunks: bool) -> String {
    let column = match manifest.partition_column() {
        Some(column) => format!(" by column '{column}'"),
        None => String::new(),
    };
    let statistics = match manifest.statistics_columns().as_slice() {
        [] => "none".to_string(),
        columns => columns.join(", "),
    };
    let mut text = format!(
        "📦 {prefix} in {place}\n   Partitions: {}{column}\n   Chunks: {}\n   Rows: {}\n   Payload: {}, compression {}\n   \
         Upload id: {}\n   Created: {} by {}\n   Statistics: {statistics}\n\nSchema: {}\n",
        count(partitions.len() as u64),
        count(manifest.chunk_count() as u64),
        count(manifest.rows()),
        megabytes(manifest.payload_bytes()),
        manifest.compression(),
        manifest.upload_id(),
        manifest.created_at(),
        manifest.writer(),
        counted(manifest.schema().fields().len() as u64, "column"),
    );
    let fields = manifest.schema().fields().iter().map(|field| {
        let nullable = if field.is_nullable() { "" } else { "not null" };
        vec![field.name().clone(), field.data_type().to_string(), nullable.to_string()]
    });
    text += &table(&["NAME", "TYPE", ""], &fields.collect::<Vec<_>>());
    text += "\n\n";
    let rows = partitions.iter().map(|partition| {
        vec![
            partition.id.to_string(),
            partition.value.clone().unwrap_or_else(|| "-".to_string()),
            count(partition.chunks),
            count(partition.rows),
            megabytes(partition.payload_bytes),
        ]
    });
    text += &table(&[">PARTITION", "VALUE", ">CHUNKS", ">ROWS", ">SIZE"], &rows.collect::<Vec<_>>());
    if with_chunks {
        let rows = manifest.chunks().map(|chunk| {
            let (rows, bytes) = (count(chunk.rows), count(chunk.payload_bytes));
            vec![chunk.key, rows, bytes, format!("{:016x}", chunk.xxh3)]
        });
        text += "\n\n";
        text += &table(&["KEY", ">ROWS", ">BYTES", "XXH3-64"], &rows.collect::<Vec<_>>());
    }
    text
}

fn describe(manifest: &Manifest, partitions: &[Partition], with_chunks: bool) -> Value {
    let chunks = manifest.chunks().map(|chunk| {
        json!({
            "key": chunk.key,
            "partition": chunk.partition,
            "batch": chunk.batch,
            "rows": chunk.rows,
            "payload_bytes": chunk.payload_bytes,
            "xxh3": format!("{:016x}", chunk.xxh3),
        })
    });
    let mut described = json!({
        "rows": manifest.rows(),
        "chunks": manifest.chunk_count(),
        "payload_bytes": manifest.payload_bytes(),
        "compression": manifest.compression().to_string(),
        "upload_id": manifest.upload_id(),
        "created_at": manifest.created_at(),
        "writer": manifest.writer(),
        "partition_column": manifest.partition_column(),
        "statistics_columns": manifest.statistics_columns(),
        "schema": manifest.schema().fields().iter().map(|field| json!({
            "name": field.name(),
            "type": field.data_type().to_string(),
            "nullable": field.is_nullable(),
        })).collect::<Vec<_>>(),
        "partitions": partitions.iter().map(|partition| json!({
            "id": partition.id,
            "value": partition.value,
            "chunks": partition.chunks,
            "rows": partition.rows,
            "payload_bytes": partition.payload_bytes,
        })).collect::<Vec<_>>(),
    });
    if with_chunks {
        described["chunk_list"] = chunks.collect();
    }
    described
}
