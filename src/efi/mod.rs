//! What UEFI firmware leaves for a running system: its runtime services
//! ([`runtime`]) and the variables of the Boot Loader Interface ([`variables`]).
//!
//! Bytes in, values out. Nothing here touches the firmware; `sys::efivars` and
//! `sys::machine` bring what is read here.

pub mod runtime;
pub mod variables;
