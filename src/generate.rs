//! Test datasets, made from a seed.
//!
//! A batch depends on the options, the seed and its number alone, so that any worker can make any batch in any
//! order and the dataset is the same, byte for byte, on every machine.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, DictionaryArray, Float32Array, Float64Array, Int32Array,
    Int64Array, ListArray, RecordBatch, RecordBatchReader, StringArray, TimestampNanosecondArray,
};
use arrow::buffer::{BooleanBuffer, MutableBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, Int32Type, SchemaRef};
use arrow::error::ArrowError;

use crate::chunk;
use crate::codec::Codec;
use crate::error::{Error, Result};
use crate::export::{EncodedBatch, GeneratedFile, StreamWriter, WriteReport};
use crate::metrics::{Progress, batch_bytes};
use crate::options::{OptionValue, bad_value, options};
use crate::parallel::OrderedMap;
use crate::random::{Stream, Streams};
use crate::runtime::{Context, runtime};
use crate::schema::{PARTITION_COLUMN, generated_schema, list_item};

options! {
    /// What dataset to generate.
    pub struct GenerateOptions {
        /// Number of partitions; their ids count from 0.
        pub partitions: u32 = 8,
        /// Number of record batches in each partition.
        pub batches: u32 = 8,
        /// Number of rows in each record batch.
        pub rows: u32 = 100_000,
        /// Compression of the record batches' bodies.
        pub compression: Codec = Codec::Zstd,
        /// Dictionary-encode the string column: smaller, with the same values.
        pub dict_strings: bool = false,
        /// Number of different words in the string column, up to 10 million; fewer compress better.
        pub string_cardinality: u32 = 5000,
        /// Seed of the random values; the same options and seed give the same bytes.
        pub seed: u64 = 123,
        /// Make several batches at once; does not change the result.
        pub parallel: bool = true,
        /// How many batches are made at once at the most; 0 means one for each CPU thread. Does not change the result.
        pub workers: usize = 0,
    }
}

const INT32_BOUND: i32 = 1_000_000;
const FIRST_TIMESTAMP_NS: i64 = 1_700_000_000_000_000_000;
const TIMESTAMP_SPAN_NS: u64 = 30 * 24 * 3600 * 1_000_000_000;
const DECIMAL_BOUND: i64 = 10_000_000_000;
const MOST_LIST_ITEMS: u32 = 5;
const LIST_ITEM_BOUND: u32 = 1000;

/// The random stream that makes the words; no batch has this number, because row ids are positive.
const VOCABULARY_STREAM: u64 = u64::MAX;
const MOST_WORDS: u32 = 10_000_000;
/// A batch's strings and lists have 32-bit offsets, and a word has up to eight bytes.
const MOST_ROWS: u32 = (i32::MAX as u32) / MAX_WORD_BYTES as u32;
/// The partition column is an int32.
const MOST_PARTITIONS: u32 = 1 << 31;

/// Makes the record batches of a dataset. Can be shared by threads.
#[derive(Debug)]
pub struct Generator {
    options: GenerateOptions,
    schema: SchemaRef,
    words: Words,
}

impl Generator {
    /// Checks the options and makes the vocabulary of the string column.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a number that is zero or too large, naming the option.
    pub fn new(options: &GenerateOptions) -> Result<Self> {
        for (key, value, most) in [
            ("partitions", options.partitions, MOST_PARTITIONS),
            ("batches", options.batches, u32::MAX),
            ("rows", options.rows, MOST_ROWS),
            ("string_cardinality", options.string_cardinality, MOST_WORDS),
        ] {
            if value == 0 || value > most {
                return Err(bad_value(key, &value.show(), &format!("an integer from 1 to {most}")));
            }
        }
        let total_rows =
            [options.partitions, options.batches, options.rows].iter().map(|n| u128::from(*n)).product::<u128>();
        if i64::try_from(total_rows).is_err() {
            return Err(Error::invalid_argument(format!(
                "options 'partitions', 'batches' and 'rows' ask for {total_rows} rows: expected at most {}, \
                 so that every row has an id",
                i64::MAX
            )));
        }
        Ok(Generator {
            options: options.clone(),
            schema: generated_schema(options.dict_strings),
            words: Words::new(options)?,
        })
    }

