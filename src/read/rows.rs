//! From the columns that were decoded to the rows and columns that are wanted.

use arrow::array::BooleanArray;
use arrow::compute::filter_record_batch;
use arrow::datatypes::SchemaRef;
use arrow::record_batch::RecordBatch;

use super::chunks::ChunkBytes;
use crate::chunk::{self, ChunkDecoder, DecodeLimit, Decoded};
use crate::error::Result;
use crate::filter::BoundFilter;
use crate::metrics::batch_bytes;
use crate::runtime::runtime;

/// Which columns must be decoded, and what is handed out of them.
#[derive(Debug)]
pub(crate) struct Rows {
    /// The wanted columns, then those that only the filter looks at; `None` means all.
    columns: Option<Vec<String>>,
    /// How many of them are handed out.
    kept: Option<usize>,
    filter: Option<BoundFilter>,
    /// Where the columns of the filter are among those that are decoded: index in the schema, and place.
    places: Vec<(usize, usize)>,
}

impl Rows {
    pub(crate) fn new(schema: &SchemaRef, columns: Option<&[String]>, filter: Option<BoundFilter>) -> Self {
        let looked_at = filter.as_ref().map(BoundFilter::columns).unwrap_or_default();
        let Some(wanted) = columns else {
            let places = looked_at.into_iter().map(|index| (index, index)).collect();
            return Rows { columns: None, kept: None, filter, places };
        };
        let mut columns = wanted.to_vec();
        let mut places = Vec::with_capacity(looked_at.len());
        for index in looked_at {
            let name = schema.field(index).name();
            let place = columns.iter().position(|column| column == name).unwrap_or(columns.len());
            if place == columns.len() {
                columns.push(name.clone());
            }
            places.push((index, place));
        }
        Rows { columns: Some(columns), kept: Some(wanted.len()), filter, places }
    }

    /// Which of the decoded rows are wanted; `None` if there is no filter.
    fn mask(&self, batch: &RecordBatch) -> Result<Option<BooleanArray>> {
        let place = |column| self.places.iter().find(|(index, _)| *index == column).map(|(_, place)| *place);
        self.filter.as_ref().map(|filter| filter.mask(batch, place)).transpose()
    }

    /// The columns to decode; `None` means all.
    pub(crate) fn columns(&self) -> Option<&Vec<String>> {
        self.columns.as_ref()
    }

    /// The wanted rows and columns; `None` where there was a filter and no row is left.
    pub(crate) fn select(&self, decoded: Decoded) -> Result<Option<Decoded>> {
        let Some(mask) = self.mask(&decoded.batch)? else { return Ok(Some(decoded)) };
        let Decoded { batch, bytes, held } = decoded;
        let wanted = mask.true_count();
        if wanted == 0 {
            return Ok(None);
        }
        let batch = match self.kept {
            Some(kept) if kept < batch.num_columns() => batch.project(&(0..kept).collect::<Vec<_>>())?,
            _ => batch,
        };
        if wanted == batch.num_rows() {
            return Ok(Some(Decoded { batch, bytes, held }));
        }
        let batch: RecordBatch = filter_record_batch(&batch, &mask)?;
        let bytes = batch_bytes(&batch);
        Ok(Some(Decoded { batch, bytes, held: bytes }))
    }
}

/// Decodes chunks into the rows and columns that are wanted.
#[derive(Debug)]
pub(crate) struct RowDecoder {
    decoder: ChunkDecoder,
    rows: Rows,
}

impl RowDecoder {
    pub(crate) fn new(schema: &SchemaRef, rows: Rows) -> Result<Self> {
        let limit = DecodeLimit::new(runtime()?.budget.total());
        let decoder = ChunkDecoder::new(Some(schema.clone()), rows.columns.clone(), limit);
        Ok(RowDecoder { decoder, rows })
    }

    /// The wanted rows, and the bytes that were decoded; `None` where a filter leaves none.
    pub(crate) fn decode(&self, bytes: &ChunkBytes) -> Result<(Option<Decoded>, u64)> {
        let decoded = match bytes {
            ChunkBytes::Whole(payload) => self.decoder.decode(payload)?,
            ChunkBytes::Parts(frames, body) => self.decoder.decode_parts(frames, body)?,
            ChunkBytes::NoRows => return Ok((None, 0)),
        };
        let decoded_bytes = decoded.bytes;
        Ok((self.rows.select(decoded)?, decoded_bytes))
    }

    /// Whether any row is wanted of a chunk whose filter columns have been fetched.
    pub(crate) fn any(&self, frames: &chunk::BatchFrames, body: &chunk::Body) -> Result<bool> {
        let decoded = self.decoder.decode_parts(frames, body)?;
        Ok(self.rows.mask(&decoded.batch)?.is_none_or(|mask| mask.true_count() > 0))
    }
}
