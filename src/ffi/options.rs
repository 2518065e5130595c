//! Options: one opaque object for each kind, set by key.

use std::ffi::c_char;
use std::sync::{Mutex, OnceLock, PoisonError};

use crate::error::{Error, Result};
use crate::ffi::constants::{
    ARROWREDIS_OPTIONS_FILE_READ, ARROWREDIS_OPTIONS_GENERATE, ARROWREDIS_OPTIONS_READ, ARROWREDIS_OPTIONS_RUNTIME,
    ARROWREDIS_OPTIONS_S3, ARROWREDIS_OPTIONS_SPLIT, ARROWREDIS_OPTIONS_STORE, ARROWREDIS_OPTIONS_VERIFY,
};
use crate::ffi::error::arrowredis_error;
use crate::ffi::guard::{Growing, Out, OutStruct, Text, borrow, borrow_optional, call, give, handle, release, text};
use crate::options::{OptionSpec, Options};
use crate::{
    FileReadOptions, GenerateOptions, ReadOptions, RuntimeOptions, SplitOptions, VerifyOptions,
    store::{S3Options, StoreOptions},
};

macro_rules! kinds {
    ($($number:ident, $name:literal, $variant:ident($type:ty), $take:ident;)*) => {
        enum AnyOptions {
            $( $variant($type), )*
        }

        /// Number, name and table of each kind.
        fn kinds() -> Vec<(i32, &'static str, &'static [OptionSpec])> {
            vec![$( ($number, $name, <$type>::specs()) ),*]
        }

        impl AnyOptions {
            fn new(kind: i32) -> Result<Self> {
                match kind {
                    $( $number => Ok(AnyOptions::$variant(<$type>::default())), )*
                    _ => Err(no_such_kind(kind)),
                }
            }

            fn kind(&self) -> i32 {
                match self { $( AnyOptions::$variant(_) => $number, )* }
            }

            fn set(&mut self, key: &str, value: &str) -> Result<()> {
                match self { $( AnyOptions::$variant(options) => options.set(key, value), )* }
            }
        }

        impl arrowredis_options {
            $(
                #[doc = concat!("The options as those of kind ", $name, ".")]
                pub(crate) fn $take(&self) -> Result<$type> {
                    match &*self.lock() {
                        AnyOptions::$variant(options) => Ok(options.clone()),
                        other => Err(wrong_kind($name, other)),
                    }
                }
            )*
        }
    };
}

kinds! {
    ARROWREDIS_OPTIONS_STORE, "store", Store(StoreOptions), store;
    ARROWREDIS_OPTIONS_READ, "read", Read(ReadOptions), read;
    ARROWREDIS_OPTIONS_FILE_READ, "file_read", FileRead(FileReadOptions), file_read;
    ARROWREDIS_OPTIONS_SPLIT, "split", Split(SplitOptions), split;
    ARROWREDIS_OPTIONS_GENERATE, "generate", Generate(GenerateOptions), generate;
    ARROWREDIS_OPTIONS_VERIFY, "verify", Verify(VerifyOptions), verify;
    ARROWREDIS_OPTIONS_RUNTIME, "runtime", Runtime(RuntimeOptions), runtime;
    ARROWREDIS_OPTIONS_S3, "s3", S3(S3Options), s3;
}

/// A set of options of one kind. Setting from several threads is safe; calls that take options copy them, so
/// that they may be changed or freed as soon as the call has returned.
pub struct arrowredis_options(Mutex<AnyOptions>);

handle!(arrowredis_options, "options object", b"ar.optns");

impl arrowredis_options {
    fn lock(&self) -> std::sync::MutexGuard<'_, AnyOptions> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The options behind a pointer, or the defaults for NULL.
pub(crate) fn or_default<T: Default>(
    options: *const arrowredis_options,
    take: fn(&arrowredis_options) -> Result<T>,
) -> Result<T> {
    borrow_optional(options, "options")?.map_or_else(|| Ok(T::default()), take)
}

fn no_such_kind(kind: i32) -> Error {
    let known: Vec<_> = kinds().iter().map(|(number, name, _)| format!("{number} ({name})")).collect();
    Error::invalid_argument(format!("there is no kind of options {kind}: expected one of {}", known.join(", ")))
}

fn wrong_kind(expected: &str, found: &AnyOptions) -> Error {
    let name = kinds().iter().find(|(number, ..)| *number == found.kind()).map_or("", |(_, name, _)| name);
    Error::invalid_argument(format!("argument 'options' holds options of kind '{name}', not '{expected}'"))
}

/// The types a typed setter may set; a text may set every type.
fn set_typed(options: *mut arrowredis_options, key: &str, value: &str, setter: Option<(&str, &[&str])>) -> Result<()> {
    let mut options = borrow(options, "options")?.lock();
    if let Some((given, fitting)) = setter {
        let kind = options.kind();
        let specs = kinds().into_iter().find(|(number, ..)| *number == kind).map_or(&[][..], |(.., specs)| specs);
        if let Some(spec) = specs.iter().find(|spec| spec.key == key)
            && !fitting.contains(&spec.value_type)
        {
            return Err(Error::invalid_argument(format!(
                "option '{key}' is of type {} and cannot be set to the {given} {value}",
                spec.value_type
            )));
        }
    }
    options.set(key, value)
}

/// Makes a set of options of a kind (`ARROWREDIS_OPTIONS_…`) with their defaults.
///
/// The caller owns `*out`. Errors: INVALID_ARGUMENT for an unknown kind.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_options_new(
    kind: i32,
    out: *mut *mut arrowredis_options,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let out = Out::new(out, "out")?;
        out.set(give(arrowredis_options(Mutex::new(AnyOptions::new(kind)?))));
        Ok(())
    })
}

