//! What the integration tests share: real servers, stores of every kind, and the Python judge.
#![allow(dead_code)]

pub mod cluster;
pub mod proxy;
pub mod python;
pub mod servers;
pub mod stores;
