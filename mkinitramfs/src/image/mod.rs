//! What `mkinitramfs` is made of: from a binary, a module tree and a key ring to
//! the bytes of an initramfs. Nothing here writes a file; the same input gives
//! the same bytes.

mod aliases;
pub mod binary;
mod builtin;
pub mod class;
pub mod compress;
pub mod cpio;
pub mod facts;
pub mod fragment;
pub mod hardening;
pub mod initramfs;
mod lookup;
pub mod modinfo;
mod module_files;
mod module_home;
mod module_tree;
pub mod modules;
pub mod needs;
pub mod packed;
pub mod parallel;
mod partners;
pub mod select;
mod shutdown;
pub mod suffix;
#[cfg(test)]
mod testing;
mod wanted;
pub mod weight;
