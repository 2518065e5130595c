//! Timestamps whose time zone is the empty string.
//!
//! `Schema.fbs` gives an empty time zone the meaning of none, and writers, arrow-ipc's among them, leave it out.
//! arrow-rs keeps the two apart as types, so a column would change its type between being read and being written.

use std::sync::Arc;

use arrow::datatypes::{DataType, FieldRef, Fields};

/// The fields without empty time zones, however deep; `None` where there are none, as nearly always.
pub(super) fn without_empty_time_zones(fields: &Fields) -> Option<Fields> {
    let changed: Vec<_> = fields.iter().map(changed_field).collect();
    changed.iter().any(Option::is_some).then(|| either(changed, fields.iter()).collect())
}

/// What has changed, and what has not as it was.
fn either<'a>(
    changed: Vec<Option<FieldRef>>,
    fields: impl Iterator<Item = &'a FieldRef>,
) -> impl Iterator<Item = FieldRef> {
    changed.into_iter().zip(fields).map(|(changed, field)| changed.unwrap_or_else(|| field.clone()))
}

fn changed_field(field: &FieldRef) -> Option<FieldRef> {
    changed_type(field.data_type()).map(|data_type| Arc::new(field.as_ref().clone().with_data_type(data_type)))
}

fn changed_type(data_type: &DataType) -> Option<DataType> {
    use DataType::*;
    match data_type {
        Timestamp(unit, Some(zone)) if zone.is_empty() => Some(Timestamp(*unit, None)),
        List(item) => changed_field(item).map(List),
        LargeList(item) => changed_field(item).map(LargeList),
        ListView(item) => changed_field(item).map(ListView),
        LargeListView(item) => changed_field(item).map(LargeListView),
        FixedSizeList(item, len) => changed_field(item).map(|item| FixedSizeList(item, *len)),
        Map(entries, sorted) => changed_field(entries).map(|entries| Map(entries, *sorted)),
        RunEndEncoded(ends, values) => changed_field(values).map(|values| RunEndEncoded(ends.clone(), values)),
        Dictionary(key, value) => changed_type(value).map(|value| Dictionary(key.clone(), Box::new(value))),
        Struct(fields) => without_empty_time_zones(fields).map(Struct),
        Union(fields, mode) => {
            let changed: Vec<_> = fields.iter().map(|(_, field)| changed_field(field)).collect();
            changed.iter().any(Option::is_some).then(|| {
                let ids = fields.iter().map(|(id, _)| id);
                Union(ids.zip(either(changed, fields.iter().map(|(_, field)| field))).collect(), *mode)
            })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{Field, TimeUnit, UnionFields, UnionMode};

    use super::*;

    fn fields(zone: Option<&str>) -> Fields {
        use DataType::*;
        let stamp = || Timestamp(TimeUnit::Nanosecond, zone.map(Arc::from));
        let item = || -> FieldRef { Arc::new(Field::new("item", stamp(), true)) };
        let entries = Struct(Fields::from(vec![Field::new("key", Utf8, false), Field::new("value", stamp(), true)]));
        let ends = Arc::new(Field::new("run_ends", Int32, false));
        [
            stamp(),
            List(item()),
            LargeList(item()),
            ListView(item()),
            LargeListView(item()),
            FixedSizeList(item(), 2),
            Map(Arc::new(Field::new("entries", entries.clone(), false)), false),
            RunEndEncoded(ends, item()),
            Dictionary(Box::new(Int8), Box::new(stamp())),
            List(Arc::new(Field::new("item", entries, true))),
            Union(UnionFields::from_iter([(1, item()), (5, Arc::new(Field::new("n", Int64, true)))]), UnionMode::Dense),
            Int64,
        ]
        .into_iter()
        .enumerate()
        .map(|(i, data_type)| {
            Field::new(format!("c{i}"), data_type, true)
                .with_metadata(std::collections::HashMap::from([("k".to_string(), "v".to_string())]))
        })
        .collect()
    }

    #[test]
    fn an_empty_time_zone_is_none_however_deep() {
        assert_eq!(without_empty_time_zones(&fields(Some(""))), Some(fields(None)));
        assert_eq!(without_empty_time_zones(&fields(Some("UTC"))), None);
        assert_eq!(without_empty_time_zones(&fields(None)), None);
    }
}
