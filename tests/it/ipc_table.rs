//! The table of IPC features and Arrow types in `docs/ipc-files.md`: each cell is what really happens.
//!
//! `equal` means that pyarrow finds what was read equal to what it wrote, by schema, rows and values. Anything else
//! is the error, word by word.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrowredis::{
    Codec, Context, Dataset, Error, FileOptions, FileReadOptions, IpcFile, ReadOptions, Source, SplitOptions,
    read_file_to_file, upload_file,
};
use tempfile::TempDir;

use crate::common::python::oracle;
use crate::common::s3::{S3Server, url};
use crate::common::stores::{TestStore, memory};
use crate::foreign::{Case, cases};

const DOCUMENT: &str = "docs/ipc-files.md";
const START: &str = "<!-- made by tests/it/ipc_table.rs: run it with ARROWREDIS_UPDATE=1 -->\n";
const COLUMNS: [&str; 5] = ["file, mapped", "file, read", "file on S3", "published from a file", "from a stream"];

struct Row {
    name: String,
    types: String,
    /// One for each of [`COLUMNS`]; empty where pyarrow does not write such a file or stream.
    cells: Vec<String>,
}

/// What pyarrow is to compare.
#[derive(Default)]
struct Pairs(Vec<(PathBuf, PathBuf)>);

struct Bench {
    dir: TempDir,
    server: S3Server,
    store: TestStore,
    pairs: Pairs,
}

impl Bench {
    fn cell(&mut self, original: &Path, column: usize, result: Result<PathBuf, Error>) -> String {
        match result {
            Ok(read) => {
                self.pairs.0.push((original.to_path_buf(), read));
                "equal".to_string()
            }
            Err(error) => {
                let places = [original.display().to_string(), url(&name_of(original))];
                let text = places.iter().fold(error.to_string(), |text, place| text.replace(place, "FILE"));
                assert_eq!(
                    error.kind(),
                    arrowredis::ErrorKind::Unsupported,
                    "{} {}: {text}",
                    name_of(original),
                    COLUMNS[column]
                );
                text
            }
        }
    }

    fn out(&self, original: &Path, column: usize) -> PathBuf {
        self.dir.path().join(format!("{}.{column}.out", name_of(original)))
    }

    /// A file that is read and written again without any store.
    fn in_place(&self, path: &Path, column: usize) -> Result<PathBuf, Error> {
        let (ctx, out) = (Context::new(), self.out(path, column));
        let (location, opening) = match COLUMNS[column] {
            "file on S3" => {
                upload_file(path, &url(&name_of(path)), &self.server.options(), &ctx).unwrap();
                (url(&name_of(path)), FileOptions { s3: self.server.options(), ..FileOptions::default() })
            }
            _ => (path.display().to_string(), FileOptions { mmap: column == 0, ..FileOptions::default() }),
        };
        let file = Arc::new(IpcFile::open_at(&location, &opening, &ctx)?);
        let batches = file.schema().index_of("partition").is_err().then_some(2);
        let options = FileReadOptions { batches, ..FileReadOptions::default() };
        // Compressed otherwise than the file, so that every value is decoded and encoded anew.
        read_file_to_file(&file, &options, Codec::Zstd, &out, &ctx).map(|_| out)
    }

    fn published(&self, case: &Case, path: &Path, column: usize) -> Result<PathBuf, Error> {
        let (ctx, out, prefix) = (Context::new(), self.out(path, column), name_of(path));
        let source = match case.is_file {
            true => Source::File(Arc::new(IpcFile::open(path, true)?)),
            false => Source::Stream(Box::new(std::fs::File::open(path).unwrap())),
        };
        let batches = (!case.has_column).then_some(2);
        let options = SplitOptions { compression: Codec::Lz4, batches, ..SplitOptions::default() };
        arrowredis::split(source, &self.store.store, &prefix, &options, &ctx)?;
        let dataset = Dataset::open(&self.store.store, &prefix, &ctx)?;
        arrowredis::read_to_file(&dataset, &ReadOptions::default(), Codec::None, &out, &ctx).map(|_| out)
    }
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap().to_string_lossy().into_owned()
}

