//! The library through its public API, on real stores, judged by other Arrow implementations.

#[path = "../common/mod.rs"]
mod common;

mod main_job;
