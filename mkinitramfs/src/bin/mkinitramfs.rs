//! Packs Turnout into an initramfs: [`mkinitramfs::programs::mkinitramfs`].

use std::process::ExitCode;

use mkinitramfs::programs::mkinitramfs;

fn main() -> ExitCode {
    mkinitramfs::main()
}