/// The types of the columns that a case is about.
fn types(path: &Path) -> String {
    let Ok(file) = IpcFile::open(path, true) else { return String::new() };
    let ours = ["partition", "id64", "text"];
    let fields = file.schema().fields().iter().filter(|field| !ours.contains(&field.name().as_str()));
    let types: BTreeSet<String> = fields.map(|field| short(&field.data_type().to_string())).collect();
    types.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

fn short(name: &str) -> String {
    const LONGEST: usize = 60;
    let text: String = name.chars().take(LONGEST).collect();
    if text.len() < name.len() { text + "…" } else { text }
}

fn rows(bench: &mut Bench) -> Vec<Row> {
    let folder = bench.dir.path().to_path_buf();
    let mut rows: Vec<Row> = Vec::new();
    for case in cases(&folder).iter().filter(|case| !case.name.starts_with("partition_")) {
        let path = folder.join(&case.name);
        let name = case.name.split('.').next().unwrap().replace('_', " ");
        if rows.last().is_none_or(|row| row.name != name) {
            rows.push(Row { name, types: String::new(), cells: vec![String::new(); COLUMNS.len()] });
        }
        let columns = if case.is_file { 0..4 } else { 4..5 };
        for column in columns {
            let read = if column < 3 { bench.in_place(&path, column) } else { bench.published(case, &path, column) };
            let cell = bench.cell(&path, column, read);
            let row = rows.last_mut().unwrap();
            row.cells[column] = cell;
            if case.is_file {
                row.types = types(&path);
            }
        }
    }
    let path = folder.join("big_endian.arrow");
    std::fs::write(&path, big_endian(&std::fs::read(folder.join("plain.arrow")).unwrap())).unwrap();
    let mut cells: Vec<String> = (0..3)
        .map(|column| {
            let read = bench.in_place(&path, column);
            bench.cell(&path, column, read)
        })
        .collect();
    let case = Case { name: name_of(&path), is_file: true, mixed: false, has_column: true, rows: 24 };
    let read = bench.published(&case, &path, 3);
    cells.push(bench.cell(&path, 3, read));
    cells.push(String::new());
    rows.push(Row { name: "big endian".to_string(), types: String::new(), cells });
    rows
}

/// The file with another footer, which says that the data is big-endian; nothing else of it is looked at.
fn big_endian(file: &[u8]) -> Vec<u8> {
    use arrow_ipc::{Endianness, FooterBuilder, MetadataVersion, SchemaBuilder};
    let mut builder = flatbuffers::FlatBufferBuilder::new();
    let fields = builder.create_vector::<flatbuffers::WIPOffset<arrow_ipc::Field<'_>>>(&[]);
    let mut schema = SchemaBuilder::new(&mut builder);
    schema.add_endianness(Endianness::Big);
    schema.add_fields(fields);
    let schema = schema.finish();
    let mut footer = FooterBuilder::new(&mut builder);
    footer.add_version(MetadataVersion::V5);
    footer.add_schema(schema);
    let footer = footer.finish();
    builder.finish(footer, None);
    let footer = builder.finished_data();
    let old = i32::from_le_bytes(file[file.len() - 10..file.len() - 6].try_into().unwrap()) as usize;
    let messages = &file[..file.len() - 10 - old];
    [messages, footer, &(footer.len() as i32).to_le_bytes(), b"ARROW1"].concat()
}

fn table(rows: &[Row]) -> String {
    let mut text = format!("| what pyarrow writes | types | {} |\n", COLUMNS.join(" | "));
    text += &format!("{}|\n", "| --- ".repeat(COLUMNS.len() + 2));
    for row in rows {
        let cells: Vec<String> = row.cells.iter().map(|cell| cell.replace('|', "\\|")).collect();
        text += &format!("| {} | {} | {} |\n", row.name, row.types.replace('|', "\\|"), cells.join(" | "));
    }
    text
}

#[test]
fn every_cell_is_what_happens() {
    let mut bench =
        Bench { dir: TempDir::new().unwrap(), server: S3Server::start(), store: memory(), pairs: Pairs::default() };
    let rows = rows(&mut bench);
    assert!(bench.pairs.0.len() > 100, "{} files and streams were read", bench.pairs.0.len());
    let paths: Vec<String> =
        bench.pairs.0.iter().flat_map(|(a, b)| [a, b]).map(|path| path.display().to_string()).collect();
    oracle("compare.py", &paths.iter().map(String::as_str).collect::<Vec<_>>());

    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(DOCUMENT);
    let document = std::fs::read_to_string(&path).unwrap();
    let (before, committed) = document.split_once(START).expect("the document has a place for the table");
    let found = table(&rows);
    if std::env::var_os("ARROWREDIS_UPDATE").is_some() {
        std::fs::write(&path, format!("{before}{START}{found}")).unwrap();
    } else {
        assert_eq!(committed, found, "{DOCUMENT} says otherwise");
    }
}
