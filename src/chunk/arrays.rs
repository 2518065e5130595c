//! From the field nodes and buffers of a message to arrays, column by column.
//!
//! [`super::layout`] has checked that nodes and buffers fit the schema. Here each array is put together from its
//! own buffers and its children, and nobody gets it before [`validate`] has looked into it. Arrow's decoder would do
//! the same from one run of bytes only, and take several times as long to look.

use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayDataBuilder, ArrayRef, StructArray, UnionArray, make_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{ArrowNativeType, DataType, Field, Fields, Schema, UnionFields, UnionMode};
use arrow_ipc::{FieldNode, MetadataVersion};

use super::dictionaries::{Dictionaries, id_of};
use super::layout::ColumnSpan;
use super::validate::validate;
use crate::error::{Error, Result};

/// A message whose header has been checked against the schema.
pub(super) struct Message<'a> {
    pub(super) header: arrow_ipc::RecordBatch<'a>,
    pub(super) version: MetadataVersion,
    /// By column.
    pub(super) spans: &'a [ColumnSpan],
    /// As in the header's list, uncompressed, at multiples of 8 bytes; those of unwanted columns are empty.
    pub(super) buffers: &'a [Buffer],
    pub(super) dictionaries: &'a Dictionaries,
}

impl Message<'_> {
    /// The array of one column.
    pub(super) fn column(&self, schema: &Schema, column: usize) -> Result<ArrayRef> {
        let (span, field) = (&self.spans[column], schema.field(column));
        let mut walk =
            Walk { message: self, node: span.first_node, buffer: span.buffers.start, variadic: span.first_variadic };
        walk.array(field).map_err(|e| e.context(format!("column '{}'", field.name())))
    }
}

/// What comes next of a column, in the order of `layout`.
struct Walk<'a> {
    message: &'a Message<'a>,
    node: usize,
    buffer: usize,
    variadic: usize,
}

