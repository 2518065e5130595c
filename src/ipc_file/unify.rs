//! One dictionary for a whole file, where chunks came with different ones.
//!
//! A file has one dictionary per id. Values that are new are appended, so that batches written before keep
//! their indices; a batch with another dictionary gets its indices mapped.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayData, ArrayRef, AsArray, PrimitiveArray, UInt64Array, make_array};
use arrow::compute::{cast, concat, take};
use arrow::datatypes::{DataType, Field, Schema, UInt64Type};
use arrow::record_batch::{RecordBatch, RecordBatchOptions};
use arrow::row::{RowConverter, SortField};

use crate::chunk::Dictionaries;
use crate::error::{Error, Result};

/// The growing dictionaries of a file, by id.
#[derive(Debug, Default)]
pub(super) struct Unifier {
    dictionaries: HashMap<i64, Growing>,
}

#[derive(Debug)]
struct Growing {
    values: ArrayRef,
    places: HashMap<Box<[u8]>, u64>,
    converter: RowConverter,
}

impl Growing {
    fn new(values: &ArrayRef) -> Result<Self> {
        let converter = RowConverter::new(vec![SortField::new(values.data_type().clone())]).map_err(|_| {
            Error::unsupported(format!(
                "chunks with different dictionaries of {} cannot be joined into one file: write an IPC stream instead",
                values.data_type()
            ))
        })?;
        // Of a value that occurs twice the first place serves; batches already written may refer to either.
        let mut places = HashMap::new();
        for (place, row) in converter.convert_columns(std::slice::from_ref(values))?.iter().enumerate() {
            places.entry(row.as_ref().into()).or_insert(place as u64);
        }
        let growing = Growing { values: values.clone(), places, converter };
        Ok(growing)
    }

    /// Where each of these values is, after the new ones were appended.
    fn places_of(&mut self, values: &ArrayRef) -> Result<Vec<u64>> {
        let rows = self.converter.convert_columns(std::slice::from_ref(values))?;
        let mut places = Vec::with_capacity(values.len());
        let mut new = Vec::new();
        for (index, row) in rows.iter().enumerate() {
            let next = self.values.len() as u64 + new.len() as u64;
            let place = *self.places.entry(row.as_ref().into()).or_insert(next);
            if place == next {
                new.push(index as u64);
            }
            places.push(place);
        }
        if !new.is_empty() {
            let appended = take(values, &UInt64Array::from(new), None)?;
            self.values = concat(&[self.values.as_ref(), appended.as_ref()])?;
        }
        Ok(places)
    }
}

impl Unifier {
    /// Starts with the dictionaries that the file has so far.
    pub(super) fn new(dictionaries: &Dictionaries) -> Result<Self> {
        let dictionaries =
            dictionaries.iter().map(|(id, values)| Ok((*id, Growing::new(values)?))).collect::<Result<_>>()?;
        Ok(Unifier { dictionaries })
    }

    /// The same batch with every dictionary column referring to the file's dictionaries.
    ///
    /// `schema` is the file's, with its dictionary ids.
    pub(super) fn remap(&mut self, batch: &RecordBatch, schema: &Arc<Schema>) -> Result<RecordBatch> {
        let columns = batch
            .columns()
            .iter()
            .zip(schema.fields())
            .map(|(column, field)| Ok(make_array(self.remap_data(column.to_data(), field)?)))
            .collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
    }

    fn remap_data(&mut self, data: ArrayData, field: &Field) -> Result<ArrayData> {
        if let DataType::Dictionary(key_type, _) = field.data_type() {
            return self.remap_dictionary(data, field, key_type);
        }
        let children = child_fields(field.data_type());
        if children.is_empty() {
            return Ok(data);
        }
        let child_data = data
            .child_data()
            .iter()
            .zip(children)
            .map(|(child, field)| self.remap_data(child.clone(), field))
            .collect::<Result<Vec<_>>>()?;
        Ok(data.into_builder().data_type(field.data_type().clone()).child_data(child_data).build()?)
    }

    fn remap_dictionary(&mut self, data: ArrayData, field: &Field, key_type: &DataType) -> Result<ArrayData> {
        #[expect(deprecated, reason = "the decoder of arrow-ipc 60 keys dictionaries by the ids in the fields")]
        let id = field.dict_id().ok_or_else(|| Error::internal("a dictionary column without an id"))?;
        let array = make_array(data);
        let dictionary = array.as_any_dictionary();
        let growing = match self.dictionaries.entry(id) {
            std::collections::hash_map::Entry::Occupied(entry) => entry.into_mut(),
            std::collections::hash_map::Entry::Vacant(entry) => entry.insert(Growing::new(dictionary.values())?),
        };
        let places = growing.places_of(dictionary.values())?;
        let keys = cast(dictionary.keys(), &DataType::UInt64)?;
        let keys = keys.as_primitive::<UInt64Type>();
        let mapped: PrimitiveArray<UInt64Type> =
            keys.iter().map(|key| key.and_then(|key| places.get(key as usize).copied())).collect();
        let narrow = cast(&mapped, key_type)?;
        if narrow.null_count() != mapped.null_count() {
            return Err(Error::unsupported(format!(
                "column '{}': the chunks' dictionaries have {} values together, more than its {key_type} index can \
                 tell apart: write an IPC stream instead",
                field.name(),
                growing.values.len()
            )));
        }
        let keys = narrow.into_data();
        Ok(keys
            .into_builder()
            .data_type(field.data_type().clone())
            .child_data(vec![growing.values.to_data()])
            .build()?)
    }

    /// The values of each dictionary as they are now, in the order of the ids.
    pub(super) fn dictionaries(&self) -> Vec<(i64, &ArrayRef)> {
        let mut dictionaries: Vec<_> = self.dictionaries.iter().map(|(id, growing)| (*id, &growing.values)).collect();
        dictionaries.sort_by_key(|(id, _)| *id);
        dictionaries
    }
}

fn child_fields(data_type: &DataType) -> Vec<&Field> {
    use DataType::*;
    match data_type {
        List(child) | LargeList(child) | ListView(child) | LargeListView(child) => vec![child],
        FixedSizeList(child, _) | Map(child, _) => vec![child],
        Struct(fields) => fields.iter().map(AsRef::as_ref).collect(),
        RunEndEncoded(run_ends, values) => vec![run_ends, values],
        Union(fields, _) => fields.iter().map(|(_, field)| field.as_ref()).collect(),
        _ => Vec::new(),
    }
}
