//! Random arrays of every type, with garbage under their nulls, offsets, duplicates in their dictionaries.

use std::sync::Arc;

use arrow::array::types::{Int16Type, Int32Type, Int64Type};
use arrow::array::*;
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::*;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

/// The generator of a test; what it makes depends on the seed alone.
pub(crate) fn generator(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

fn field(data_type: DataType) -> FieldRef {
    Arc::new(Field::new("item", data_type, true))
}

fn entries(value: DataType) -> FieldRef {
    let fields = vec![Field::new("keys", DataType::Utf8, false), Field::new("values", value, true)];
    Arc::new(Field::new("entries", DataType::Struct(fields.into()), false))
}

pub(crate) fn dictionary(key: DataType, value: DataType) -> DataType {
    DataType::Dictionary(Box::new(key), Box::new(value))
}

fn run_ends(ends: DataType, value: DataType) -> DataType {
    let ends = Arc::new(Field::new("run_ends", ends, false));
    DataType::RunEndEncoded(ends, Arc::new(Field::new("values", value, true)))
}

fn union(mode: UnionMode, types: [DataType; 2]) -> DataType {
    let fields = types.map(|data_type| Field::new(format!("{data_type}"), data_type, true));
    DataType::Union(UnionFields::try_new([3, 5], fields).unwrap(), mode)
}

fn structure(types: [DataType; 2]) -> DataType {
    let [a, b] = types;
    DataType::Struct(vec![Field::new("a", a, true), Field::new("b", b, true)].into())
}

/// The types without children.
pub(crate) fn flat_types() -> Vec<DataType> {
    use DataType::*;
    let zone = || Some("+02:00".into());
    let mut types = vec![
        Null,
        Boolean,
        Int8,
        Int16,
        Int32,
        Int64,
        UInt8,
        UInt16,
        UInt32,
        UInt64,
        Float16,
        Float32,
        Float64,
        Date32,
        Date64,
        Utf8,
        LargeUtf8,
        Utf8View,
        Binary,
        LargeBinary,
        BinaryView,
    ];
    types.extend([FixedSizeBinary(0), FixedSizeBinary(5), Decimal32(5, 2), Decimal64(12, 2)]);
    types.extend([Decimal128(18, 4), Decimal256(50, 4)]);
    types.extend([Time32(TimeUnit::Second), Time32(TimeUnit::Millisecond)]);
    types.extend([Time64(TimeUnit::Microsecond), Time64(TimeUnit::Nanosecond)]);
    for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond] {
        types.extend([Timestamp(unit, None), Timestamp(unit, zone()), Duration(unit)]);
    }
    types.extend([IntervalUnit::YearMonth, IntervalUnit::DayTime, IntervalUnit::MonthDayNano].map(Interval));
    types
}

/// Every kind of type with children, over two given types.
pub(crate) fn types_over(first: &DataType, second: &DataType) -> Vec<DataType> {
    use DataType::*;
    let item = || field(first.clone());
    let both = || [first.clone(), second.clone()];
    vec![
        List(item()),
        LargeList(item()),
        ListView(item()),
        LargeListView(item()),
        FixedSizeList(item(), 0),
        FixedSizeList(item(), 3),
        Map(entries(first.clone()), false),
        structure(both()),
        union(UnionMode::Dense, both()),
        union(UnionMode::Sparse, both()),
    ]
}

/// Every way to write values of a type elsewhere.
pub(crate) fn encodings_of(value: &DataType) -> Vec<DataType> {
    use DataType::*;
    let mut types: Vec<_> = [Int8, Int16, Int32, Int64, UInt8, UInt16, UInt32, UInt64]
        .into_iter()
        .map(|key| dictionary(key, value.clone()))
        .collect();
    types.extend([Int16, Int32, Int64].map(|ends| run_ends(ends, value.clone())));
    types
}

/// Every type that the tables of cases go through.
pub(crate) fn all_types() -> Vec<DataType> {
    use DataType::*;
    let mut types = flat_types();
    types.extend(types_over(&Int32, &Utf8));
    types.extend(types_over(&dictionary(Int8, Utf8), &Boolean));
    types.extend(types_over(&List(field(Float64)), &structure([Utf8View, Boolean])));
    types.extend(encodings_of(&Utf8));
    types.extend(encodings_of(&Float64));
    types.push(dictionary(Int32, List(field(Int16))));
    types.push(run_ends(Int32, dictionary(Int8, Utf8)));
    types.push(dictionary(Int16, structure([Int8, Utf8])));
    types
}

