//! The host tools of Turnout.
//!
//! `mkinitramfs` packs the static binary, a kernel's modules and the key ring
//! into an initramfs, bit for bit the same from the same input. `turnout-sign`
//! makes keys, and signs and checks the entries of a boot partition. Neither
//! ever puts a private key into an image.

pub mod agent;
pub mod binary;
pub mod compress;
pub mod cpio;
pub mod entry;
pub mod hardening;
pub mod initramfs;
pub mod key_file;
pub mod modinfo;
pub mod modules;
pub mod output;
pub mod progress;
pub mod ring;
pub mod seal;
pub mod secret;
pub mod sign;
pub mod signer;
pub mod similar;
pub mod words;
