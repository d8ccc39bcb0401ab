//! What a kernel file is, in fields that can be printed one by one.
//!
//! Nothing here decides anything: a planner looks at the kernel itself.

use super::compression::Compressor;
use super::{Bzimage, Kernel, Unpacked};
use crate::base::arch::Arch;

/// What the banner in every kernel begins with; a version follows.
const BANNER: &[u8] = b"Linux version ";
/// A version is not longer than `uname` has room for.
const MAX_VERSION: usize = 64;

/// Everything that is known about a kernel file. A field is `None` if the
/// format does not say it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// Names of the wrappings, outermost first.
    pub layers: Vec<String>,
    /// Name of the kernel's format.
    pub format: &'static str,
    /// Architecture of the kernel.
    pub arch: Arch,
    /// What `uname -r` will print.
    pub version: Option<String>,
    /// Bytes of the file.
    pub file_size: u64,
    /// Bytes of the kernel, without its wrappings.
    pub kernel_size: u64,
    /// Bytes of memory that the kernel needs from its first byte on.
    pub memory_size: u64,
    /// Alignment of the kernel in memory, in bytes.
    pub alignment: u64,
    /// Physical address that the kernel prefers.
    pub preferred_address: Option<u64>,
    /// Distance in bytes of the kernel from an aligned address.
    pub text_offset: Option<u64>,
    /// Whether the kernel runs at other addresses than that which it prefers.
    pub relocatable: bool,
    /// Page size in bytes that the kernel was built for.
    pub page_size: Option<u64>,
    /// Whether the kernel starts while 5-level paging is on.
    pub five_level_paging: Option<bool>,
    /// Longest command line in bytes.
    pub cmdline_size: Option<u64>,
    /// Version of the boot protocol, major and minor.
    pub protocol: Option<(u8, u8)>,
    /// Whether the kernel takes EFI state over from a running kernel.
    pub efi_kexec: Option<bool>,
    /// Whether firmware or a boot loader can start it as an EFI program.
    pub efi_program: bool,
    /// What the kernel inside a bzImage is compressed with.
    pub payload: Option<Compressor>,
    /// Physical address of the entry point of an ELF kernel.
    pub entry: Option<u64>,
    /// Names and lengths in bytes of a UKI's sections.
    pub sections: Vec<(&'static str, u64)>,
    /// The command line in a UKI.
    pub cmdline: Option<String>,
}

/// Describes a kernel file. Without a version in its header it is searched for
/// the kernel's banner, which takes some time.
#[must_use]
pub fn describe(unpacked: &Unpacked<'_>) -> Description {
    let uki = unpacked.uki();
    let sections = uki.map(|uki| uki.sections()).unwrap_or_default();
    let whole = Description {
        layers: unpacked.layers().iter().map(ToString::to_string).collect(),
        version: version(unpacked),
        file_size: unpacked.file().len() as u64,
        efi_program: unpacked.file().starts_with(b"MZ"),
        sections: sections.iter().map(|one| (one.name, one.bytes.len() as u64)).collect(),
        cmdline: uki.and_then(|uki| uki.cmdline()).map(str::to_owned),
        ..of_kernel(&unpacked.kernel())
    };
    Description { kernel_size: unpacked.kernel().file().len() as u64, ..whole }
}

fn of_kernel(kernel: &Kernel<'_>) -> Description {
    match kernel {
        Kernel::Bzimage(image) => of_bzimage(image),
        Kernel::Arm64Image(image) => Description {
            memory_size: image.memory_size(),
            alignment: 2 << 20,
            text_offset: Some(image.text_offset()),
            page_size: image.page_size(),
            ..blank("arm64 Image", Arch::Aarch64)
        },
        Kernel::Vmlinux(image) => Description {
            memory_size: image.memory_size(),
            alignment: 2 << 20,
            five_level_paging: image.five_level_paging(),
            cmdline_size: image.cmdline_size().map(u64::from),
            entry: Some(image.entry()),
            ..blank("vmlinux", Arch::X86_64)
        },
    }
}