    /// The schema of every batch.
    pub fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    /// The record batch `batch` of the partition `partition`.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT` for a partition or batch that the dataset does not have.
    pub fn batch(&self, partition: u32, batch: u32) -> Result<RecordBatch> {
        let options = &self.options;
        if partition >= options.partitions || batch >= options.batches {
            return Err(Error::invalid_argument(format!(
                "no partition {partition}, batch {batch} in a dataset of {} partitions with {} batches each",
                options.partitions, options.batches
            )));
        }
        let rows = options.rows as usize;
        let number = u64::from(partition) * u64::from(options.batches) + u64::from(batch);
        let first_id = (number * u64::from(options.rows)) as i64;
        // Every random column has a stream of its own, taken in the order of the columns.
        let mut streams = Streams::new(options.seed, number);
        let columns = [
            ids(first_id, rows),
            constants(partition as i32, rows),
            integers(streams.stream(), rows),
            doubles(streams.stream(), rows),
            floats(streams.stream(), rows),
            booleans(streams.stream(), rows),
            timestamps(streams.stream(), rows),
            decimals(streams.stream(), rows),
            self.words.strings(streams.stream(), rows),
            lists(streams.stream(), rows),
        ];
        columns
            .into_iter()
            .collect::<std::result::Result<Vec<_>, _>>()
            .and_then(|columns| RecordBatch::try_new(self.schema(), columns))
            .map_err(defect)
    }

    /// (partition, batch) of every batch of the dataset, in order.
    pub(crate) fn chunks(&self) -> impl Iterator<Item = (u32, u32)> + Send + use<> {
        let (partitions, batches) = (self.options.partitions, self.options.batches);
        (0..partitions).flat_map(move |partition| (0..batches).map(move |batch| (partition, batch)))
    }

    /// How many batches to make at once.
    pub(crate) fn width(&self) -> Result<usize> {
        let threads = runtime()?.cpu.width();
        Ok(match self.options {
            GenerateOptions { parallel: false, .. } => 1,
            GenerateOptions { workers: 0, .. } => threads,
            GenerateOptions { workers, .. } => workers.min(threads),
        })
    }
}

/// What arrow-rs refuses in arrays that we made ourselves is our mistake.
fn defect(error: ArrowError) -> Error {
    Error::internal(format!("a generated array is not valid: {error}"))
}

/// A buffer of `len` values that `fill` writes, aligned for any reader.
fn filled<T: ArrowNativeType>(len: usize, fill: impl FnOnce(&mut [T])) -> ScalarBuffer<T> {
    let mut buffer = MutableBuffer::from_len_zeroed(len * size_of::<T>());
    fill(buffer.typed_data_mut());
    ScalarBuffer::from(buffer)
}

/// A buffer of `len` values, each made by a call.
fn repeated<T: ArrowNativeType>(len: usize, mut make: impl FnMut() -> T) -> ScalarBuffer<T> {
    filled(len, |out| out.iter_mut().for_each(|value| *value = make()))
}

type Column = std::result::Result<ArrayRef, ArrowError>;

fn ids(first: i64, rows: usize) -> Column {
    let values = filled(rows, |out| out.iter_mut().zip(first..).for_each(|(value, id)| *value = id));
    Ok(Arc::new(Int64Array::new(values, None)))
}

fn constants(constant: i32, rows: usize) -> Column {
    Ok(Arc::new(Int32Array::new(filled(rows, |out| out.fill(constant)), None)))
}

fn integers(mut stream: Stream, rows: usize) -> Column {
    let values = filled(rows, |out| stream.fill_i32(-INT32_BOUND, 2 * INT32_BOUND as u32, out));
    Ok(Arc::new(Int32Array::new(values, None)))
}

fn doubles(mut stream: Stream, rows: usize) -> Column {
    let values = filled(rows, |out| stream.fill_normal(out, |normal| normal));
    Ok(Arc::new(Float64Array::new(values, None)))
}

fn floats(mut stream: Stream, rows: usize) -> Column {
    let values = filled(rows, |out| stream.fill_normal(out, |normal| normal as f32));
    Ok(Arc::new(Float32Array::new(values, None)))
}

fn booleans(mut stream: Stream, rows: usize) -> Column {
    let mut bits = MutableBuffer::with_capacity(rows.div_ceil(64) * 8);
    for start in (0..rows).step_by(64) {
        // Bits beyond the last row are zero.
        let unused = 64 - (rows - start).min(64);
        bits.extend_from_slice(&(stream.bits() >> unused).to_le_bytes());
    }
    bits.truncate(rows.div_ceil(8));
    Ok(Arc::new(BooleanArray::new(BooleanBuffer::new(bits.into(), 0, rows), None)))
}

fn timestamps(mut stream: Stream, rows: usize) -> Column {
    let values = repeated(rows, || FIRST_TIMESTAMP_NS + stream.below(TIMESTAMP_SPAN_NS) as i64);
    Ok(Arc::new(TimestampNanosecondArray::new(values, None)))
}

