//! Signs what Turnout boots: [`mkinitramfs::programs::turnout_sign`].

use std::process::ExitCode;

use mkinitramfs::programs::turnout_sign;

fn main() -> ExitCode {
    turnout_sign::main()
}