fn of_bzimage(image: &Bzimage<'_>) -> Description {
    let [minor, major] = image.protocol().to_le_bytes();
    Description {
        memory_size: image.memory_size(),
        alignment: image.alignment(),
        preferred_address: Some(image.pref_address()),
        relocatable: image.relocatable(),
        page_size: Some(4096),
        five_level_paging: Some(image.five_level_paging()),
        cmdline_size: Some(image.cmdline_size().into()),
        protocol: Some((major, minor)),
        efi_kexec: Some(image.efi_kexec()),
        payload: image.payload().ok().map(|(compressor, _)| compressor),
        ..blank("bzImage", Arch::X86_64)
    }
}

const fn blank(format: &'static str, arch: Arch) -> Description {
    Description {
        layers: Vec::new(),
        format,
        arch,
        version: None,
        file_size: 0,
        kernel_size: 0,
        memory_size: 0,
        alignment: 0,
        preferred_address: None,
        text_offset: None,
        relocatable: true,
        page_size: None,
        five_level_paging: None,
        cmdline_size: None,
        protocol: None,
        efi_kexec: None,
        efi_program: false,
        payload: None,
        entry: None,
        sections: Vec::new(),
        cmdline: None,
    }
}

fn version(unpacked: &Unpacked<'_>) -> Option<String> {
    let kernel = unpacked.kernel();
    let stated = match &kernel {
        Kernel::Bzimage(image) => image.version(),
        Kernel::Vmlinux(image) => image.version(),
        Kernel::Arm64Image(_) => None,
    };
    // Only the first word is the version; the rest says who built it when.
    let stated = stated.and_then(|text| text.split(' ').next());
    let uname = unpacked.uki().and_then(|uki| uki.uname());
    stated.or(uname).or_else(|| banner(kernel.file())).map(str::to_owned)
}

/// The version in the first banner of a kernel.
fn banner(kernel: &[u8]) -> Option<&str> {
    let mut rest = kernel;
    while let Some(at) = rest.iter().position(|&byte| byte == b'L') {
        rest = rest.get(at..)?;
        if let Some(text) = rest.strip_prefix(BANNER)
            && text.first().is_some_and(u8::is_ascii_digit)
        {
            return first_word(text);
        }
        rest = rest.get(1..)?;
    }
    None
}

fn first_word(text: &[u8]) -> Option<&str> {
    let text = text.get(..MAX_VERSION).unwrap_or(text);
    let end = text.iter().position(|byte| !byte.is_ascii_graphic())?;
    core::str::from_utf8(text.get(..end)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::testing::unpacked;
    use crate::image::{arm64, bzimage};

    #[test]
    fn a_bzimage_is_described_by_its_header() {
        let file = bzimage::testing::debian();
        let about = describe(&unpacked(&file));
        assert_eq!((about.format, about.arch), ("bzImage", Arch::X86_64));
        assert_eq!(about.version.as_deref(), Some("6.1.0"));
        assert_eq!((about.protocol, about.efi_kexec), (Some((2, 15)), Some(true)));
        assert_eq!((about.cmdline_size, about.preferred_address), (Some(2047), Some(16 << 20)));
        assert_eq!((about.memory_size, about.alignment), (0x3f9_8000, 2 << 20));
        assert_eq!((about.file_size, about.kernel_size), (8_247_232, 8_247_232));
        assert!(about.relocatable && about.layers.is_empty() && about.payload.is_none());
    }

    #[test]
    fn an_arm64_image_is_described_by_its_header_and_its_banner() {
        let mut file = arm64::testing::small();
        assert_eq!(describe(&unpacked(&file)).version, None);
        file[4000..4040].copy_from_slice(b"LLinux version %sLinux version 6.1.0-56 ");
        let about = describe(&unpacked(&file));
        assert_eq!((about.format, about.arch), ("arm64 Image", Arch::Aarch64));
        assert_eq!(about.version.as_deref(), Some("6.1.0-56"));
        assert_eq!((about.page_size, about.text_offset), (Some(4096), Some(0)));
        assert!(about.efi_program);
    }

    #[test]
    fn a_banner_that_does_not_end_is_none() {
        assert_eq!(banner(b"Linux version 6"), None);
        assert_eq!(banner(&[b"Linux version ".as_slice(), &[b'6'; 100]].concat()), None);
        assert_eq!(banner(b"Linux version 6\0"), Some("6"));
    }
}
