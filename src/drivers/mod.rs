//! Which driver a device wants, of those that the image has.
//!
//! Pure: a table of drivers and the words of the kernel in, names of modules out.
//! It must never load anything, and never trust a device: what a device says of
//! itself chooses among the drivers that were packed, and nothing else. Follows
//! Linux, Documentation/driver-api/driver-model and the aliases that
//! include/linux/mod_devicetable.h describes.

pub mod class;
pub mod deferred;
pub mod device;
pub mod event;
pub mod gate;
pub mod leaving;
pub mod matching;
pub mod missing;
pub mod queue;
pub mod table;
