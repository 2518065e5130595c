//! The dictionaries of a chunk: which of them columns need, and their values.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Field, Schema};
use arrow_ipc::DictionaryBatch;

use super::decode::{Body, DecodeLimit, decode_columns};
use super::message::Frame;
use crate::error::{Error, Result};

/// Dictionary values by dictionary id.
pub(crate) type Dictionaries = HashMap<i64, ArrayRef>;

/// The id of a dictionary message.
pub(crate) fn dictionary_id(frame: &Frame) -> Result<i64> {
    Ok(header(frame)?.id())
}

fn header(frame: &Frame) -> Result<DictionaryBatch<'_>> {
    let message = frame.message()?;
    message
        .header_as_dictionary_batch()
        .ok_or_else(|| Error::corrupt(format!("expected a dictionary batch, found {:?}", message.header_type())))
}

/// The ids of all dictionaries that some columns of a decoded schema need, those within the values of others included.
pub(crate) fn dictionary_ids(schema: &Schema, columns: &[usize]) -> BTreeSet<i64> {
    let mut ids = BTreeSet::new();
    for field in columns.iter().filter_map(|column| schema.fields().get(*column)) {
        collect_ids(schema, field.data_type(), Some(field), &mut ids);
    }
    ids
}

/// `field` is the one that has this type, unless it is the type of a dictionary's values.
fn collect_ids(schema: &Schema, data_type: &DataType, field: Option<&Field>, ids: &mut BTreeSet<i64>) {
    use DataType::*;
    match data_type {
        Dictionary(_, values) => {
            let id = field.and_then(id_of);
            if id.is_some_and(|id| !ids.insert(id)) {
                return;
            }
            collect_ids(schema, values, None, ids);
            // The values are decoded as those of the first field with this id, whatever the others say.
            if let Some(first) = id.and_then(|id| dictionary_value_type(schema, id)) {
                collect_ids(schema, &first, None, ids);
            }
        }
        List(item) | LargeList(item) | ListView(item) | LargeListView(item) | Map(item, _) | FixedSizeList(item, _) => {
            collect_ids(schema, item.data_type(), Some(item), ids);
        }
        Struct(fields) => fields.iter().for_each(|field| collect_ids(schema, field.data_type(), Some(field), ids)),
        Union(fields, _) => {
            fields.iter().for_each(|(_, field)| collect_ids(schema, field.data_type(), Some(field), ids));
        }
        RunEndEncoded(_, values) => collect_ids(schema, values.data_type(), Some(values), ids),
        _ => {}
    }
}

/// The id of a field's dictionary.
pub(super) fn id_of(field: &Field) -> Option<i64> {
    #[expect(deprecated, reason = "the decoder of arrow-ipc 60 keys dictionaries by the ids in the fields")]
    field.dict_id()
}

/// Decodes the dictionary messages that belong together. The limit holds for all of them as for one.
pub(crate) fn decode_dictionaries<'a>(
    frames: impl IntoIterator<Item = &'a Frame>,
    schema: &Schema,
    limit: DecodeLimit,
) -> Result<Dictionaries> {
    let mut dictionaries = Dictionaries::new();
    let mut so_far = (0u64, 0u64);
    for frame in frames {
        so_far.0 = so_far.0.saturating_add(decode_dictionary(frame, schema, &mut dictionaries, limit)?);
        so_far.1 += frame.body.len() as u64;
        limit.check(so_far.0, so_far.1).map_err(|e| e.context("the dictionaries"))?;
    }
    Ok(dictionaries)
}

/// Decodes a dictionary-batch message and puts its values under its id: replacing, or appending if it is a delta.
/// Returns the bytes that the message's values take.
pub(crate) fn decode_dictionary(
    frame: &Frame,
    schema: &Schema,
    dictionaries: &mut Dictionaries,
    limit: DecodeLimit,
) -> Result<u64> {
    let header = header(frame)?;
    let id = header.id();
    let data = header.data().ok_or_else(|| Error::corrupt(format!("dictionary {id} has no values")))?;
    let value_type = dictionary_value_type(schema, id)
        .ok_or_else(|| Error::corrupt(format!("dictionary {id} belongs to no column of the schema")))?;
    let values_schema = Arc::new(Schema::new(vec![Field::new("dictionary", value_type, true)]));
    let decoded = decode_columns(
        data,
        frame.version()?,
        &Body::whole(frame.body.clone()),
        &values_schema,
        None,
        dictionaries,
        limit,
    )
    .map_err(|e| e.context(format!("dictionary {id}")))?;
    let mut values = decoded.batch.column(0).clone();
    if header.isDelta() {
        let existing = dictionaries
            .get(&id)
            .ok_or_else(|| Error::corrupt(format!("a delta of dictionary {id} comes before the dictionary")))?;
        values = arrow::compute::concat(&[existing.as_ref(), values.as_ref()])?;
    }
    dictionaries.insert(id, values);
    Ok(decoded.bytes)
}

/// The type of the values of the dictionary with this id.
fn dictionary_value_type(schema: &Schema, id: i64) -> Option<DataType> {
    #[expect(deprecated, reason = "the decoder of arrow-ipc 60 keys dictionaries by the ids in the fields")]
    let fields = schema.fields_with_dict_id(id);
    fields.iter().find_map(|field| match field.data_type() {
        DataType::Dictionary(_, value_type) => Some(value_type.as_ref().clone()),
        _ => None,
    })
}
