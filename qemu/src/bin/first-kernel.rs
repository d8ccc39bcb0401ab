//! What `qemu/first-kernel` does beside Linux's make: `image ARCH DIR` writes the image
//! that is built into the kernel, `boot ARCH DIR --with-efi|--without-efi` boots it.

use anyhow::{Result, bail};
use std::path::Path;
use std::process::ExitCode;
use turnout_qemu::arguments;
use turnout_qemu::first_kernel;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("first-kernel: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(words: &[String]) -> Result<()> {
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["image", arch, home] => {
            first_kernel::write_image(arguments::arch(arch.as_ref())?, Path::new(home))
        }
        ["boot", arch, home, how @ ("--with-efi" | "--without-efi")] => {
            let arch = arguments::arch(arch.as_ref())?;
            first_kernel::boot(arch, Path::new(home), *how == "--with-efi")
        }
        _ => bail!("qemu/first-kernel is what people call"),
    }
}
