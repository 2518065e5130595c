//! The C ABI: the only `extern "C"` functions. A skin: every function checks its arguments, calls the core, and
//! turns the result into a code and handles.
//!
//! The rules that all functions keep are written once, at the top of `include/arrowredis.h` (their source is
//! `cbindgen.toml`). [`guard`] enforces them: panics, NULL, wrong handles, strings, forked children.
#![allow(non_camel_case_types, reason = "the names are those of the C header")]

mod arrow_abi;
mod constants;
mod context;
mod dataset;
mod error;
mod export;
mod garbage;
mod generate;
mod guard;
mod import;
mod log;
mod metrics;
mod options;
mod reader;
mod split;
mod store;
mod upload;
mod verify;
mod version;
mod writer;