fn decimals(mut stream: Stream, rows: usize) -> Column {
    let values = repeated(rows, || i128::from(stream.below(2 * DECIMAL_BOUND as u64) as i64 - DECIMAL_BOUND));
    Ok(Arc::new(Decimal128Array::new(values, None).with_precision_and_scale(18, 4)?))
}

fn lists(mut stream: Stream, rows: usize) -> Column {
    let mut total = 0;
    let offsets = filled(rows + 1, |offsets: &mut [i32]| {
        stream.fill_i32(0, MOST_LIST_ITEMS + 1, &mut offsets[1..]);
        for offset in offsets {
            total += *offset;
            *offset = total;
        }
    });
    let items = filled(total as usize, |out| stream.fill_i32(0, LIST_ITEM_BOUND, out));
    let items = Arc::new(Int32Array::new(items, None));
    Ok(Arc::new(ListArray::try_new(list_item(), OffsetBuffer::new(offsets), items, None)?))
}

const CONSONANTS: &[u8; 21] = b"bcdfghjklmnpqrstvwxyz";
const VOWELS: &[u8; 5] = b"aeiou";
const SYLLABLES: u64 = (CONSONANTS.len() * VOWELS.len()) as u64;
const MAX_WORD_BYTES: usize = 8;

/// The vocabulary of the string column.
#[derive(Debug)]
enum Words {
    /// Each word's bytes from the lowest byte up; those beyond its end are zero.
    Plain(Vec<u64>),
    /// The dictionary that all batches share.
    Dictionary(ArrayRef),
}

impl Words {
    fn new(options: &GenerateOptions) -> Result<Self> {
        let words = vocabulary(options.seed, options.string_cardinality as usize);
        if !options.dict_strings {
            return Ok(Words::Plain(words));
        }
        let all: Vec<i32> = (0..options.string_cardinality as i32).collect();
        Ok(Words::Dictionary(Arc::new(gather(&words, &all).map_err(defect)?)))
    }

    /// A string column of words drawn uniformly; the same draws whether plain or dictionary-encoded.
    fn strings(&self, mut stream: Stream, rows: usize) -> Column {
        let mut draw = |words: usize| filled(rows, |out| stream.fill_i32(0, words as u32, out));
        match self {
            Words::Plain(words) => Ok(Arc::new(gather(words, &draw(words.len()))?)),
            Words::Dictionary(dictionary) => {
                let indices = Int32Array::new(draw(dictionary.len()), None);
                Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(indices, dictionary.clone())?))
            }
        }
    }
}

/// Distinct words of two to four syllables, each a consonant and a vowel.
///
/// Each length is as likely as the others, until the shorter words are used up: there are 105^2 words of two
/// syllables, 105^3 of three and 105^4 of four, far more than [`MOST_WORDS`], so words never run out.
fn vocabulary(seed: u64, count: usize) -> Vec<u64> {
    let mut stream = Streams::new(seed, VOCABULARY_STREAM).stream();
    let of_length = [2, 3, 4].map(|syllables| SYLLABLES.pow(syllables));
    // One bit for each possible word; only the pages that are touched cost memory.
    let mut used = of_length.map(|words| vec![0u64; words.div_ceil(64) as usize]);
    let mut words = Vec::with_capacity(count);
    while words.len() < count {
        let length = stream.below(3) as usize;
        let number = stream.below(of_length[length]);
        let bits = &mut used[length][(number / 64) as usize];
        if *bits & (1 << (number % 64)) == 0 {
            *bits |= 1 << (number % 64);
            words.push(spell(number, length + 2));
        }
    }
    words
}

/// The word of so many syllables with this number.
fn spell(mut number: u64, syllables: usize) -> u64 {
    let mut bytes = [0; MAX_WORD_BYTES];
    for syllable in &mut bytes.as_chunks_mut::<2>().0[..syllables] {
        let choice = (number % SYLLABLES) as usize;
        *syllable = [CONSONANTS[choice / VOWELS.len()], VOWELS[choice % VOWELS.len()]];
        number /= SYLLABLES;
    }
    u64::from_le_bytes(bytes)
}

fn word_bytes(word: u64) -> usize {
    MAX_WORD_BYTES - word.leading_zeros() as usize / 8
}

/// The words of these indices as a string array.
fn gather(words: &[u64], indices: &[i32]) -> std::result::Result<StringArray, ArrowError> {
    const RUN: usize = 64;
    let mut total = 0;
    let offsets = filled(indices.len() + 1, |offsets: &mut [i32]| {
        for (offset, index) in offsets[1..].iter_mut().zip(indices) {
            total += word_bytes(words[*index as usize]);
            *offset = total as i32;
        }
    });
    let mut bytes = MutableBuffer::with_capacity(total);
    // Words are copied as eight bytes each, the next one over the padding of the last, into a run that stays in cache.
    let mut run = [0; RUN * MAX_WORD_BYTES];
    for indices in indices.chunks(RUN) {
        let mut end = 0;
        for index in indices {
            let word = words[*index as usize];
            run[end..end + MAX_WORD_BYTES].copy_from_slice(&word.to_le_bytes());
            end += word_bytes(word);
        }
        bytes.extend_from_slice(&run[..end]);
    }
    StringArray::try_new(OffsetBuffer::new(offsets), bytes.into(), None)
}

