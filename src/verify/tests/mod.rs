//! Verify against a naive comparison, row by row, over every type that Arrow has.

mod oracle;
pub(crate) mod random;
mod sides;
mod values;
