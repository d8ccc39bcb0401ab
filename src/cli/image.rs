//! `turnout image`: what the bytes of a file are, whatever its name says.

use core::fmt::Write as _;
use std::path::Path;

use crate::base::json::{self, Object};
use crate::base::text::printable;
use crate::failure::{Failure, Stage};
use crate::image::{self, Description, Limits};
use crate::sys::{machine, read};

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
    let found = image::describe(&unpacked);
    if json {
        return Ok(json::object(|out| {
            out.text("path", &blob.path);
            out.text("sha256", &blob.digest.to_string());
            write_json(&found, out);
        }));
    }
    Ok(format!("file               {}\n{}", printable(&blob.path), text(&found)))
}

/// One line for whatever the format says.
fn text(found: &Description) -> String {
    let mut out = String::new();
    let mut line = |name: &str, value: Option<&str>| {
        if let Some(value) = value {
            // A string takes whatever is written to it.
            let _ = writeln!(out, "{name:<18} {}", printable(value));
        }
    };
    let layers = found.layers.join(", ");
    line("wrapped in", Some(layers.as_str()).filter(|layers| !layers.is_empty()));
    line("format", Some(found.format));
    line("architecture", Some(found.arch.name()));
    line("version", found.version.as_deref());
    line("file", Some(&bytes(found.file_size)));
    line("kernel", Some(&bytes(found.kernel_size)));
    line("memory", Some(&bytes(found.memory_size)));
    line("alignment", Some(&bytes(found.alignment)));
    line("prefers", found.preferred_address.map(hex).as_deref());
    line("text offset", found.text_offset.map(hex).as_deref());
    line("entry", found.entry.map(hex).as_deref());
    line("relocatable", Some(yes(found.relocatable)));
    line("page size", found.page_size.map(bytes).as_deref());
    line("5-level paging", found.five_level_paging.map(yes));
    line("command line", found.cmdline_size.map(|size| format!("at most {size} bytes")).as_deref());
    line("boot protocol", protocol(found).as_deref());
    line("EFI handed over", found.efi_kexec.map(yes));
    line("EFI program", Some(yes(found.efi_program)));
    line("payload", found.payload.map(|one| one.name()));
    for (name, size) in &found.sections {
        line(&format!("section {name}"), Some(&bytes(*size)));
    }
    line("own command line", found.cmdline.as_deref());
    out
}

fn bytes(size: u64) -> String {
    format!("{size} bytes")
}

fn hex(address: u64) -> String {
    format!("{address:#x}")
}

const fn yes(value: bool) -> &'static str {
    if value { "yes" } else { "no" }
}

fn protocol(found: &Description) -> Option<String> {
    found.protocol.map(|(major, minor)| format!("{major}.{minor:02}"))
}

fn write_json(found: &Description, out: &mut Object<'_>) {
    out.array("layers", |list| found.layers.iter().for_each(|layer| list.text(layer)));
    out.text("format", found.format);
    out.text("arch", found.arch.name());
    out.maybe_text("version", found.version.as_deref());
    out.number("file_size", found.file_size);
    out.number("kernel_size", found.kernel_size);
    out.number("memory_size", found.memory_size);
    out.number("alignment", found.alignment);
    out.maybe_number("preferred_address", found.preferred_address);
    out.maybe_number("text_offset", found.text_offset);
    out.maybe_number("entry", found.entry);
    out.flag("relocatable", found.relocatable);
    out.maybe_number("page_size", found.page_size);
    out.maybe_flag("five_level_paging", found.five_level_paging);
    out.maybe_number("cmdline_size", found.cmdline_size);
    out.maybe_text("protocol", protocol(found).as_deref());
    out.maybe_flag("efi_kexec", found.efi_kexec);
    out.flag("efi_program", found.efi_program);
    out.maybe_text("payload", found.payload.map(|one| one.name()));
    out.array("sections", |list| {
        for (name, size) in &found.sections {
            list.object(|out| {
                out.text("name", name);
                out.number("size", *size);
            });
        }
    });
    out.maybe_text("cmdline", found.cmdline.as_deref());
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::bzimage::testing;

    #[test]
    fn text_and_json_show_what_a_file_is() {
        let file = testing::debian();
        let unpacked = image::testing::unpacked(&file);
        let found = image::describe(&unpacked);
        let text = text(&found);
        assert!(
            text.starts_with("format             bzImage\narchitecture       x86_64\n"),
            "{text}"
        );
        assert!(text.contains("boot protocol      2.15\n"), "{text}");
        let json: serde_json::Value =
            serde_json::from_str(&json::object(|out| write_json(&found, out))).unwrap();
        assert_eq!(json["format"], "bzImage");
        assert_eq!(json["layers"].as_array().map(Vec::len), Some(0));
        assert_eq!(json["memory_size"], found.memory_size);
        assert_eq!(json["protocol"], "2.15");
        assert_eq!(json["text_offset"], serde_json::Value::Null);
    }
}
