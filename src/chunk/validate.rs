//! Whether the contents of an array are what its type promises: offsets in order, keys within the dictionary,
//! text that is UTF-8.
//!
//! Arrow's own check goes value by value, which took a fifth of the processor time of adding up a mapped file. The
//! loops here look at all values alike, so that the compiler can use vectors; they say only whether everything is
//! right beyond doubt. In doubt, and for all other types, Arrow's check decides and words the error.

use arrow::array::{ArrayData, ArrowNativeTypeOp, OffsetSizeTrait};
use arrow::datatypes::{ArrowNativeType, DataType};
use arrow::error::ArrowError;

/// Accepts and refuses what [`ArrayData::validate_data`] does: all but the contents of children, which have been
/// checked when they were made.
pub(super) fn validate(data: &ArrayData) -> Result<(), ArrowError> {
    // From here on every buffer is known to be aligned and long enough for the array's length.
    data.validate()?;
    data.validate_nulls()?;
    if is_valid(data) { Ok(()) } else { data.validate_values() }
}

/// True only if the values are valid; false says nothing.
fn is_valid(data: &ArrayData) -> bool {
    use DataType::*;
    match data.data_type() {
        Utf8 => is_text::<i32>(data),
        LargeUtf8 => is_text::<i64>(data),
        Binary => in_order(offsets::<i32>(data), data.buffers()[1].len()),
        LargeBinary => in_order(offsets::<i64>(data), data.buffers()[1].len()),
        List(_) | Map(..) => in_order(offsets::<i32>(data), data.child_data()[0].len()),
        LargeList(_) => in_order(offsets::<i64>(data), data.child_data()[0].len()),
        Dictionary(keys, _) => keys_exist(data, keys),
        _ => false,
    }
}

/// The offsets: one more than there are values, or none at all if there are no values.
fn offsets<T: ArrowNativeType>(data: &ArrayData) -> &[T] {
    let offsets = data.buffer::<T>(0);
    if data.is_empty() && offsets.is_empty() { offsets } else { &offsets[..=data.len()] }
}

/// Whether offsets start at zero or above, never decrease, and end within `limit`.
fn in_order<T: OffsetSizeTrait + ArrowNativeTypeOp + std::ops::BitOr<Output = T>>(offsets: &[T], limit: usize) -> bool {
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return true };
    // The sign is set by any offset or difference below zero. Differences of others cannot overflow.
    let signs = offsets.iter().zip(&offsets[1..]).fold(*first, |signs, (a, b)| signs | *b | b.sub_wrapping(*a));
    signs >= T::zero() && last.as_usize() <= limit
}

fn is_text<T: OffsetSizeTrait + ArrowNativeTypeOp + std::ops::BitOr<Output = T>>(data: &ArrayData) -> bool {
    let (offsets, values) = (offsets::<T>(data), data.buffers()[1].as_slice());
    if !in_order(offsets, values.len()) {
        return false;
    }
    let (Some(first), Some(last)) = (offsets.first(), offsets.last()) else { return true };
    // In range: the offsets are in order.
    let text = &values[first.as_usize()..last.as_usize()];
    if text.is_ascii() {
        return true;
    }
    let Ok(text) = std::str::from_utf8(text) else { return false };
    offsets.iter().all(|offset| text.is_char_boundary(offset.as_usize() - first.as_usize()))
}

