//! The host tools of Turnout.
//!
//! `mkinitramfs` ([`image`]) packs the static binary, a kernel's modules and the
//! key ring into an initramfs, bit for bit the same from the same input; [`forms`] makes
//! of that what firmware starts.
//! `turnout-sign` ([`signing`]) makes keys, and signs and checks the entries of a
//! boot partition; it also keeps a machine's boot menu signed ([`upkeep`]). Neither ever puts a private key into an image.

pub mod arguments;
pub mod forms;
pub mod image;
pub mod output;
pub mod programs;
pub mod signing;
pub mod upkeep;
