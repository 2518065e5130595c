//! Which rows are wanted: conditions on columns, as a program or a person writes them.
//!
//! From text to typed conditions (`parse`), from these to the types of a schema (`bind`), and then over arrays
//! (`evaluate`) and over the statistics of chunks (`prune`). All of it is pure.

mod bind;
mod evaluate;
mod number;
mod parse;
mod prune;
#[cfg(test)]
mod tests;

use std::fmt;

pub(crate) use bind::BoundFilter;
pub(crate) use prune::Verdict;

use crate::options::OptionValue;

/// How a value is compared with a literal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Comparison {
    /// `=`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    LessOrEqual,
    /// `>`
    Greater,
    /// `>=`
    GreaterOrEqual,
}

/// A value that a column is compared with; it is taken in the column's type when a read starts.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Literal {
    /// For boolean columns.
    Bool(bool),
    /// A number in decimal, such as `-12`, `3.25` or `1e-3`, compared exactly with integers and decimals; for floats
    /// the nearest 64-bit float, `NaN` and `inf` included; for dates and times the number that the column stores.
    Number(String),
    /// For strings and binary columns; for dates and times in the forms of ISO 8601.
    Text(String),
}

impl From<bool> for Literal {
    fn from(value: bool) -> Self {
        Literal::Bool(value)
    }
}

impl From<i64> for Literal {
    fn from(value: i64) -> Self {
        Literal::Number(value.to_string())
    }
}

impl From<f64> for Literal {
    fn from(value: f64) -> Self {
        Literal::Number(value.to_string())
    }
}

impl From<&str> for Literal {
    fn from(value: &str) -> Self {
        Literal::Text(value.to_string())
    }
}

/// What must hold of a column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Condition {
    /// The value compares like this; never where it is null. Strings are ordered by their bytes. Floats compare as
    /// numbers: -0.0 equals 0.0, and NaN differs from everything, itself included.
    Compare(Comparison, Literal),
    /// The value equals one of these.
    In(Vec<Literal>),
    /// There is no value.
    IsNull,
    /// There is a value.
    IsNotNull,
}

/// A condition on a column.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Predicate {
    /// The column's name; it need not be among those that are read.
    pub column: String,
    /// What must hold of its value.
    pub condition: Condition,
}

/// The rows for which all predicates hold; all rows if there is none.
///
/// As text the predicates are joined by `AND`: `id64 >= 100 AND name IN ('a', 'b') AND x IS NOT NULL`. Comparisons are
/// `=`, `!=`, `<`, `<=`, `>`, `>=`; words are read in any case; text stands in single quotes, names that are no plain
/// words in double quotes, and a quote within is doubled.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct Filter(pub Vec<Predicate>);

impl Filter {
    /// Whether it keeps every row.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Predicate {
    /// A comparison with a value.
    pub fn compare(column: impl Into<String>, comparison: Comparison, value: impl Into<Literal>) -> Self {
        Predicate { column: column.into(), condition: Condition::Compare(comparison, value.into()) }
    }
}

impl OptionValue for Filter {
    const TYPE: &'static str = "filter";

    fn parse(text: &str) -> std::result::Result<Self, String> {
        parse::filter(text)
    }

    fn show(&self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Comparison::Equal => "=",
            Comparison::NotEqual => "!=",
            Comparison::Less => "<",
            Comparison::LessOrEqual => "<=",
            Comparison::Greater => ">",
            Comparison::GreaterOrEqual => ">=",
        })
    }
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Literal::Bool(value) => value.fmt(f),
            Literal::Number(number) => f.write_str(number),
            Literal::Text(text) => write!(f, "'{}'", text.replace('\'', "''")),
        }
    }
}

impl fmt::Display for Predicate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if parse::is_plain_word(&self.column) {
            f.write_str(&self.column)?;
        } else {
            write!(f, "\"{}\"", self.column.replace('"', "\"\""))?;
        }
        match &self.condition {
            Condition::Compare(comparison, literal) => write!(f, " {comparison} {literal}"),
            Condition::In(literals) => {
                let literals: Vec<_> = literals.iter().map(Literal::to_string).collect();
                write!(f, " IN ({})", literals.join(", "))
            }
            Condition::IsNull => f.write_str(" IS NULL"),
            Condition::IsNotNull => f.write_str(" IS NOT NULL"),
        }
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let predicates: Vec<_> = self.0.iter().map(Predicate::to_string).collect();
        f.write_str(&predicates.join(" AND "))
    }
}