/// Whether the dictionary has all keys, those of nulls included, which may be anything.
fn keys_exist(data: &ArrayData, key_type: &DataType) -> bool {
    let Some(last) = data.child_data()[0].len().checked_sub(1) else { return data.is_empty() };
    macro_rules! exist {
        ($key:ty as $unsigned:ty) => {{
            let keys = &data.buffer::<$key>(0)[..data.len()];
            // As unsigned numbers, negative keys are above all others.
            let last = last.min(<$key>::MAX as usize) as $unsigned;
            !keys.iter().fold(false, |beyond, key| beyond | (*key as $unsigned > last))
        }};
    }
    match key_type {
        DataType::Int8 => exist!(i8 as u8),
        DataType::Int16 => exist!(i16 as u16),
        DataType::Int32 => exist!(i32 as u32),
        DataType::Int64 => exist!(i64 as u64),
        DataType::UInt8 => exist!(u8 as u8),
        DataType::UInt16 => exist!(u16 as u16),
        DataType::UInt32 => exist!(u32 as u32),
        DataType::UInt64 => exist!(u64 as u64),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Array, ArrayDataBuilder, StringArray};
    use arrow::buffer::{Buffer, MutableBuffer, NullBuffer};
    use arrow::datatypes::Field;
    use rand::Rng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::runtime::catch_panic;
    use crate::verify::tests::random;

    /// What has not been looked at yet.
    fn unchecked(builder: ArrayDataBuilder) -> ArrayData {
        // SAFETY: only the checks see it.
        unsafe { builder.build_unchecked() }
    }

    fn bytes<T: ArrowNativeType>(values: &[T]) -> Buffer {
        Buffer::from_slice_ref(values)
    }

    fn text<T: ArrowNativeType>(data_type: DataType, offsets: &[T], values: &[u8]) -> ArrayData {
        let len = offsets.len().saturating_sub(1);
        unchecked(ArrayData::builder(data_type).len(len).buffers(vec![bytes(offsets), bytes(values)]))
    }

    fn list<T: ArrowNativeType>(data_type: fn(Arc<Field>) -> DataType, offsets: &[T], values: usize) -> ArrayData {
        let items = Arc::new(Field::new("item", DataType::Boolean, true));
        let builder = ArrayData::builder(data_type(items)).len(offsets.len() - 1).add_buffer(bytes(offsets));
        unchecked(builder.add_child_data(ArrayData::new_null(&DataType::Boolean, values)))
    }

    fn keyed<T: ArrowNativeType>(key_type: DataType, keys: &[T], values: usize) -> ArrayDataBuilder {
        let words = StringArray::from_iter_values((0..values).map(|i| format!("word {i}")));
        ArrayData::builder(random::dictionary(key_type, DataType::Utf8))
            .len(keys.len())
            .add_buffer(bytes(keys))
            .add_child_data(words.to_data())
    }

    #[test]
    fn each_wrong_array_is_refused_for_what_is_wrong() {
        use DataType::*;
        let short = |builder: ArrayDataBuilder| unchecked(builder.len(4));
        let cases = [
            (text(Utf8, &[-1i32, 1], b"a"), "offset[0] (-1)"),
            (text(LargeBinary, &[-1i64, 1], b"a"), "offset[0] (-1)"),
            (text(Binary, &[0i32, -1, 1], b"a"), "Could not convert offset -1"),
            (text(Binary, &[0i32, 2, 1, 3], b"abc"), "non-monotonic offset at slot 1: 2 > 1"),
            (text(LargeUtf8, &[0i64, 2, 1, 3], b"abc"), "non-monotonic offset at slot 1: 2 > 1"),
            (text(Utf8, &[0i32, i32::MAX, 1], b"a"), "out of bounds: 2147483647 > 1"),
            // All differences are positive, if they may overflow.
            (text(Binary, &[0i32, i32::MAX, i32::MIN, -1, 1], b"a"), "out of bounds: 2147483647 > 1"),
            (text(LargeUtf8, &[0i64, i64::MAX, i64::MIN, -1, 1], b"a"), "out of bounds: 9223372036854775807 > 1"),
            (text(Utf8, &[2i32, 1], b"abc"), "First offset 2"),
            (text(Utf8, &[0i32, 4], b"abc"), "Last offset 4 of Utf8 is larger than values length 3"),
            (text(LargeBinary, &[0i64, 4], b"abc"), "Last offset 4 of LargeBinary is larger than values length 3"),
            (text(Utf8, &[0i32, 1, 2], "ü".as_bytes()), "incomplete utf-8 byte sequence from index 0"),
            (text(LargeUtf8, &[0i64, 2, 3, 4], "aüb".as_bytes()), "incomplete utf-8 byte sequence from index 0"),
            (text(Utf8, &[1i32, 2], "ü".as_bytes()), "Invalid UTF8 sequence at string index 0 (1..2)"),
            (text(Utf8, &[0i32, 1, 2], b"a\xff"), "Invalid UTF8 sequence at string index 1 (1..2)"),
            (
                short(ArrayData::builder(Utf8).buffers(vec![bytes(&[0i32; 4]), bytes::<u8>(&[])])),
                "Expected 20 bytes got 16",
            ),
            (short(ArrayData::builder(Int64).add_buffer(bytes(&[0i64; 3]))), "at least 32 bytes"),
            (short(ArrayData::builder(FixedSizeBinary(3)).add_buffer(bytes(&[0u8; 11]))), "at least 12 bytes"),
            (unchecked(ArrayData::builder(Boolean).len(9).add_buffer(bytes(&[0u8]))), "at least 2 bytes for bitmap"),
            (list(List, &[0i32, 2, 1, 3], 3), "non-monotonic offset at slot 1: 2 > 1"),
            (list(List, &[0i32, 4], 3), "Last offset 4"),
            (list(LargeList, &[0i64, -2, 3], 3), "Could not convert offset -2"),
            (list(LargeList, &[i64::MIN, 0], 3), "offset[0] (-9223372036854775808)"),
            (short(keyed(Int32, &[0i32; 3], 1)), "at least 16 bytes"),
            (unchecked(keyed(Int32, &[0i32, 3], 3)), "Value at position 1 out of bounds: 3 (should be in [0, 2])"),
            (unchecked(keyed(Int32, &[0i32, -1], 3)), "Value at position 1 out of bounds: -1"),
            (unchecked(keyed(Int8, &[-128i8, 0], 200)), "Value at position 0 out of bounds: -128"),
            (unchecked(keyed(Int16, &[0i16, i16::MIN], 40_000)), "Value at position 1 out of bounds: -32768"),
            (unchecked(keyed(Int64, &[0i64, 1 << 32], 1)), "Value at position 1 out of bounds: 4294967296"),
            (unchecked(keyed(UInt8, &[200u8, 201], 201)), "Value at position 1 out of bounds: 201"),
            (unchecked(keyed(UInt16, &[65_535u16], 65_535)), "Value at position 0 out of bounds: 65535"),
            (unchecked(keyed(UInt32, &[u32::MAX], 1)), "Value at position 0 out of bounds: 4294967295"),
            (unchecked(keyed(UInt64, &[u64::MAX], 1)), "(can not convert to i64)"),
            (unchecked(keyed(Int32, &[0i32], 0)), "Value at position 0 out of bounds: 0 (should be in [0, -1])"),
        ];
        for (data, reason) in cases {
            let error = validate(&data).expect_err(reason).to_string();
            assert!(error.contains(reason), "{error} instead of {reason}");
        }
    }

    #[test]
    fn what_only_looks_wrong_is_accepted() {
        use DataType::*;
        let beyond = |nulls| unchecked(keyed(Int32, &[0i32, 7, -1], 3).nulls(nulls));
        let cases = [
            // Empty arrays may lack their offsets; offsets need not start at zero nor reach the end.
            text::<i32>(Utf8, &[], b"unused"),
            text(Utf8, &[1i32, 3, 3], "\u{7f}ü\u{80}".as_bytes()),
            text(Binary, &[0i32, 1, 2], "ü".as_bytes()),
            text(LargeUtf8, &[0i64, 1, 3, 4], "aüb".as_bytes()),
            list(List, &[2i32, 2, 3], 5),
            // Keys under nulls may be anything.
            beyond(Some(NullBuffer::from(vec![true, false, false]))),
            unchecked(keyed(UInt8, &[255u8, 0], 256)),
            unchecked(keyed::<i64>(Int64, &[], 0)),
        ];
        for data in cases {
            validate(&data).unwrap_or_else(|e| panic!("{e}: {data:?}"));
        }
        assert!(validate(&beyond(Some(NullBuffer::from(vec![true, false, true])))).is_err());
    }

    #[test]
    fn random_damage_is_judged_as_arrow_judges_it() {
        let mut rng = random::generator(1);
        let (mut accepted, mut refused) = (0, 0);
        for round in 0..60 {
            for data_type in random::all_types() {
                let sound = random::array(&mut rng, &data_type, [0, 1, 5, 40][round % 4]).to_data();
                assert!(validate_all(&sound).is_ok(), "{data_type}");
                let data = damaged(&mut rng, &sound);
                let expected = catch_panic(|| Ok(data.validate_full()?)).is_ok();
                let found = catch_panic(|| validate_all(&data)).is_ok();
                assert_eq!(found, expected, "{data:?}");
                *if found { &mut accepted } else { &mut refused } += 1;
            }
        }
        assert!(accepted > 500 && refused > 500, "{accepted} accepted, {refused} refused");
    }

    /// Children first, as a message is decoded.
    fn validate_all(data: &ArrayData) -> crate::Result<()> {
        data.child_data().iter().try_for_each(validate_all)?;
        Ok(validate(data)?)
    }

    /// The same array with something wrong in it or one of its children, or its length: mostly.
    fn damaged(rng: &mut StdRng, data: &ArrayData) -> ArrayData {
        let builder = data.clone().into_builder();
        let mut children = data.child_data().to_vec();
        if !children.is_empty() && (data.buffers().is_empty() || rng.random_bool(0.5)) {
            let child = rng.random_range(0..children.len());
            children[child] = damaged(rng, &children[child]);
            return unchecked(builder.child_data(children));
        }
        let mut buffers = data.buffers().to_vec();
        if !buffers.is_empty() {
            let buffer = rng.random_range(0..buffers.len());
            buffers[buffer] = damaged_bytes(rng, &buffers[buffer]);
        }
        unchecked(builder.buffers(buffers))
    }

    fn damaged_bytes(rng: &mut StdRng, bytes: &Buffer) -> Buffer {
        let mut damaged = MutableBuffer::new(bytes.len());
        damaged.extend_from_slice(bytes);
        let word = [4, 8][rng.random_range(0..2)];
        match rng.random_range(0..4) {
            _ if bytes.is_empty() => {}
            0 => damaged[rng.random_range(0..bytes.len())] ^= 1 << rng.random_range(0..8),
            1 => damaged.truncate(bytes.len() - rng.random_range(0..bytes.len().min(9))),
            // A whole offset, key or size: a little wrong, or very.
            _ if bytes.len() >= word => {
                let at = rng.random_range(0..bytes.len() / word) * word;
                let value = [-1, 0, 1, 7, 1 << 20, 1 << 40, i64::MAX, i64::MIN][rng.random_range(0..8)];
                damaged.as_slice_mut()[at..at + word].copy_from_slice(&value.to_le_bytes()[..word]);
            }
            _ => damaged.as_slice_mut().fill(0xff),
        }
        damaged.into()
    }
}