/// A random type, up to three levels deep.
pub(crate) fn random_type(rng: &mut StdRng, depth: usize) -> DataType {
    let mut pick = |types: Vec<DataType>| types[rng.random_range(0..types.len())].clone();
    let flat = pick(flat_types());
    if depth == 0 || rng.random_bool(0.3) {
        return flat;
    }
    let inner = random_type(rng, depth - 1);
    let plain = !matches!(inner, DataType::Null | DataType::Union(..) | DataType::RunEndEncoded(..));
    let mut choices = types_over(&inner, &flat);
    if plain && !matches!(inner, DataType::Dictionary(..)) {
        choices.extend(encodings_of(&inner));
    }
    choices[rng.random_range(0..choices.len())].clone()
}

/// A random array whose first row need not be the first of its buffers.
pub(crate) fn array(rng: &mut StdRng, data_type: &DataType, len: usize) -> ArrayRef {
    let before = rng.random_range(0..10);
    let after = rng.random_range(0..3);
    plain(rng, data_type, before + len + after).slice(before, len)
}

fn plain(rng: &mut StdRng, data_type: &DataType, len: usize) -> ArrayRef {
    use DataType::*;
    let nulls = nulls(rng, len);
    match data_type {
        Null => Arc::new(NullArray::new(len)),
        Boolean => Arc::new(BooleanArray::new(BooleanBuffer::collect_bool(len, |_| rng.random_bool(0.5)), nulls)),
        FixedSizeBinary(width) => {
            let values =
                Buffer::from_vec((0..len * *width as usize).map(|_| rng.random_range(0..2u8)).collect::<Vec<_>>());
            Arc::new(FixedSizeBinaryArray::try_new_with_len(*width, values, nulls, len).unwrap())
        }
        Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView => {
            // The values under nulls stay in the buffers.
            let values: ArrayRef = Arc::new(StringArray::from_iter_values((0..len).map(|_| word(rng))));
            let values = arrow::compute::cast(&values, data_type).unwrap();
            make_array(values.to_data().into_builder().nulls(nulls).build().unwrap())
        }
        List(item) => list::<i32>(rng, item, len, nulls),
        LargeList(item) => list::<i64>(rng, item, len, nulls),
        ListView(item) => list_view::<i32>(rng, item, len, nulls),
        LargeListView(item) => list_view::<i64>(rng, item, len, nulls),
        FixedSizeList(item, size) => {
            let values = array(rng, item.data_type(), len * *size as usize);
            Arc::new(FixedSizeListArray::try_new_with_length(item.clone(), *size, values, nulls, len).unwrap())
        }
        Map(entries, sorted) => {
            let Struct(fields) = entries.data_type() else { unreachable!() };
            let offsets = offsets::<i32>(rng, len);
            let count = offsets.last().as_usize();
            let keys = StringArray::from_iter_values((0..count).map(|_| word(rng)));
            let values = array(rng, fields[1].data_type(), count);
            let pairs = StructArray::new(fields.clone(), vec![Arc::new(keys), values], None);
            Arc::new(MapArray::new(entries.clone(), offsets, pairs, nulls, *sorted))
        }
        Struct(fields) => {
            let columns = fields.iter().map(|field| array(rng, field.data_type(), len)).collect();
            Arc::new(StructArray::new(fields.clone(), columns, nulls))
        }
        Union(fields, mode) => {
            let ids: Vec<i8> = (0..len).map(|_| if rng.random_bool(0.7) { 3 } else { 5 }).collect();
            let mut used = [0i32; 2];
            let offsets: Vec<i32> = ids
                .iter()
                .map(|id| {
                    let used = &mut used[usize::from(*id == 5)];
                    *used += i32::from(rng.random_bool(0.9) || *used == 0);
                    *used - 1
                })
                .collect();
            let dense = *mode == UnionMode::Dense;
            let children = fields
                .iter()
                .zip(used)
                .map(|((_, field), used)| array(rng, field.data_type(), if dense { used as usize } else { len }))
                .collect();
            let offsets = dense.then(|| offsets.into());
            Arc::new(UnionArray::try_new(fields.clone(), ids.into(), offsets, children).unwrap())
        }
        Dictionary(key, value) => {
            let values = array(rng, value, 6);
            macro_rules! keyed {
                ($key:ty) => {{
                    type Native = <$key as ArrowPrimitiveType>::Native;
                    let keys: Vec<Native> = (0..len).map(|_| rng.random_range(0..6u8) as Native).collect();
                    Arc::new(DictionaryArray::<$key>::new(PrimitiveArray::new(keys.into(), nulls), values))
                }};
            }
            downcast_integer! { key.as_ref() => (keyed), _ => unreachable!() }
        }
        RunEndEncoded(ends, values) => match ends.data_type() {
            Int16 => runs::<Int16Type>(rng, values, len),
            Int32 => runs::<Int32Type>(rng, values, len),
            _ => runs::<Int64Type>(rng, values, len),
        },
        fixed => {
            let width = fixed.primitive_width().unwrap();
            let values: Vec<u8> = (0..len).flat_map(|_| number(rng, fixed, width)).collect();
            let data = ArrayData::builder(fixed.clone()).len(len).add_buffer(Buffer::from(values)).nulls(nulls);
            make_array(data.align_buffers(true).build().unwrap())
        }
    }
}

