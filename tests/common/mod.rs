//! What the integration tests share: real servers, stores of every kind, and the Python judge.
#![allow(dead_code)]

pub mod cluster;
#[cfg(feature = "s3")]
pub mod http_proxy;
pub mod proxy;
pub mod python;
#[cfg(feature = "s3")]
pub mod s3;
pub mod servers;
pub mod stores;
