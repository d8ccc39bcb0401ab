//! `turnout image`: what the bytes of a file are, whatever its name says.

use std::path::Path;

use crate::failure::{Failure, Stage};
use crate::image::{self, Kernel, Limits};
use crate::json;
use crate::sys::{machine, read};
use crate::text::printable;

/// Describes the file; gives what is to be printed.
pub(super) fn run(file: &Path, json: bool) -> Result<String, Failure> {
    let name = file.display().to_string();
    describe(file, json).map_err(|failure| failure.of(&name))
}

fn describe(file: &Path, json: bool) -> Result<String, Failure> {
    let limit = machine::memory_for_files();
    let blob = read::blob(file, limit).map_err(|error| Failure::new(Stage::Read, error))?;
    let unpacked = image::unpack(blob.bytes.as_ref(), &Limits { output: limit })
        .map_err(|error| Failure::new(Stage::Identify, error))?;
    let kernel = unpacked.kernel();
    if !json {
        let description = kernel.to_string();
        return Ok(format!("{}: {}", printable(&blob.path), printable(&description)));
    }
    Ok(json::object(|out| {
        out.text("path", &blob.path);
        out.number("size", blob.size());
        out.text("sha256", &blob.digest.to_string());
        out.text("kind", kind(&kernel));
        out.text("arch", kernel.arch().name());
        out.text("description", &kernel.to_string());
    }))
}

const fn kind(kernel: &Kernel<'_>) -> &'static str {
    match kernel {
        Kernel::Bzimage(_) => "bzimage",
        Kernel::Arm64Image(_) => "arm64-image",
        Kernel::Vmlinux(_) => "vmlinux",
    }
}
