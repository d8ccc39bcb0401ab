//! The edge: what takes `unsafe`, and the calls that make a container of this process.
//!
//! Nothing is decided here. No call that loads or starts a kernel, mounts a device or
//! loads a module is ever made for PID 1: [`notice`] hands it over, and its answer goes
//! back.

// The workspace denies unsafe code; this folder is where the tests' system calls are.
#![allow(unsafe_code)]

pub(crate) mod container;
pub(crate) mod filter;
pub(crate) mod memory;
pub(crate) mod notice;
pub(crate) mod process;
pub(crate) mod terminal;