/// A generated dataset as a stream of record batches, ordered by (partition, batch).
///
/// Batches are made ahead on the CPU threads, a few for each; memory does not grow with the dataset.
pub struct GeneratedReader {
    schema: SchemaRef,
    batches: OrderedMap<(u32, u32), RecordBatch>,
    context: Context,
}

impl GeneratedReader {
    /// Starts an operation that makes the dataset of these options; the first batch is made when it is asked for.
    ///
    /// # Errors
    /// As [`Generator::new`]; also what keeps the library's threads from starting.
    pub fn new(options: &GenerateOptions, context: &Context) -> Result<Self> {
        let generator = Generator::new(options)?;
        let (schema, chunks, width) = (generator.schema(), generator.chunks(), generator.width()?);
        let chunks_expected = u64::from(options.partitions) * u64::from(options.batches);
        Progress::add(&context.progress().chunks_expected, chunks_expected);
        let make = move |(partition, batch)| generator.batch(partition, batch);
        let batches = OrderedMap::new(chunks, width, make).within(context);
        Ok(GeneratedReader { schema, batches, context: context.clone() })
    }

    /// Adds a batch that is handed out to the operation's figures.
    fn record(&self, batch: &RecordBatch) -> Result<()> {
        let progress = self.context.progress();
        let bytes = batch_bytes(batch);
        Progress::add(&progress.rows, batch.num_rows() as u64);
        Progress::add(&progress.chunks, 1);
        Progress::add(&progress.decoded_bytes, bytes);
        Ok(())
    }
}

/// Generates a dataset into an IPC file, with the index in its footer. The file gets its name only when it is
/// complete; a few batches are in memory at once.
///
/// # Errors
/// `INVALID_ARGUMENT` for impossible options; what the file system reports, naming the file.
pub fn generate_file(path: &Path, options: &GenerateOptions, context: &Context) -> Result<WriteReport> {
    let result = write_file(path, options, context);
    context.progress().finish();
    Ok(WriteReport { file_bytes: result?, metrics: context.metrics() })
}

fn write_file(path: &Path, options: &GenerateOptions, context: &Context) -> Result<u64> {
    let generator = Arc::new(Generator::new(options)?);
    let empty = RecordBatch::new_empty(generator.schema());
    let progress = context.progress().clone();
    Progress::add(&progress.chunks_expected, u64::from(options.partitions) * u64::from(options.batches));
    let (codec, width, chunks) = (options.compression, generator.width()?, generator.chunks());
    let make = move |(partition, batch): (u32, u32)| {
        let _busy = progress.decode.start();
        let data = generator.batch(partition, batch)?;
        Progress::add(&progress.decoded_bytes, batch_bytes(&data));
        EncodedBatch::new(&data, codec, partition, batch)
    };
    let named = |e: Error| match e.message().contains('\'') {
        true => e,
        false => e.context(format!("cannot write '{}'", path.display())),
    };
    let mut file = None;
    for encoded in OrderedMap::new(chunks, width, make).within(context) {
        let encoded = encoded?;
        let progress = context.progress();
        let file = match &mut file {
            Some(file) => file,
            None => file.insert(GeneratedFile::create(path, &empty, &encoded, codec, PARTITION_COLUMN).map_err(named)?),
        };
        Progress::add(&progress.rows, u64::from(options.rows));
        Progress::add(&progress.chunks, 1);
        Progress::add(&progress.payload_bytes, encoded.len());
        file.write(encoded).map_err(named)?;
    }
    let file = file.ok_or_else(|| Error::internal("a dataset without batches"))?;
    context.check()?;
    file.finish().map_err(named)
}

/// Generates a dataset into an Arrow IPC stream; a few batches are in memory at once.
///
/// # Errors
/// `INVALID_ARGUMENT` for impossible options; what the writer reports.
pub fn generate_to_stream(out: &mut dyn Write, options: &GenerateOptions, context: &Context) -> Result<WriteReport> {
    let result = write_stream(out, options, context);
    context.progress().finish();
    Ok(WriteReport { file_bytes: result?, metrics: context.metrics() })
}