fn nulls(rng: &mut StdRng, len: usize) -> Option<NullBuffer> {
    let share = [0.0, 0.0, 0.05, 0.5, 0.95][rng.random_range(0..5)];
    (share > 0.0).then(|| NullBuffer::new(BooleanBuffer::collect_bool(len, |_| !rng.random_bool(share))))
}

/// One of few numbers, so that rows often agree by chance; floats are often special.
fn number(rng: &mut StdRng, data_type: &DataType, width: usize) -> Vec<u8> {
    let choice = rng.random_range(0..8);
    match (data_type, choice) {
        (DataType::Float64, 0) => {
            f64::from_bits(0x7ff8_0000_0000_0000 + rng.random_range(0..3u64)).to_ne_bytes().into()
        }
        (DataType::Float64, 1) => (-0.0f64).to_ne_bytes().into(),
        (DataType::Float32, 0) => f32::from_bits(0x7fc0_0000 + rng.random_range(0..3u32)).to_ne_bytes().into(),
        (DataType::Float32, 1) => (-0.0f32).to_ne_bytes().into(),
        (DataType::Float16, 0) => (0x7e00 + rng.random_range(0..3u16)).to_ne_bytes().into(),
        (DataType::Float16, 1) => 0x8000u16.to_ne_bytes().into(),
        _ => {
            let mut bytes = vec![0; width];
            bytes[0] = rng.random_range(0..4);
            bytes
        }
    }
}

fn word(rng: &mut StdRng) -> String {
    const WORDS: [&str; 8] = [
        "",
        "a",
        "b",
        "twelve bytes",
        "twelve byteS",
        "thirteen byte",
        "thirteen bytE",
        "a longer string, with ünïcode",
    ];
    WORDS[rng.random_range(0..WORDS.len())].to_string()
}

fn offsets<O: OffsetSizeTrait>(rng: &mut StdRng, len: usize) -> OffsetBuffer<O> {
    OffsetBuffer::from_lengths((0..len).map(|_| rng.random_range(0..3)))
}

fn list<O: OffsetSizeTrait>(rng: &mut StdRng, item: &FieldRef, len: usize, nulls: Option<NullBuffer>) -> ArrayRef {
    let offsets = offsets::<O>(rng, len);
    let values = array(rng, item.data_type(), offsets.last().as_usize());
    Arc::new(GenericListArray::<O>::new(item.clone(), offsets, values, nulls))
}

/// Lists that overlap, or follow each other.
fn list_view<O: OffsetSizeTrait>(rng: &mut StdRng, item: &FieldRef, len: usize, nulls: Option<NullBuffer>) -> ArrayRef {
    const CHILDREN: usize = 20;
    let values = array(rng, item.data_type(), CHILDREN);
    let mut next = 0;
    let (offsets, sizes): (Vec<O>, Vec<O>) = (0..len)
        .map(|_| {
            let size = rng.random_range(0..3);
            let jump = next + size > CHILDREN || rng.random_bool(0.3);
            let start = if jump { rng.random_range(0..CHILDREN - 2) } else { next };
            next = start + size;
            (O::usize_as(start), O::usize_as(size))
        })
        .unzip();
    let (offsets, sizes) = (ScalarBuffer::from(offsets), ScalarBuffer::from(sizes));
    Arc::new(GenericListViewArray::<O>::new(item.clone(), offsets, sizes, values, nulls))
}

fn runs<R: RunEndIndexType>(rng: &mut StdRng, values: &FieldRef, len: usize) -> ArrayRef {
    let mut ends = Vec::new();
    let mut end = 0;
    while end < len {
        end = len.min(end + rng.random_range(1..5));
        ends.push(R::Native::from_usize(end).unwrap());
    }
    let values = array(rng, values.data_type(), ends.len());
    Arc::new(RunArray::<R>::try_new(&PrimitiveArray::from_iter_values(ends), &values).unwrap())
}
