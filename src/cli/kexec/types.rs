//! The names that kexec-tools has for kinds of kernels, and which of them can be loaded
//! here.

use std::ffi::OsStr;

use super::status::{FAILED, Stopped};
use crate::base::text::quoted;
use crate::cli::kernel_kind::Kind;

/// A name for `--type`.
pub(super) struct Type {
    pub(super) name: &'static str,
    /// None for what is never loaded here.
    pub(super) kind: Option<Kind>,
}

/// Every name, of both architectures: which of them fits here is seen at the file.
pub(super) const TYPES: [Type; 13] = [
    Type { name: "bzImage64", kind: Some(Kind::Bzimage) },
    Type { name: "bzImage", kind: Some(Kind::Bzimage) },
    Type { name: "elf-x86_64", kind: Some(Kind::Vmlinux) },
    Type { name: "uki", kind: Some(Kind::Uki) },
    Type { name: "Image", kind: Some(Kind::Image) },
    Type { name: "vmlinuz", kind: Some(Kind::Zboot) },
    Type { name: "vmlinux", kind: Some(Kind::Elf) },
    Type { name: "uImage", kind: None },
    Type { name: "multiboot2-x86", kind: None },
    Type { name: "multiboot-x86", kind: None },
    Type { name: "elf-x86", kind: None },
    Type { name: "beoboot-x86", kind: None },
    Type { name: "nbi-x86", kind: None },
];

/// What a kernel of this type is.
///
/// # Errors
/// There is no such type, or none that is loaded here.
pub(super) fn find(name: &OsStr) -> Result<Kind, Stopped> {
    let said = quoted(&name.to_string_lossy());
    match TYPES.iter().find(|one| name == one.name) {
        Some(Type { kind: Some(kind), .. }) => Ok(*kind),
        Some(_) => Err(Stopped::new(FAILED, format!("kernels of type {said} are not loaded here"))),
        None => {
            let names: Vec<_> =
                TYPES.iter().filter(|one| one.kind.is_some()).map(|one| one.name).collect();
            let said = format!("there is no type {said}; there are {}", names.join(", "));
            Err(Stopped::new(FAILED, said))
        }
    }
}
