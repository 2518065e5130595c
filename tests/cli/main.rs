//! The command line as a user meets it: the built program, its output and its exit status.

#[path = "../common/mod.rs"]
mod common;

mod bad_input;
mod bench;
mod commands;
mod credentials;
mod help;
mod interrupt;
mod program;
mod redis;
#[cfg(feature = "s3")]
mod s3;
mod streams;