fn write_stream(out: &mut dyn Write, options: &GenerateOptions, context: &Context) -> Result<u64> {
    let generator = Generator::new(options)?;
    let progress = context.progress().clone();
    Progress::add(&progress.chunks_expected, u64::from(options.partitions) * u64::from(options.batches));
    let (codec, width, chunks) = (options.compression, generator.width()?, generator.chunks());
    let make = move |(partition, batch): (u32, u32)| {
        let _busy = progress.decode.start();
        let data = generator.batch(partition, batch)?;
        Progress::add(&progress.decoded_bytes, batch_bytes(&data));
        chunk::encode_batch(&data, codec)
    };
    let mut stream = StreamWriter::new(out);
    for frames in OrderedMap::new(chunks, width, make).within(context) {
        let frames = frames?;
        stream.write(&frames)?;
        let progress = context.progress();
        Progress::add(&progress.rows, u64::from(options.rows));
        Progress::add(&progress.chunks, 1);
        Progress::add(&progress.payload_bytes, frames.batch.len() as u64);
    }
    context.check()?;
    stream.finish()
}

impl Iterator for GeneratedReader {
    type Item = std::result::Result<RecordBatch, ArrowError>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = self.batches.next().map(|batch| batch.and_then(|batch| self.record(&batch).map(|()| batch)));
        if !matches!(next, Some(Ok(_))) {
            self.context.progress().finish();
        }
        next.map(|batch| batch.map_err(ArrowError::from))
    }
}

impl RecordBatchReader for GeneratedReader {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }
}

