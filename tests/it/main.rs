//! The library through its public API, on real stores, judged by other Arrow implementations.

#[path = "../common/mod.rs"]
mod common;

mod bad_input;
mod canary;
mod chaos;
mod docs;
mod faults;
mod foreign;
mod generations;
mod golden;
mod header;
mod helpers;
#[cfg(feature = "s3")]
mod ipc_table;
mod main_job;
#[cfg(feature = "s3")]
mod s3;
mod telemetry;
mod versioned;
