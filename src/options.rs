//! Options: one definition each, from which the command line, the C ABI's keys and the bindings are made.
//!
//! `options!` declares a plain struct with documented defaults and, from the same lines, the table of its
//! keys. A key is the field's name unless it says otherwise; the command line writes it with dashes.

use std::time::Duration;

use crate::error::{Error, Result};

/// What one option is: the row of a table that other languages can enumerate.
#[derive(Debug, Clone, Copy)]
pub struct OptionSpec {
    /// The key, in snake_case.
    pub key: &'static str,
    /// The kind of value: `bool`, `integer`, `string`, `list`, `duration`, `bytes`, `filter`
    /// (conditions joined by AND) or a list of words `a|b`.
    pub value_type: &'static str,
    /// The default, written as a value; empty if unset.
    pub default: fn() -> String,
    /// What it does.
    pub doc: &'static str,
}

/// A set of options that can be set by key.
pub trait Options: Default {
    /// The table of keys.
    fn specs() -> &'static [OptionSpec];

    /// Sets one option from its text.
    ///
    /// # Errors
    /// `INVALID_ARGUMENT`, naming the key, when it is unknown or the value does not fit.
    fn set(&mut self, key: &str, value: &str) -> Result<()>;

    /// The current value as text; `None` when the key is unknown.
    fn get(&self, key: &str) -> Option<String>;
}

/// A type that an option can have.
pub trait OptionValue: Sized {
    /// The name of the type, see [`OptionSpec::value_type`].
    const TYPE: &'static str;

    /// Parses a value; the error says what would have been acceptable.
    fn parse(text: &str) -> std::result::Result<Self, String>;

    /// The value as text that [`OptionValue::parse`] accepts.
    fn show(&self) -> String;
}

pub(crate) fn bad_value(key: &str, value: &str, expected: &str) -> Error {
    Error::invalid_argument(format!("option '{key}' cannot be '{value}': expected {expected}"))
}

pub(crate) fn unknown_key(key: &str, specs: &[OptionSpec]) -> Error {
    let known: Vec<_> = specs.iter().map(|spec| spec.key).collect();
    Error::invalid_argument(format!("unknown option '{key}': expected one of {}", known.join(", ")))
}