impl Drop for GeneratedReader {
    fn drop(&mut self) {
        self.context.progress().finish();
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::time::Duration;

    use std::hash::Hasher;

    use arrow::array::{ArrayData, AsArray};
    use arrow::datatypes::{
        DataType, Decimal128Type, Float32Type, Float64Type, Int64Type, TimeUnit, TimestampNanosecondType,
    };
    use twox_hash::XxHash3_64;

    use super::*;
    use crate::ErrorKind;

    fn options(partitions: u32, batches: u32, rows: u32) -> GenerateOptions {
        GenerateOptions { partitions, batches, rows, ..GenerateOptions::default() }
    }

    fn dict(options: &GenerateOptions) -> GenerateOptions {
        GenerateOptions { dict_strings: true, ..options.clone() }
    }

    fn one_batch(options: &GenerateOptions) -> RecordBatch {
        Generator::new(options).unwrap().batch(0, 0).unwrap()
    }

    /// Every batch of the dataset, made last to first.
    fn made_backwards(options: &GenerateOptions) -> Vec<RecordBatch> {
        let generator = Generator::new(options).unwrap();
        let mut chunks: Vec<_> = generator.chunks().collect();
        chunks.reverse();
        let mut batches: Vec<_> = chunks.iter().map(|(p, b)| generator.batch(*p, *b).unwrap()).collect();
        batches.reverse();
        batches
    }

    fn read(options: &GenerateOptions) -> Vec<RecordBatch> {
        GeneratedReader::new(options, &Context::new()).unwrap().map(|batch| batch.unwrap()).collect()
    }

    fn hash_buffers(hash: &mut XxHash3_64, data: &ArrayData) {
        for buffer in data.buffers() {
            hash.write(&(buffer.len() as u64).to_le_bytes());
            hash.write(buffer);
        }
        data.child_data().iter().for_each(|child| hash_buffers(hash, child));
    }

    /// A hash of every buffer of a column, over all batches.
    fn column_hashes(batches: &[RecordBatch]) -> Vec<(String, u64)> {
        let schema = batches[0].schema();
        let hash_column = |(index, field): (usize, &Arc<arrow::datatypes::Field>)| {
            let mut hash = XxHash3_64::new();
            batches.iter().for_each(|batch| hash_buffers(&mut hash, &batch.column(index).to_data()));
            (field.name().clone(), hash.finish())
        };
        schema.fields().iter().enumerate().map(hash_column).collect()
    }

    #[test]
    fn the_bytes_of_a_seed_never_change() {
        let small = options(2, 3, 1001);
        let golden: Vec<(String, u64)> = [
            ("id64", 13712223464876784744),
            ("partition", 13068135496967548470),
            ("int32_c", 15546550421387613650),
            ("float64_c", 11889430134593756755),
            ("float32_c", 1212747904640579226),
            ("bool_c", 10284151647578589632),
            ("ts_ns", 17640392776901049310),
            ("dec_18_4", 14756132416193722498),
            ("str_c", 7434462852438325706),
            ("list_ints", 12040824971891222788),
        ]
        .map(|(name, hash)| (name.to_string(), hash))
        .to_vec();
        assert_eq!(column_hashes(&made_backwards(&small)), golden);
        let mut golden_dict = golden;
        golden_dict[8].1 = 2884224146817957447;
        assert_eq!(column_hashes(&made_backwards(&dict(&small))), golden_dict);
    }

    #[test]
    fn the_schema_is_what_others_declare() {
        let generator = Generator::new(&options(1, 1, 1)).unwrap();
        let schema = generator.schema();
        let item = Arc::new(arrow::datatypes::Field::new("item", DataType::Int32, true));
        let expected = [
            ("id64", DataType::Int64),
            ("partition", DataType::Int32),
            ("int32_c", DataType::Int32),
            ("float64_c", DataType::Float64),
            ("float32_c", DataType::Float32),
            ("bool_c", DataType::Boolean),
            ("ts_ns", DataType::Timestamp(TimeUnit::Nanosecond, None)),
            ("dec_18_4", DataType::Decimal128(18, 4)),
            ("str_c", DataType::Utf8),
            ("list_ints", DataType::List(item)),
        ];
        let fields: Vec<_> = schema.fields().iter().map(|f| (f.name().as_str(), f.data_type().clone())).collect();
        assert_eq!(fields, expected);
        assert!(schema.fields().iter().all(|field| field.is_nullable()));
        assert!(schema.metadata().is_empty());
        let string = generated_schema(true).field(8).data_type().clone();
        assert_eq!(string, DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8)));
    }

    #[test]
    fn every_value_is_in_its_range_and_every_array_is_valid() {
        for rows in [1, 63, 64, 65, 20_000] {
            for options in [options(3, 2, rows), dict(&options(3, 2, rows))] {
                let batch = Generator::new(&options).unwrap().batch(2, 1).unwrap();
                assert_eq!(batch.num_rows(), rows as usize);
                for column in batch.columns() {
                    column.to_data().validate_full().unwrap();
                    assert_eq!((column.null_count(), column.offset()), (0, 0));
                    let data = column.to_data();
                    assert!(data.buffers().iter().all(|buffer| (buffer.as_ptr() as usize).is_multiple_of(64)));
                }
                let number = 2 * 2 + 1;
                let ids = batch["id64"].as_primitive::<Int64Type>().values();
                assert!(ids.iter().copied().eq((number * i64::from(rows)..).take(rows as usize)));
                assert!(batch["partition"].as_primitive::<Int32Type>().values().iter().all(|p| *p == 2));
                let integers = batch["int32_c"].as_primitive::<Int32Type>().values();
                assert!(integers.iter().all(|v| (-1_000_000..1_000_000).contains(v)));
                let times = batch["ts_ns"].as_primitive::<TimestampNanosecondType>().values();
                let first = 1_700_000_000_000_000_000;
                assert!(times.iter().all(|t| (first..first + 2_592_000_000_000_000).contains(t)));
                let decimals = batch["dec_18_4"].as_primitive::<Decimal128Type>().values();
                assert!(decimals.iter().all(|d| (-10_000_000_000..10_000_000_000).contains(d)));
                let lists = batch["list_ints"].as_list::<i32>();
                assert!(lists.offsets().lengths().all(|length| length <= 5));
                assert!(lists.values().as_primitive::<Int32Type>().values().iter().all(|v| (0..1000).contains(v)));
                assert_eq!(lists.values().len(), lists.offsets()[rows as usize] as usize);
            }
        }
    }

    /// Mean and standard deviation stay within five standard errors of what they should be.
    fn assert_moments(name: &str, values: impl Iterator<Item = f64>, mean: f64, deviation: f64) {
        let values: Vec<f64> = values.collect();
        let n = values.len() as f64;
        let found_mean = values.iter().sum::<f64>() / n;
        let found_deviation = (values.iter().map(|v| (v - found_mean).powi(2)).sum::<f64>() / n).sqrt();
        let tolerance = 5.0 * deviation / n.sqrt();
        assert!((found_mean - mean).abs() < tolerance, "{name}: mean {found_mean}, expected {mean}");
        assert!((found_deviation - deviation).abs() < tolerance, "{name}: {found_deviation}, expected {deviation}");
    }

    #[test]
    fn values_are_distributed_as_promised() {
        let uniform = |span: f64| span / 12f64.sqrt();
        let options = options(1, 1, 500_000);
        let batch = one_batch(&options);
        let integers = batch["int32_c"].as_primitive::<Int32Type>().values().iter();
        assert_moments("int32_c", integers.map(|v| f64::from(*v)), 0.0, uniform(2e6));
        let doubles = batch["float64_c"].as_primitive::<Float64Type>().values().iter();
        assert_moments("float64_c", doubles.copied(), 0.0, 1.0);
        let floats = batch["float32_c"].as_primitive::<Float32Type>().values().iter();
        assert_moments("float32_c", floats.map(|v| f64::from(*v)), 0.0, 1.0);
        let bits = batch["bool_c"].as_boolean().values().iter();
        assert_moments("bool_c", bits.map(|v| f64::from(u8::from(v))), 0.5, 0.5);
        let times = batch["ts_ns"].as_primitive::<TimestampNanosecondType>().values().iter();
        let span = TIMESTAMP_SPAN_NS as f64;
        assert_moments("ts_ns", times.map(|t| (t - FIRST_TIMESTAMP_NS) as f64), span / 2.0, uniform(span));
        let decimals = batch["dec_18_4"].as_primitive::<Decimal128Type>().values().iter();
        assert_moments("dec_18_4", decimals.map(|d| *d as f64), 0.0, uniform(2e10));
        let lists = batch["list_ints"].as_list::<i32>();
        let lengths = lists.offsets().lengths();
        assert_moments("list_ints lengths", lengths.map(|n| n as f64), 2.5, (35.0f64 / 12.0).sqrt());
        let items = lists.values().as_primitive::<Int32Type>().values().iter();
        assert_moments("list_ints items", items.map(|v| f64::from(*v)), 499.5, uniform(1000.0));
        let encoded = one_batch(&dict(&options));
        let indices = encoded["str_c"].as_dictionary::<Int32Type>().keys().values().iter();
        assert_moments("str_c", indices.map(|v| f64::from(*v)), 2499.5, uniform(5000.0));
    }

    #[test]
    fn columns_and_batches_are_independent() {
        let generator = Generator::new(&options(2, 2, 100_000)).unwrap();
        let normals = |p, b, name: &str| -> Vec<f64> {
            let batch = generator.batch(p, b).unwrap();
            match batch[name].as_primitive_opt::<Float64Type>() {
                Some(doubles) => doubles.values().to_vec(),
                None => batch[name].as_primitive::<Float32Type>().values().iter().map(|v| f64::from(*v)).collect(),
            }
        };
        let first = normals(0, 0, "float64_c");
        for (p, b, name) in [(0, 0, "float32_c"), (0, 1, "float64_c"), (1, 0, "float64_c"), (1, 1, "float64_c")] {
            let products = first.iter().zip(normals(p, b, name)).map(|(x, y)| x * y);
            assert_moments(name, products, 0.0, 1.0_f64);
        }
    }

    #[test]
    fn the_vocabulary_has_distinct_pronounceable_words() {
        for cardinality in [1, 2, 5000, 200_000] {
            let options = GenerateOptions { string_cardinality: cardinality, ..dict(&options(1, 1, 10)) };
            let batch = one_batch(&options);
            let words = batch["str_c"].as_dictionary::<Int32Type>().values().as_string::<i32>().clone();
            let distinct: BTreeSet<_> = words.iter().flatten().collect();
            assert_eq!((words.len(), distinct.len()), (cardinality as usize, cardinality as usize));
            for word in distinct {
                assert!([4, 6, 8].contains(&word.len()), "{word}");
                let (syllables, _) = word.as_bytes().as_chunks::<2>();
                assert!(syllables.iter().all(|[c, v]| CONSONANTS.contains(c) && VOWELS.contains(v)), "{word}");
            }
        }
    }

    #[test]
    fn dictionary_strings_have_the_plain_values_and_share_one_dictionary() {
        let small = options(2, 1, 5000);
        let encoded = Generator::new(&dict(&small)).unwrap();
        let batches = [encoded.batch(0, 0).unwrap(), encoded.batch(1, 0).unwrap()];
        let plain = Generator::new(&small).unwrap();
        for (partition, batch) in (0..).zip(&batches) {
            let column = batch["str_c"].as_dictionary::<Int32Type>();
            let values = column.downcast_dict::<StringArray>().unwrap();
            let plain = plain.batch(partition, 0).unwrap();
            assert!(values.into_iter().eq(plain["str_c"].as_string::<i32>()));
        }
        let [first, second] = batches.each_ref().map(|batch| batch["str_c"].as_dictionary::<Int32Type>().values());
        assert!(Arc::ptr_eq(first, second));
    }

    #[test]
    fn workers_change_nothing() {
        let small = dict(&options(3, 7, 500));
        let expected = made_backwards(&small);
        assert_eq!(read(&small), expected);
        for workers in [1, 2, 3, 1_000_000] {
            assert_eq!(read(&GenerateOptions { workers, ..small.clone() }), expected);
        }
        assert_eq!(read(&GenerateOptions { parallel: false, ..small.clone() }), expected);
        let other_seed = GenerateOptions { seed: 124, ..small.clone() };
        assert_ne!(&read(&other_seed)[0]["int32_c"], &expected[0]["int32_c"]);
    }

    #[test]
    fn the_number_of_a_batch_decides_not_its_partition() {
        let by_partition = made_backwards(&options(4, 1, 100));
        let by_batch = made_backwards(&options(1, 4, 100));
        for (left, right) in by_partition.iter().zip(&by_batch) {
            for name in ["id64", "int32_c", "float64_c", "str_c", "list_ints"] {
                assert_eq!(&left[name], &right[name]);
            }
        }
    }

    #[test]
    fn numbers_that_cannot_be_are_refused_by_name() {
        let valid = options(1, 1, 1);
        for (changed, part) in [
            (GenerateOptions { partitions: 0, ..valid.clone() }, "option 'partitions' cannot be '0'"),
            (GenerateOptions { partitions: (1 << 31) + 1, ..valid.clone() }, "option 'partitions' cannot be"),
            (GenerateOptions { batches: 0, ..valid.clone() }, "option 'batches' cannot be '0'"),
            (GenerateOptions { rows: 0, ..valid.clone() }, "option 'rows' cannot be '0'"),
            (GenerateOptions { rows: 1 << 28, ..valid.clone() }, "from 1 to 268435455"),
            (GenerateOptions { string_cardinality: 0, ..valid.clone() }, "option 'string_cardinality' cannot be '0'"),
            (GenerateOptions { string_cardinality: 10_000_001, ..valid.clone() }, "from 1 to 10000000"),
            (options(1 << 31, u32::MAX, 2), "options 'partitions', 'batches' and 'rows' ask for 18446744069414584320"),
        ] {
            let error = Generator::new(&changed).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.message().contains(part), "{error}");
        }
        let generator = Generator::new(&options(2, 3, 1)).unwrap();
        for (partition, batch) in [(2, 0), (0, 3), (u32::MAX, u32::MAX)] {
            let error = generator.batch(partition, batch).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::InvalidArgument);
            assert!(error.message().contains(&format!("no partition {partition}, batch {batch}")), "{error}");
        }
    }

    #[test]
    fn the_largest_dataset_has_its_last_row() {
        let generator = Generator::new(&options(1 << 31, u32::MAX, 1)).unwrap();
        let last = generator.batch((1 << 31) - 1, u32::MAX - 1).unwrap();
        assert_eq!(last["id64"].as_primitive::<Int64Type>().values(), &[i64::MAX - (1 << 31)]);
        assert_eq!(last["partition"].as_primitive::<Int32Type>().values(), &[i32::MAX]);
    }

    #[test]
    fn the_reader_counts_what_it_hands_out() {
        let context = Context::new();
        let mut reader = GeneratedReader::new(&options(2, 3, 100), &context).unwrap();
        assert_eq!(reader.schema(), generated_schema(false));
        assert_eq!((context.metrics().chunks, context.metrics().chunks_expected), (0, 6));
        let first = reader.next().unwrap().unwrap();
        assert_eq!((context.metrics().rows, context.metrics().chunks), (100, 1));
        assert_eq!(context.metrics().decoded_bytes, batch_bytes(&first));
        let fixed_width = 100 * (8 + 4 + 4 + 8 + 4 + 8 + 16) + 13;
        let strings = first["str_c"].as_string::<i32>().values().len() as u64 + 101 * 4;
        let lists = first["list_ints"].as_list::<i32>().values().len() as u64 * 4 + 101 * 4;
        assert_eq!(context.metrics().decoded_bytes, fixed_width + strings + lists);
        assert_eq!(reader.by_ref().count(), 5);
        let done = context.metrics();
        assert_eq!((done.rows, done.chunks), (600, 6));
        std::thread::sleep(Duration::from_millis(2));
        assert_eq!(context.metrics(), done, "the clock stopped at the end");
    }

    #[test]
    fn cancel_and_deadline_stop_the_reader() {
        let endless = options(1 << 31, 1000, 1000);
        let context = Context::new();
        let mut reader = GeneratedReader::new(&endless, &context).unwrap();
        assert!(reader.by_ref().take(10).all(|batch| batch.is_ok()));
        context.cancel_token().cancel();
        assert_eq!(Error::from(reader.next().unwrap().unwrap_err()).kind(), ErrorKind::Cancelled);
        assert!(reader.next().is_none());

        let context = Context::new().with_timeout(Duration::from_millis(20));
        let reader = GeneratedReader::new(&endless, &context).unwrap();
        let error = reader.map(|batch| batch.map_err(Error::from)).find_map(Result::err).unwrap();
        assert_eq!(error.kind(), ErrorKind::Timeout);
    }
}