/// Sets an option from its text, as the command line takes it: `4`, `on`, `0,1,2`, `200ms`, `64MiB`.
///
/// Errors: INVALID_ARGUMENT naming the key if it is unknown or the value does not fit; nothing is changed then.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_options_set_string(
    options: *mut arrowredis_options,
    key: *const c_char,
    key_length: usize,
    value: *const c_char,
    value_length: usize,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let (key, value) = (text(key, key_length, "key")?, text(value, value_length, "value")?);
        set_typed(options, key, value, None)
    })
}

/// Sets an option of type integer, bytes or duration (whole seconds). Errors as `arrowredis_options_set_string`.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_options_set_int64(
    options: *mut arrowredis_options,
    key: *const c_char,
    key_length: usize,
    value: i64,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let fitting = Some(("integer", &["integer", "bytes", "duration"][..]));
        set_typed(options, text(key, key_length, "key")?, &value.to_string(), fitting)
    })
}

/// Sets an option of type duration, in seconds. Errors as `arrowredis_options_set_string`.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_options_set_double(
    options: *mut arrowredis_options,
    key: *const c_char,
    key_length: usize,
    value: f64,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let fitting = Some(("number", &["duration"][..]));
        set_typed(options, text(key, key_length, "key")?, &value.to_string(), fitting)
    })
}

/// Sets an option of type bool: 0 is off, anything else on. Errors as `arrowredis_options_set_string`.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_options_set_bool(
    options: *mut arrowredis_options,
    key: *const c_char,
    key_length: usize,
    value: i32,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let value = if value == 0 { "off" } else { "on" };
        set_typed(options, text(key, key_length, "key")?, value, Some(("bool", &["bool"][..])))
    })
}

/// Frees a set of options. NULL does nothing.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_options_free(options: *mut arrowredis_options) {
    release(options);
}

/// One option of a kind. The strings are static.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct arrowredis_option_info {
    /// The key.
    pub key: *const c_char,
    /// `bool`, `integer`, `string`, `list`, `duration`, `bytes`, `filter`, or the words that can be chosen, as in `a|b`.
    pub value_type: *const c_char,
    /// The default as text; empty if unset.
    pub default_value: *const c_char,
    /// What it does.
    pub doc: *const c_char,
}

// SAFETY: four pointers, for which any bits are a value to copy; no padding.
unsafe impl Growing for arrowredis_option_info {}

/// The texts of one option, kept for ever.
struct OptionTexts([Text; 4]);

struct KindTexts {
    number: i32,
    name: Text,
    options: Vec<OptionTexts>,
}

fn texts() -> &'static [KindTexts] {
    static TEXTS: OnceLock<Vec<KindTexts>> = OnceLock::new();
    TEXTS.get_or_init(|| {
        let option = |spec: &OptionSpec| {
            let doc: Vec<_> = spec.doc.lines().map(str::trim).collect();
            OptionTexts([spec.key, spec.value_type, &(spec.default)(), doc.join(" ").trim()].map(Text::new))
        };
        let kind = |(number, name, specs): (i32, &str, &[OptionSpec])| KindTexts {
            number,
            name: Text::new(name),
            options: specs.iter().map(option).collect(),
        };
        kinds().into_iter().map(kind).collect()
    })
}

fn kind_texts(kind: i32) -> Result<&'static KindTexts> {
    texts().iter().find(|texts| texts.number == kind).ok_or_else(|| no_such_kind(kind))
}

/// The name of a kind of options, such as `read`; NULL if there is no such kind. The kinds are numbered from 1
/// without gaps. Static.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_options_kind_name(kind: i32) -> *const c_char {
    kind_texts(kind).map_or(std::ptr::null(), |texts| texts.name.pointer())
}

/// How many options a kind has.
///
/// Errors: INVALID_ARGUMENT for an unknown kind.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_options_count(kind: i32, out: *mut usize, err: *mut *mut arrowredis_error) -> i32 {
    call(err, || {
        let out = Out::new(out, "out")?;
        out.set(kind_texts(kind)?.options.len());
        Ok(())
    })
}

/// Describes an option of a kind, by its index from 0. `out_size` is `sizeof(arrowredis_option_info)`.
///
/// Errors: INVALID_ARGUMENT for an unknown kind or an index beyond the last option.
#[unsafe(no_mangle)]
pub extern "C" fn arrowredis_options_describe(
    kind: i32,
    index: usize,
    out: *mut arrowredis_option_info,
    out_size: usize,
    err: *mut *mut arrowredis_error,
) -> i32 {
    call(err, || {
        let out = OutStruct::new(out, out_size, "out")?;
        let options = &kind_texts(kind)?.options;
        let OptionTexts([key, value_type, default_value, doc]) = options.get(index).ok_or_else(|| {
            Error::invalid_argument(format!("there is no option {index}: this kind has {}", options.len()))
        })?;
        out.set(&arrowredis_option_info {
            key: key.pointer(),
            value_type: value_type.pointer(),
            default_value: default_value.pointer(),
            doc: doc.pointer(),
        });
        Ok(())
    })
}