/// Declares an options struct, its defaults and its table of keys.
macro_rules! options {
    (
        $(#[$outer:meta])*
        pub struct $name:ident {
            $(
                $(#[doc = $doc:literal])+
                pub $field:ident $(as $key:literal)?: $type:ty = $default:expr,
            )*
        }
    ) => {
        $(#[$outer])*
        #[derive(Debug, Clone)]
        pub struct $name {
            $( $(#[doc = $doc])+ pub $field: $type, )*
        }

        impl Default for $name {
            fn default() -> Self {
                $name { $( $field: $default, )* }
            }
        }

        impl $crate::options::Options for $name {
            fn specs() -> &'static [$crate::options::OptionSpec] {
                const SPECS: &[$crate::options::OptionSpec] = &[
                    $( $crate::options::OptionSpec {
                        key: $crate::options::option_key!($field $($key)?),
                        value_type: <$type as $crate::options::OptionValue>::TYPE,
                        default: || {
                            let value: $type = $default;
                            $crate::options::OptionValue::show(&value)
                        },
                        doc: concat!($($doc, "\n"),+),
                    }, )*
                ];
                SPECS
            }

            fn set(&mut self, key: &str, value: &str) -> $crate::error::Result<()> {
                match key {
                    $( $crate::options::option_key!($field $($key)?) => {
                        self.$field = $crate::options::OptionValue::parse(value)
                            .map_err(|expected| $crate::options::bad_value(key, value, &expected))?;
                    } )*
                    _ => return Err($crate::options::unknown_key(key, Self::specs())),
                }
                Ok(())
            }

            fn get(&self, key: &str) -> Option<String> {
                match key {
                    $( $crate::options::option_key!($field $($key)?) => Some($crate::options::OptionValue::show(&self.$field)), )*
                    _ => None,
                }
            }
        }
    };
}
pub(crate) use options;

/// The key of an option: the field's name unless another is given (as a field cannot be called `where`).
macro_rules! option_key {
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $key:literal) => {
        $key
    };
}
pub(crate) use option_key;

/// Declares an enum whose values are words of an option.
macro_rules! words {
    (
        $(#[$outer:meta])*
        pub enum $name:ident {
            $( $(#[doc = $doc:literal])+ $variant:ident = $word:literal $(| $alias:literal)*, )*
        }
        type = $type:literal
    ) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum $name {
            $( $(#[doc = $doc])+ $variant, )*
        }

        impl $crate::options::OptionValue for $name {
            const TYPE: &'static str = $type;

            fn parse(text: &str) -> std::result::Result<Self, String> {
                match text {
                    $( $word $(| $alias)* => Ok($name::$variant), )*
                    _ => Err(concat!("one of ", $type).to_string()),
                }
            }

            fn show(&self) -> String {
                match self { $( $name::$variant => $word.to_string(), )* }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&$crate::options::OptionValue::show(self))
            }
        }
    };
}
pub(crate) use words;

impl OptionValue for bool {
    const TYPE: &'static str = "bool";

    fn parse(text: &str) -> std::result::Result<Self, String> {
        match text {
            "true" | "on" | "1" | "yes" => Ok(true),
            "false" | "off" | "0" | "no" => Ok(false),
            _ => Err("on or off".to_string()),
        }
    }

    fn show(&self) -> String {
        if *self { "on" } else { "off" }.to_string()
    }
}

macro_rules! integer_option {
    ($($type:ty),*) => { $(
        impl OptionValue for $type {
            const TYPE: &'static str = "integer";

            fn parse(text: &str) -> std::result::Result<Self, String> {
                text.parse().map_err(|_| format!("an integer from {} to {}", <$type>::MIN, <$type>::MAX))
            }

            fn show(&self) -> String {
                self.to_string()
            }
        }
    )* };
}
integer_option!(u32, u64, usize);

impl OptionValue for String {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> std::result::Result<Self, String> {
        Ok(text.to_string())
    }

    fn show(&self) -> String {
        self.clone()
    }
}

/// A text that nobody may see: neither `Debug` nor [`OptionValue::show`] shows it.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Secret(String);

impl Secret {
    /// A secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Secret(text.into())
    }

    /// The text itself.
    #[cfg(any(feature = "s3", test))]
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl OptionValue for Secret {
    const TYPE: &'static str = "string";

    fn parse(text: &str) -> std::result::Result<Self, String> {
        Ok(Secret::new(text))
    }

    fn show(&self) -> String {
        "***".to_string()
    }
}

/// A comma-separated list.
impl OptionValue for Vec<String> {
    const TYPE: &'static str = "list";

    fn parse(text: &str) -> std::result::Result<Self, String> {
        let items: Vec<String> = text.split(',').map(|item| item.trim().to_string()).collect();
        if items.iter().any(String::is_empty) {
            return Err("names separated by commas".to_string());
        }
        Ok(items)
    }

    fn show(&self) -> String {
        self.join(",")
    }
}

/// Seconds, with an optional unit: `5`, `0.2`, `200ms`, `10m`, `1h`.
impl OptionValue for Duration {
    const TYPE: &'static str = "duration";

    fn parse(text: &str) -> std::result::Result<Self, String> {
        let expected = || "seconds, such as 5, 0.2, 200ms, 10m or 1h".to_string();
        let (number, scale) = if let Some(number) = text.strip_suffix("ms") {
            (number, 0.001)
        } else if let Some(number) = text.strip_suffix('s') {
            (number, 1.0)
        } else if let Some(number) = text.strip_suffix('m') {
            (number, 60.0)
        } else if let Some(number) = text.strip_suffix('h') {
            (number, 3600.0)
        } else {
            (text, 1.0)
        };
        let seconds: f64 = number.trim().parse().map_err(|_| expected())?;
        Duration::try_from_secs_f64(seconds * scale).map_err(|_| expected())
    }

    fn show(&self) -> String {
        self.as_secs_f64().to_string()
    }
}

/// A number of bytes, with an optional unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bytes(pub u64);

impl OptionValue for Bytes {
    const TYPE: &'static str = "bytes";

    fn parse(text: &str) -> std::result::Result<Self, String> {
        let expected = || "a number of bytes, such as 1048576, 64KiB, 256MiB or 1GiB".to_string();
        let units = [("KiB", 10), ("MiB", 20), ("GiB", 30), ("TiB", 40)];
        let (number, shift) =
            units.iter().find_map(|(unit, shift)| text.strip_suffix(unit).map(|n| (n, *shift))).unwrap_or((text, 0));
        let number: u64 = number.trim().parse().map_err(|_| expected())?;
        number.checked_mul(1 << shift).map(Bytes).ok_or_else(expected)
    }

    fn show(&self) -> String {
        self.0.to_string()
    }
}

/// Unset when the text is empty.
impl<T: OptionValue> OptionValue for Option<T> {
    const TYPE: &'static str = T::TYPE;

    fn parse(text: &str) -> std::result::Result<Self, String> {
        if text.is_empty() { Ok(None) } else { T::parse(text).map(Some) }
    }

    fn show(&self) -> String {
        self.as_ref().map(T::show).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    options! {
        /// For the tests.
        pub struct Sample {
            /// How many.
            pub count: u32 = 3,
            /// How long.
            pub wait: Duration = Duration::from_millis(200),
            /// Which.
            pub names: Option<Vec<String>> = None,
            /// How much.
            pub size: Bytes = Bytes(1 << 20),
        }
    }

    #[test]
    fn the_table_and_the_struct_agree() {
        let mut sample = Sample::default();
        let keys: Vec<_> = Sample::specs().iter().map(|s| (s.key, s.value_type, (s.default)())).collect();
        assert_eq!(
            keys,
            [
                ("count", "integer", "3".to_string()),
                ("wait", "duration", "0.2".to_string()),
                ("names", "list", String::new()),
                ("size", "bytes", "1048576".to_string()),
            ]
        );
        for spec in Sample::specs() {
            assert_eq!(sample.get(spec.key).unwrap(), (spec.default)());
        }
        sample.set("names", "a, b").unwrap();
        sample.set("wait", "1.5m").unwrap();
        sample.set("size", "2GiB").unwrap();
        assert_eq!(sample.names, Some(vec!["a".to_string(), "b".to_string()]));
        assert_eq!(sample.wait, Duration::from_secs(90));
        assert_eq!(sample.size, Bytes(2 << 30));
    }

    #[test]
    fn bad_keys_and_values_are_named() {
        let mut sample = Sample::default();
        for (key, value, part) in [
            ("kount", "1", "unknown option 'kount'"),
            ("count", "-1", "option 'count' cannot be '-1'"),
            ("count", "4294967296", "option 'count'"),
            ("wait", "soon", "option 'wait' cannot be 'soon'"),
            ("wait", "-1", "option 'wait'"),
            ("names", "a,,b", "option 'names'"),
            ("size", "99999999999GiB", "option 'size'"),
        ] {
            let error = sample.set(key, value).unwrap_err();
            assert_eq!(error.kind(), crate::ErrorKind::InvalidArgument);
            assert!(error.message().contains(part), "{error}");
        }
    }
}
