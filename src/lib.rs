//! The library behind `turnout`: everything between a boot partition and the
//! jump into the next kernel.
//!
//! Data moves forward only, as values: discover, menu, choose, read, verify,
//! identify, plan, load, quiesce, jump ([`boot`] is that sentence as code).
//! Every module but [`sys`] is pure: bytes and values in, values out; it must
//! never touch a file, a device or a system call, so that it runs under a
//! fuzzer and on any host. `tests/integration/layering.rs` holds that line.

pub mod base;
pub mod boot;
pub mod bundle;
pub mod check;
pub mod choose;
pub mod cli;
pub mod config;
pub mod drivers;
pub mod efi;
pub mod failure;
pub mod fdt;
pub mod host;
pub mod image;
pub mod measure;
pub mod memmap;
pub mod menu;
pub mod plan;
pub mod preflight;
pub mod rollback;
pub mod settings;
pub mod slots;
pub mod source;
pub(crate) mod steps;
pub mod sys;
pub mod tpm;
pub mod trust;