impl Walk<'_> {
    fn array(&mut self, field: &Field) -> Result<ArrayRef> {
        use DataType::*;
        let node = self.next_node()?;
        // Both are within 0 and 2^40.
        let (len, null_count) = (node.length() as usize, node.null_count() as usize);
        let builder = ArrayData::builder(field.data_type().clone()).len(len);
        match field.data_type() {
            Union(fields, mode) => self.union_array(fields, *mode, len),
            Null if null_count != len => {
                Err(Error::corrupt(format!("{null_count} of {len} values are declared null where all are")))
            }
            Null | RunEndEncoded(..) => self.complete(field, builder),
            Struct(fields) => {
                let nulls = self.next_nulls(len, null_count)?;
                self.struct_array(fields, len, nulls)
            }
            _ => {
                let nulls = self.next_nulls(len, null_count)?;
                self.complete(field, builder.nulls(nulls))
            }
        }
    }

    /// Adds what an array has besides its nulls.
    fn complete(&mut self, field: &Field, builder: ArrayDataBuilder) -> Result<ArrayRef> {
        use DataType::*;
        let (buffers, children) = match field.data_type() {
            Null => (vec![], vec![]),
            Utf8 | LargeUtf8 | Binary | LargeBinary => (self.next_buffers(2)?, vec![]),
            Utf8View | BinaryView => {
                let count = self.next_variadic()?;
                (self.next_buffers(1 + count)?, vec![])
            }
            List(item) | LargeList(item) | Map(item, _) => (self.next_buffers(1)?, vec![self.child(item)?]),
            ListView(item) | LargeListView(item) => (self.next_buffers(2)?, vec![self.child(item)?]),
            FixedSizeList(item, _) => (vec![], vec![self.child(item)?]),
            RunEndEncoded(run_ends, values) => (vec![], vec![self.child(run_ends)?, self.child(values)?]),
            Dictionary(_, values) => (self.next_buffers(1)?, vec![self.dictionary(field, values)?]),
            _ => (self.next_buffers(1)?, vec![]),
        };
        checked(builder.buffers(buffers).child_data(children))
    }

    fn child(&mut self, field: &Field) -> Result<ArrayData> {
        Ok(self.array(field)?.to_data())
    }

    fn struct_array(&mut self, fields: &Fields, len: usize, nulls: Option<NullBuffer>) -> Result<ArrayRef> {
        let children = fields.iter().map(|field| self.array(field)).collect::<Result<_>>()?;
        // Checks the lengths of all, and that no field has nulls that may not.
        Ok(Arc::new(StructArray::try_new_with_length(fields.clone(), children, nulls, len)?))
    }

    fn union_array(&mut self, fields: &UnionFields, mode: UnionMode, len: usize) -> Result<ArrayRef> {
        if self.message.version < MetadataVersion::V5 {
            self.next_buffer()?;
        }
        let type_ids = scalars(self.next_buffer()?, len)?;
        let offsets = match mode {
            UnionMode::Dense => Some(scalars(self.next_buffer()?, len)?),
            UnionMode::Sparse => None,
        };
        let children = fields.iter().map(|(_, field)| self.array(field)).collect::<Result<_>>()?;
        // Checks type ids and offsets.
        Ok(Arc::new(UnionArray::try_new(fields.clone(), type_ids, offsets, children)?))
    }

    /// The values of a column's dictionary. A dictionary that only nulls would need may be left out.
    fn dictionary(&self, field: &Field, value_type: &DataType) -> Result<ArrayData> {
        let id = id_of(field).ok_or_else(|| Error::corrupt(format!("field '{}' names no dictionary", field.name())))?;
        let values = self.message.dictionaries.get(&id);
        Ok(values.map_or_else(|| ArrayData::new_empty(value_type), |values| values.to_data()))
    }

    fn next_node(&mut self) -> Result<FieldNode> {
        let nodes = self.message.header.nodes().filter(|nodes| self.node < nodes.len());
        let node = *nodes.ok_or_else(|| beyond("field nodes"))?.get(self.node);
        self.node += 1;
        Ok(node)
    }

    fn next_variadic(&mut self) -> Result<usize> {
        let counts = self.message.header.variadicBufferCounts().filter(|counts| self.variadic < counts.len());
        let count = counts.ok_or_else(|| beyond("counts of variadic buffers"))?.get(self.variadic);
        self.variadic += 1;
        usize::try_from(count).map_err(|_| beyond("counts of variadic buffers"))
    }

    /// The nulls of an array, of which a bitmap is there only if there are any.
    fn next_nulls(&mut self, len: usize, null_count: usize) -> Result<Option<NullBuffer>> {
        let bitmap = self.next_buffer()?;
        if null_count == 0 {
            return Ok(None);
        }
        let (needed, found) = (len.div_ceil(8), bitmap.len());
        if found < needed {
            return Err(Error::corrupt(format!("the validity of {len} values has {found} bytes instead of {needed}")));
        }
        let nulls = NullBuffer::new(BooleanBuffer::new(bitmap, 0, len));
        if nulls.null_count() != null_count {
            let found = nulls.null_count();
            return Err(Error::corrupt(format!("{null_count} nulls are declared, but the validity has {found}")));
        }
        Ok(Some(nulls))
    }

    fn next_buffer(&mut self) -> Result<Buffer> {
        let buffer = self.message.buffers.get(self.buffer).cloned();
        self.buffer += 1;
        buffer.ok_or_else(|| beyond("buffers"))
    }

    fn next_buffers(&mut self, count: usize) -> Result<Vec<Buffer>> {
        (0..count).map(|_| self.next_buffer()).collect()
    }
}

/// `layout` has counted them: this never happens.
fn beyond(what: &str) -> Error {
    Error::internal(format!("a checked message ran out of {what}"))
}

/// The type ids or the offsets of a union.
fn scalars<T: ArrowNativeType>(buffer: Buffer, len: usize) -> Result<ScalarBuffer<T>> {
    let (needed, found) = (len * size_of::<T>(), buffer.len());
    if found < needed {
        return Err(Error::corrupt(format!("a union of {len} values has {found} bytes where it needs {needed}")));
    }
    Ok(ScalarBuffer::new(buffer, 0, len))
}

