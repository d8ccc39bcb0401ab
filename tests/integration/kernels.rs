//! Real kernels: Debian's, as qemu/setup unpacked them, against xz-utils, zstd,
//! lz4 and gzip. Left out where there are none.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use turnout::image::{Kernel, Limits, LoadSegment, Relocation, unpack};

const LIMITS: Limits = Limits { output: 1 << 30 };

/// Where qemu/setup keeps what it has downloaded.
fn cache() -> PathBuf {
    match std::env::var_os("TURNOUT_CACHE") {
        Some(cache) => cache.into(),
        None => Path::new(&std::env::var_os("HOME").unwrap()).join(".cache/turnout"),
    }
}

/// Debian's kernels of an architecture.
fn kernels(arch: &str) -> Vec<PathBuf> {
    let flavours = fs::read_dir(cache().join(arch)).into_iter().flatten();
    let files = flavours.flat_map(|flavour| fs::read_dir(flavour.unwrap().path().join("boot")));
    let files = files.flatten().map(|file| file.unwrap().path());
    files
        .filter(|path| path.file_name().unwrap().to_string_lossy().starts_with("vmlinuz"))
        .collect()
}

/// What a program makes of bytes, if it is there.
fn filter(program: &str, arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .ok()?;
    let mut stdin = child.stdin.take().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(move || std::io::Write::write_all(&mut stdin, input).unwrap());
        Some(child.wait_with_output().unwrap().stdout)
    })
}

fn payload(file: &[u8]) -> &[u8] {
    let [offset, length] =
        [0x248, 0x24c].map(|at| u32::from_le_bytes(file[at..at + 4].try_into().unwrap()) as usize);
    let start = (usize::from(file[0x1f1]) + 1) * 512 + offset;
    &file[start..start + length - 4]
}

#[test]
fn the_payload_of_debians_bzimages_is_what_other_tools_make_of_it() {
    for path in kernels("x86_64") {
        let file = fs::read(&path).unwrap();
        let unpacked = unpack(&file, &LIMITS).unwrap();
        assert!(unpacked.is_whole());
        let payload = payload(&file);
        let tool = match payload[..4] {
            [0xfd, b'7', b'z', b'X'] => "xz",
            [0x28, 0xb5, 0x2f, 0xfd] => "zstd",
            _ => "lz4",
        };
        let Some(expected) = filter(tool, &["-dc"], payload) else { continue };

        let vmlinux = unpacked.decompress_payload(&LIMITS).unwrap();
        assert!(vmlinux.kernel().file() == expected, "{}", path.display());
        let Kernel::Vmlinux(vmlinux) = vmlinux.kernel() else { panic!("{vmlinux:?}") };
        assert!(
            (16 << 20..18 << 20).contains(&vmlinux.entry()),
            "{:#x} {}",
            vmlinux.entry(),
            path.display()
        );
        assert_eq!(vmlinux.setup_header().unwrap(), &file[0x1f1..0x26c]);
        let segments: Vec<_> = vmlinux.segments().collect();
        let loaded: usize = segments.iter().map(|segment| segment.bytes.len()).sum();
        assert!((20 << 20..60 << 20).contains(&loaded), "{loaded} of {} bytes", expected.len());
        let relocations: Vec<_> = vmlinux.relocations().unwrap().collect();
        assert!(relocations.len() > 100_000);
        let words = relocations.iter().filter_map(|one| match one {
            Relocation::Abs64(_) => Some(word_at(&segments, one.phys())),
            _ => None,
        });
        let (inside, outside): (Vec<u64>, Vec<u64>) =
            words.partition(|word| *word >= 0xffff_ffff_8000_0000);
        // The few others are page table entries.
        assert!(
            inside.len() > 100_000 && outside.len() < 1000,
            "{} of {}",
            outside.len(),
            inside.len()
        );
    }
}

fn word_at(segments: &[LoadSegment<'_>], phys: u64) -> u64 {
    let mut parts = segments.iter();
    let bytes = parts.find_map(|segment| {
        let at = usize::try_from(phys.checked_sub(segment.phys)?).ok()?;
        segment.bytes.get(at..at + 8)
    });
    u64::from_le_bytes(bytes.unwrap().try_into().unwrap())
}

#[test]
fn debians_arm64_images_are_found_in_every_wrapping() {
    let tools: [(&str, &[&str]); 6] = [
        ("gzip", &["-1c"]),
        ("xz", &["-0c"]),
        ("xz", &["-0c", "--format=lzma"]),
        ("zstd", &["-1c"]),
        ("lz4", &["-1c"]),
        ("lz4", &["-1cl"]),
    ];
    let Some(path) = kernels("aarch64").into_iter().next() else { return };
    let file = &fs::read(&path).unwrap()[..4 << 20];
    assert!(unpack(file, &LIMITS).unwrap().is_whole());
    for (tool, arguments) in tools {
        let Some(packed) = filter(tool, arguments, file) else { continue };
        let unpacked = unpack(&packed, &LIMITS).unwrap();
        assert!(unpacked.kernel().file() == file, "{tool} {arguments:?}");
        assert!(!unpacked.is_whole() && matches!(unpacked.kernel(), Kernel::Arm64Image(_)));
    }
}
