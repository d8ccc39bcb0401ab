//! What `mkinitramfs` is made of: from a binary, a module tree and a key ring to
//! the bytes of an initramfs. Nothing here writes a file; the same input gives
//! the same bytes.

mod aliases;
pub mod binary;
pub mod class;
pub mod compress;
pub mod cpio;
pub mod hardening;
pub mod initramfs;
pub mod modinfo;
mod module_tree;
pub mod modules;
