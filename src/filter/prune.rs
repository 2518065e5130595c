//! Filters over the statistics of chunks: which chunks cannot hold a wanted row, and which hold no other.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::UInt64Type;

use super::Comparison::{self, *};
use super::bind::{BoundFilter, Test, value_type};
use super::evaluate::test;
use crate::error::Result;
use crate::manifest::Manifest;

/// What statistics tell of the rows of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// None is wanted.
    Never,
    /// Only the rows themselves can tell.
    Maybe,
    /// All are wanted.
    Always,
}

impl BoundFilter {
    /// The verdict on each chunk of a manifest.
    pub(crate) fn verdicts(&self, manifest: &Manifest) -> Result<Vec<Verdict>> {
        let mut verdicts = vec![Verdict::Always; manifest.chunk_count()];
        for predicate in &self.predicates {
            let statistics = Statistics::of(manifest, predicate.column);
            let tells = match &statistics {
                Some(statistics) => Some((statistics.some_may(&predicate.test)?, statistics.all_do(&predicate.test)?)),
                None => None,
            };
            for (row, verdict) in verdicts.iter_mut().enumerate() {
                let rows = manifest.chunks.rows()[row];
                let nulls = statistics.as_ref().and_then(|statistics| statistics.nulls(row));
                let wants_null = matches!(predicate.test, Test::Null);
                let (some, all) = tells.as_ref().map_or((true, false), |(some, all)| (some[row], all[row]));
                let (wanted_at_most, wanted_nulls) = match nulls {
                    Some(nulls) if wants_null => (nulls, nulls),
                    Some(nulls) => (rows.saturating_sub(nulls), 0),
                    None => (rows, 0),
                };
                *verdict = match *verdict {
                    Verdict::Never => Verdict::Never,
                    _ if !some || wanted_at_most == 0 => Verdict::Never,
                    Verdict::Always if wants_null && wanted_nulls == rows => Verdict::Always,
                    Verdict::Always if !wants_null && all && nulls == Some(0) => Verdict::Always,
                    _ => Verdict::Maybe,
                };
            }
        }
        Ok(verdicts)
    }
}

/// The bounds of one column, an element for each chunk; null where they are not known.
struct Statistics<'a> {
    min: &'a ArrayRef,
    max: &'a ArrayRef,
    /// `None` for the partition column, which has no nulls.
    null_count: Option<&'a ArrayRef>,
}

impl<'a> Statistics<'a> {
    fn of(manifest: &'a Manifest, column: usize) -> Option<Self> {
        if let Some(found) = manifest.statistics.iter().find(|statistics| statistics.column == column) {
            return Some(Statistics { min: &found.min, max: &found.max, null_count: Some(&found.null_count) });
        }
        // All rows of a chunk have its partition's value.
        let field = manifest.schema.field(column);
        let values = &manifest.partition_values;
        let is_partition = manifest.partition_column() == Some(field.name())
            && manifest.schema.index_of(field.name()).is_ok_and(|index| index == column)
            && values.data_type() == value_type(field.data_type());
        is_partition.then_some(Statistics { min: values, max: values, null_count: None })
    }

    fn nulls(&self, row: usize) -> Option<u64> {
        match self.null_count {
            None => Some(0),
            Some(counts) => counts.is_valid(row).then(|| counts.as_primitive::<UInt64Type>().value(row)),
        }
    }

    /// Whether a value of each chunk may pass a test on values.
    fn some_may(&self, condition: &Test) -> Result<Vec<bool>> {
        match condition {
            Test::Null | Test::NotNull => Ok(vec![true; self.min.len()]),
            Test::Never => Ok(vec![false; self.min.len()]),
            Test::Any(tests) => self.any(tests, Self::some_may),
            Test::Compare(comparison, _) | Test::Float(comparison, _) => {
                let below = |comparison| certain(self.min, condition, comparison);
                let above = |comparison| certain(self.max, condition, comparison);
                let excluded = match comparison {
                    Equal => either(above(Less)?, &below(Greater)?),
                    NotEqual => both(below(Equal)?, &above(Equal)?),
                    Less => below(GreaterOrEqual)?,
                    LessOrEqual => below(Greater)?,
                    Greater => above(LessOrEqual)?,
                    GreaterOrEqual => above(Less)?,
                };
                Ok(excluded.into_iter().map(|excluded| !excluded).collect())
            }
        }
    }

    /// Whether all values of each chunk pass a test on values for certain.
    fn all_do(&self, condition: &Test) -> Result<Vec<bool>> {
        match condition {
            Test::Null | Test::Never => Ok(vec![false; self.min.len()]),
            Test::NotNull => Ok(vec![true; self.min.len()]),
            Test::Any(tests) => self.any(tests, Self::all_do),
            Test::Compare(comparison, _) | Test::Float(comparison, _) => {
                let below = |comparison| certain(self.min, condition, comparison);
                let above = |comparison| certain(self.max, condition, comparison);
                match comparison {
                    Equal => Ok(both(below(Equal)?, &above(Equal)?)),
                    NotEqual => Ok(either(above(Less)?, &below(Greater)?)),
                    Less | LessOrEqual => above(*comparison),
                    Greater | GreaterOrEqual => below(*comparison),
                }
            }
        }
    }

    fn any(&self, tests: &[Test], each: impl Fn(&Self, &Test) -> Result<Vec<bool>>) -> Result<Vec<bool>> {
        tests.iter().try_fold(vec![false; self.min.len()], |any, test| Ok(either(any, &each(self, test)?)))
    }
}

/// For which bounds another comparison with the literal of a test holds for certain.
fn certain(bounds: &ArrayRef, condition: &Test, comparison: Comparison) -> Result<Vec<bool>> {
    let condition = match condition {
        Test::Compare(_, value) => Test::Compare(comparison, value.clone()),
        Test::Float(_, value) => Test::Float(comparison, *value),
        other => other.clone(),
    };
    let holds = test(bounds, &condition)?;
    Ok((0..holds.len()).map(|row| holds.is_valid(row) && holds.value(row)).collect())
}

fn either(mut left: Vec<bool>, right: &[bool]) -> Vec<bool> {
    left.iter_mut().zip(right).for_each(|(left, right)| *left |= right);
    left
}

fn both(mut left: Vec<bool>, right: &[bool]) -> Vec<bool> {
    left.iter_mut().zip(right).for_each(|(left, right)| *left &= right);
    left
}
