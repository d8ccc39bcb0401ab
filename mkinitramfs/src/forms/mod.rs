//! The forms in which a machine starts an image: from a kernel, an initramfs and
//! systemd's stub to one EFI program, and from that to a disk that firmware starts.
//! Nothing here writes a file; the same input gives the same bytes.

pub mod disk;
mod fat;
mod gpt;
mod pe;
pub mod uki;