/// An array, if its contents are as its type promises.
fn checked(builder: ArrayDataBuilder) -> Result<ArrayRef> {
    // SAFETY: what is built here may be anything, but only `validate` sees it, which relies on nothing that it has
    // not found to be so; what it refuses is dropped without being read.
    let data = unsafe { builder.align_buffers(true).build_unchecked() };
    validate(&data)?;
    Ok(make_array(data))
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::SchemaRef;
    use arrow::record_batch::RecordBatch;
    use arrow_ipc::reader::RecordBatchDecoder;
    use rand::Rng;
    use rand::rngs::StdRng;

    use super::*;
    use crate::chunk::{self, Body, DecodeLimit, Frame};
    use crate::codec::Codec;
    use crate::runtime::catch_panic;
    use crate::verify::tests::random;

    const LIMIT: DecodeLimit = DecodeLimit::new(64 << 20);

    /// What is wrong of structs in lists only, where Arrow's decoder takes the length of their first field for theirs.
    const STRICTER: &str = "Incorrect array length for StructArray field";

    #[test]
    fn messages_sound_and_damaged_are_decoded_as_by_arrow() {
        let (mut equal, mut refused) = (0, 0);
        for seed in 0..400 {
            let mut rng = random::generator(seed);
            let batch = random_batch(&mut rng);
            let frames = chunk::encode_batch(&batch, Codec::None).unwrap();
            let schema = frames.schema.schema().unwrap();
            let Ok(dictionaries) = chunk::decode_dictionaries(&frames.dictionaries, &schema, LIMIT) else { continue };
            let projections = [None, Some([batch.num_columns() - 1])];
            for damage in 0..20 {
                let frame = if damage == 0 { frames.batch.clone() } else { damaged(&mut rng, &frames.batch) };
                let columns = projections[damage % 2].as_ref().map(|columns| columns.as_slice());
                let body = Body::whole(frame.body.clone());
                let ours = chunk::decode_batch(&frame, &body, &schema, columns, &dictionaries, LIMIT);
                match (ours, by_arrow(&frame, &schema, columns, &dictionaries)) {
                    (Ok(ours), Ok(arrows)) => {
                        assert_eq!(ours.batch, arrows, "{seed} {damage}");
                        equal += 1;
                    }
                    (Err(ours), arrows) => {
                        assert!(arrows.is_err() || ours.message().contains(STRICTER), "{seed} {damage}: {ours}");
                        assert_ne!(ours.kind(), crate::ErrorKind::Internal, "{seed} {damage}: {ours}");
                        refused += 1;
                    }
                    (Ok(_), Err(arrows)) => panic!("{seed} {damage} of {schema}: {arrows}"),
                }
            }
        }
        assert!(equal > 1000 && refused > 1000, "{equal} equal, {refused} refused");
    }

    /// By Arrow's decoder, after our checks of the header, without which it could fail to end.
    fn by_arrow(
        frame: &Frame,
        schema: &SchemaRef,
        columns: Option<&[usize]>,
        dictionaries: &Dictionaries,
    ) -> Result<RecordBatch> {
        let message = frame.message()?;
        let header = message.header_as_record_batch().ok_or_else(|| Error::corrupt("another kind of message"))?;
        let version = frame.version()?;
        super::super::layout::column_spans(schema, &header, version, frame.body.len() as u64)?;
        catch_panic(|| {
            let decoder = RecordBatchDecoder::try_new(&frame.body, header, schema.clone(), dictionaries, &version)?;
            Ok(decoder.with_projection(columns).read_record_batch()?)
        })
    }

    fn random_batch(rng: &mut StdRng) -> RecordBatch {
        let rows = [0, 1, 9, 70][rng.random_range(0..4)];
        let columns = (0..rng.random_range(1..4)).map(|column| {
            let data_type = random::random_type(rng, 2);
            (format!("c{column}"), random::array(rng, &data_type, rows), true)
        });
        RecordBatch::try_from_iter_with_nullable(columns.collect::<Vec<_>>()).unwrap()
    }

    /// A bit of the header, or one of the body's words.
    fn damaged(rng: &mut StdRng, frame: &Frame) -> Frame {
        let (mut head, mut body) = (frame.head().to_vec(), frame.body.to_vec());
        if rng.random_bool(0.3) || body.is_empty() {
            let at = rng.random_range(8..head.len());
            head[at] ^= 1 << rng.random_range(0..8);
        } else {
            let word = [1, 4, 8][rng.random_range(0..3)];
            let at = rng.random_range(0..body.len() / word) * word;
            let value: i64 = [-1, 0, 1, 7, 0xc3, 1 << 40, i64::MAX, i64::MIN][rng.random_range(0..8)];
            body[at..at + word].copy_from_slice(&value.to_le_bytes()[..word]);
        }
        let intact = || frame.clone().with_body(Buffer::from_slice_ref(&body));
        Frame::from_head(Buffer::from_vec(head))
            .map_or_else(|_| intact(), |frame| frame.with_body(Buffer::from_slice_ref(&body)))
    }
}
