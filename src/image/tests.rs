//! Every format, sound and broken: what is broken gets a reason, never a panic
//! and never more memory than is allowed.

use super::compression::Reason;
use super::testing::{elf, payload_of, refusal, uki, unpacked, vmlinux, zboot};
use super::*;
use crate::base::switches::{self, Switch};

const LIMITS: Limits = Limits { output: 1 << 20 };

macro_rules! fixtures {
    ($($name:literal),*) => {
        [$(($name, include_bytes!(concat!("../../tests/data/image/", $name)).as_slice())),*]
    };
}

const PACKED: [(&str, &[u8]); 9] = fixtures![
    "Image.gz",
    "Image.xz",
    "Image.bcj.xz",
    "Image.sha256.xz",
    "Image.lzma",
    "Image.zst",
    "Image.lz4",
    "Image.linked.lz4",
    "Image.legacy.lz4"
];
const BOMBS: [(&str, &[u8]); 6] =
    fixtures!["zeros.gz", "zeros.xz", "zeros.lzma", "zeros.zst", "zeros.lz4", "zeros.legacy.lz4"];

/// What `tests/data/image/README.md` says.
fn image() -> Vec<u8> {
    let mut file = arm64::testing::small();
    for (i, byte) in file.iter_mut().enumerate().skip(64) {
        *byte = ((i * i) >> 11).to_le_bytes()[0];
    }
    file
}

/// One file of each format, with a kernel in it.
fn every_format() -> Vec<(&'static str, Vec<u8>)> {
    let mut files: Vec<_> = PACKED.map(|(name, file)| (name, file.to_vec())).into();
    files.push(("bzImage", bzimage::testing::small()));
    files.push(("Image", image()));
    files.push(("vmlinux", vmlinux()));
    files.push(("arm64 ELF", elf(183, 0, &[(0xffff_8000_0800_0000, &image())], &[])));
    files.push(("zboot", zboot(PACKED[0].1)));
    files.push(("UKI", uki(&[(".linux", &image()), (".initrd", b"initrd"), (".cmdline", b"ro")])));
    files
}

/// What holds of anything that was unpacked, whatever its headers say.
fn assert_sound(name: &str, unpacked: &Unpacked<'_>) {
    let kernel = unpacked.kernel();
    assert!(kernel.file().len() <= unpacked.file().len().max(1 << 20), "{name}");
    assert_eq!(unpacked.is_whole(), core::ptr::eq(kernel.file(), unpacked.file()), "{name}");
    let _ = describe(unpacked);
    if let Kernel::Vmlinux(image) = kernel {
        assert!(image.segments().all(|one| one.bytes.len() as u64 <= one.memory_size), "{name}");
        let _ = image.relocations().map(Iterator::count);
    }
    if let Ok(inner) = unpacked.decompress_payload(&LIMITS) {
        assert!(inner.kernel().file().len() <= 1 << 20, "{name}");
    }
}

#[test]
fn a_kernel_is_found_in_every_wrapping() {
    for (name, file) in every_format() {
        assert_sound(name, &unpacked(&file));
    }
    for (name, file) in PACKED {
        let unpacked = unpacked(file);
        assert_eq!(unpacked.kernel().file(), image(), "{name}");
        assert_eq!(unpacked.layers().len(), 1, "{name}");
    }
}

#[test]
fn wrappings_are_peeled_off_one_after_the_other() {
    let file = uki(&[(".linux", &zboot(PACKED[1].1)), (".uname", b"6.1.0-x\n")]);
    let unpacked = unpacked(&file);
    let text = "UKI: EFI zboot: xz: arm64 Image, 0x2010000 bytes in memory, 4 KiB pages";
    assert_eq!(unpacked.to_string(), text);
    assert_eq!(unpacked.kernel().file(), image());
    assert_eq!(describe(&unpacked).version.as_deref(), Some("6.1.0-x"));
    assert_eq!(describe(&unpacked).layers, ["UKI", "EFI zboot", "xz"]);
}

#[test]
fn too_many_wrappings_are_refused() {
    let six_times = (0..6).fold(image(), |file, _| testing::gzip(&file));
    assert_eq!(unpacked(&six_times).layers().len(), 6);
    assert_eq!(refusal(&testing::gzip(&six_times)), Error::TooDeep(6));
}

#[test]
fn the_payload_of_a_bzimage_is_its_vmlinux() {
    let file = payload_of(&testing::gzip(&vmlinux()));
    let outer = unpacked(&file);
    let inner = outer.decompress_payload(&LIMITS).unwrap();
    assert!(core::ptr::eq(inner.file(), file.as_slice()) && !inner.is_whole());
    let Kernel::Vmlinux(kernel) = inner.kernel() else { panic!("{inner}") };
    assert_eq!(kernel.setup_header(), Some(&file[0x1f1..0x26c]));
    assert_eq!((kernel.cmdline_size(), kernel.five_level_paging()), (Some(2047), Some(true)));
    // Of the last segment's 32 bytes, the 16 zeros of its bss are left out.
    let sizes: Vec<_> = kernel.segments().map(|one| (one.bytes.len(), one.memory_size)).collect();
    assert_eq!(sizes, [(32, 32), (16, 32)]);
    let words: Vec<_> = kernel.relocations().unwrap().collect();
    assert_eq!(
        words,
        [
            Relocation::Abs64(0xffff_ffff_8100_0000),
            Relocation::Inverse32(0xffff_ffff_8100_0008),
            Relocation::Abs32(0xffff_ffff_8110_0000),
            Relocation::Abs32(0xffff_ffff_8110_0008),
        ]
    );
    assert_eq!(words[2].phys(), 0x110_0000);
}

fn payload_refusal(payload: &[u8]) -> String {
    let file = payload_of(payload);
    unpacked(&file).decompress_payload(&LIMITS).unwrap_err().to_string()
}

#[test]
fn a_payload_that_is_no_vmlinux_is_refused() {
    let image = image();
    assert_eq!(
        payload_refusal(&testing::gzip(&elf(183, 0, &[(0, &image)], &[]))),
        Error::NoPayload.to_string()
    );
    assert_eq!(
        payload_refusal(b"none"),
        "the bzImage has no compressed kernel where its header says (4 bytes at 0x100)"
    );
    assert_eq!(
        payload_refusal(&testing::gzip(b"\x7fELF")),
        "the ELF file is cut off: its 4 bytes end inside its headers"
    );
    assert_eq!(unpacked(&image).decompress_payload(&LIMITS), Err(Error::NoPayload));
}

fn relocation_count(lists: &[u32]) -> Option<usize> {
    let file = elf(62, 0x100_0000, &[(0x100_0000, &[1; 32])], lists);
    let unpacked = unpacked(&file);
    let Kernel::Vmlinux(kernel) = unpacked.kernel() else { panic!() };
    kernel.relocations().map(Iterator::count)
}

#[test]
fn relocations_outside_the_loaded_bytes_are_none() {
    assert_eq!(relocation_count(&[0, 0x8100_0018, 0, 0x8100_001c]), Some(2));
    assert_eq!(relocation_count(&[0, 0x8100_0019, 0, 0x8100_001c]), None);
    assert_eq!(relocation_count(&[0, 0x8100_0018, 0, 0x8100_001d]), None);
    assert_eq!(relocation_count(&[0, 0, 0, 0]), None);
    assert_eq!(relocation_count(&[1, 0x8100_0018, 0]), None);
    assert_eq!(relocation_count(&[]), None);
}

#[test]
fn a_file_cut_anywhere_is_refused_with_a_reason() {
    for (name, file) in every_format() {
        for size in 0..file.len().min(4096) {
            match unpack(&file[..size], &LIMITS) {
                Err(error) => assert!(error.to_string().len() > 10, "{name} {size}"),
                // Neither an Image nor this compressor says where it ends.
                Ok(unpacked) => {
                    let endless = ["Image", "Image.legacy.lz4", "vmlinux"].contains(&name);
                    assert!(endless && size >= 64, "{name} {size} {unpacked}");
                }
            }
        }
    }
}

#[test]
fn a_damaged_stream_is_never_taken_for_sound() {
    let image = image();
    for (name, file) in PACKED {
        for at in (0..file.len()).step_by(7) {
            let mut file = file.to_vec();
            file[at] ^= 0x10;
            let Ok(unpacked) = unpack(&file, &LIMITS) else { continue };
            let checked = !name.ends_with("lzma") && !name.ends_with("legacy.lz4");
            assert!(!checked || unpacked.kernel().file() == image, "{name} at {at:#x}");
        }
    }
}

#[test]
fn a_bomb_is_stopped_at_the_limit() {
    for (name, file) in BOMBS {
        let Err(Error::Compressed(error)) = unpack(file, &LIMITS) else { panic!("{name}") };
        assert_eq!(error.reason, Reason::TooLong(1 << 20), "{name}");
        let more = unpack(file, &Limits { output: (2 << 20) + 1 }).unwrap_err();
        assert_eq!(more, Error::Unknown(vec![0; 8]), "{name}");
    }
    let twice = testing::gzip(&testing::gzip(&[0; 600_000]));
    let Err(Error::Compressed(error)) = unpack(&twice, &LIMITS) else { panic!() };
    assert!(matches!(error.reason, Reason::TooLong(_)), "both layers count");
}

#[test]
fn what_follows_a_stream_may_only_be_zeros() {
    for (name, file) in PACKED {
        let padded = [file, &[0; 512]].concat();
        assert_eq!(unpacked(&padded).kernel().file(), image(), "{name}");
        let followed = [file, b"more"].concat();
        assert!(matches!(refusal(&followed), Error::Compressed(_)), "{name}");
    }
}

#[test]
fn a_compressor_without_a_decoder_is_named() {
    let bzip2 = include_bytes!("../../tests/data/image/Image.bz2");
    let text = "it is compressed with bzip2, which Turnout cannot unpack";
    assert_eq!(refusal(bzip2).to_string(), text);
    let text = "it is compressed with lzop, which Turnout cannot unpack";
    assert_eq!(refusal(b"\x89LZO\0\r\n\x1a\n").to_string(), text);
}

/// tests/features runs it where they are left out.
#[test]
fn a_decoder_is_there_or_the_switch_that_left_it_out_is_named() {
    let files: [(Switch, &str, &[u8]); 3] = [
        (switches::LZ4, "lz4", include_bytes!("../../tests/data/image/Image.lz4")),
        (switches::LZ4, "lz4", include_bytes!("../../tests/data/image/Image.legacy.lz4")),
        (switches::LZMA, "lzma", include_bytes!("../../tests/data/image/Image.lzma")),
    ];
    for (switch, name, file) in files {
        if switch.on {
            assert_eq!(unpacked(file).kernel().file(), image(), "{name}");
        } else {
            let text = format!(
                "it is compressed with {name}, and this program was built without decoder-{name}"
            );
            assert_eq!(refusal(file).to_string(), text);
        }
    }
}

/// Sets every field in turn to every value that a check could get wrong.
fn with_every_field(name: &str, file: &[u8], fields: &[(usize, usize)]) {
    let len = file.len() as u64;
    for &(at, size) in fields {
        for value in [0, 1, len - 1, len, len + 1, u64::MAX / 2, u64::MAX - 1, u64::MAX] {
            let mut file = file.to_vec();
            file[at..at + size].copy_from_slice(&value.to_le_bytes()[..size]);
            if let Ok(unpacked) = unpack(&file, &LIMITS) {
                assert_sound(name, &unpacked);
            }
        }
    }
}

/// All fields of this size up to `end`: where, and how long.
fn fields(end: usize, size: usize) -> Vec<(usize, usize)> {
    (0..end).step_by(size).map(|at| (at, size)).collect()
}

#[test]
fn no_header_field_is_trusted() {
    for (name, file) in every_format() {
        let packed = PACKED.iter().any(|(other, _)| *other == name);
        let head = if packed { 32 } else { file.len().min(0x280) };
        with_every_field(name, &file, &fields(head, 1));
        for size in [2, 4, 8] {
            with_every_field(name, &file, &fields(head - head % size, size));
        }
    }
    let file = payload_of(&testing::gzip(&vmlinux()));
    with_every_field(
        "payload",
        &file,
        &[(0x1f1, 1), (0x1f4, 4), (0x201, 1), (0x20e, 2), (0x248, 4), (0x24c, 4)],
    );
}

#[test]
fn a_damaged_zboot_image_is_refused() {
    let mut file = zboot(b"");
    assert_eq!(
        refusal(&file),
        Error::Zboot(zboot::Error::Payload { offset: 64, size: 0, file: 64 })
    );
    file[12] = 1;
    assert_eq!(
        refusal(&file).to_string(),
        "the EFI zboot image says that it has 1 bytes of kernel at offset 0x40, but the file has 64 bytes"
    );
    assert_eq!(refusal(&file[..15]), Error::Zboot(zboot::Error::HeaderCut(15)));
    assert_eq!(refusal(&zboot(b"plain")), Error::Unknown(b"plain".to_vec()));
}

fn uki_refusal(sections: &[(&str, &[u8])], change: impl Fn(&mut Vec<u8>)) -> uki::Error {
    let mut file = uki(sections);
    change(&mut file);
    let Error::Uki(error) = refusal(&file) else { panic!() };
    error
}

#[test]
fn a_unified_kernel_image_has_the_sections_that_it_says() {
    let file = uki(&[
        (".osrel", b"ID=debian\n"),
        (".text", b"code"),
        (".cmdline", b"root=LABEL=root ro\n\0\0"),
        (".initrd", b"initrd"),
        (".ucode", b"ucode"),
        (".linux", &image()),
        (".dtb", b"dtb"),
    ]);
    let unpacked = unpacked(&file);
    let uki = unpacked.uki().unwrap();
    assert_eq!(
        (uki.initrd(), uki.ucode()),
        (Some(b"initrd".as_slice()), Some(b"ucode".as_slice()))
    );
    assert_eq!((uki.cmdline(), uki.osrel()), (Some("root=LABEL=root ro"), Some("ID=debian\n")));
    assert_eq!((uki.dtb(None), uki.uname()), (Some(b"dtb".as_slice()), None));
    assert_eq!(uki.linux(), image());
    assert_eq!(unpacked.layers(), [Layer::Uki]);
}

/// Its first profile has "first" in the section `own`.
fn of_two_profiles(own: &str) -> Vec<u8> {
    uki(&[
        (".linux", &image()),
        (".cmdline", b"base"),
        (".profile", b"ID=one"),
        (own, b"first"),
        (".profile", b"ID=two"),
        (".cmdline", b"second"),
    ])
}

#[test]
fn of_several_profiles_the_first_is_taken() {
    let own = of_two_profiles(".cmdline");
    assert_eq!(unpacked(&own).uki().unwrap().cmdline(), Some("first"));
    let inherited = of_two_profiles(".initrd");
    let inherited = unpacked(&inherited);
    let parts = inherited.uki().unwrap();
    assert_eq!((parts.cmdline(), parts.initrd()), (Some("base"), Some(b"first".as_slice())));
    assert_eq!(parts.linux(), image());
}

#[test]
fn the_profile_that_is_wanted_overrides_the_base_and_no_other_is_looked_at() {
    let other_kernel = zboot(PACKED[1].1);
    let file = uki(&[
        (".linux", &image()),
        (".osrel", b"ID=base"),
        (".cmdline", b"quiet"),
        (".profile", b"ID=regular"),
        (".profile", b"ID=reset"),
        (".cmdline", b"quiet factory-reset"),
        (".initrd", b"reset"),
        (".profile", b"ID=broken"),
        (".initrd", b"one"),
        (".initrd", b"two"),
        (".profile", b"ID=other"),
        (".linux", &other_kernel),
    ]);
    let regular = open_uki(&file, 0).unwrap();
    assert_eq!((regular.cmdline(), regular.initrd()), (Some("quiet"), None));
    let reset = open_uki(&file, 1).unwrap();
    assert_eq!(reset.cmdline(), Some("quiet factory-reset"));
    assert_eq!(reset.initrd(), Some(b"reset".as_slice()));
    assert_eq!(reset.osrel(), Some("ID=base"));
    let own = reset.sections().iter().find(|one| one.name == ".profile").copied();
    assert_eq!(own.unwrap().bytes, b"ID=reset");
    assert_eq!(open_uki(&file, 2).unwrap_err(), uki::Error::Twice(".initrd"));
    let other = open_uki(&file, 3).unwrap();
    assert_eq!((other.linux(), other.cmdline()), (other_kernel.as_slice(), Some("quiet")));
    let error = open_uki(&file, 4).unwrap_err();
    assert_eq!(error, uki::Error::NoProfile { wanted: 4, count: 4 });
    let text = "the unified kernel image has no profile 4: it has 4 profiles, counted from 0";
    assert_eq!(error.to_string(), text);

    let limits = Limits { output: 1 << 26 };
    let unpacked = unpack_profile(&file, 3, &limits).unwrap();
    assert_eq!(describe(&unpacked).layers, ["UKI", "EFI zboot", "xz"]);
    assert_eq!(unpack_profile(&file, 1, &limits).unwrap().layers(), [Layer::Uki]);
    assert_eq!(
        unpack_profile(&file, 9, &limits).unwrap_err().to_string(),
        text.replace("e 4", "e 9")
    );
}

#[test]
fn a_file_without_profiles_has_the_first_one_and_no_other() {
    let file = uki(&[(".linux", &image()), (".cmdline", b"base")]);
    assert_eq!(open_uki(&file, 0).unwrap().cmdline(), Some("base"));
    let none = uki::Error::NoProfile { wanted: 1, count: 0 };
    assert_eq!(open_uki(&file, 1).unwrap_err(), none);
}

#[test]
fn only_a_unified_kernel_image_is_opened_as_one() {
    for file in [image(), zboot(PACKED[1].1), bzimage::testing::small(), Vec::new()] {
        assert_eq!(open_uki(&file, 0).unwrap_err(), uki::Error::NotUki);
    }
}

#[test]
fn addons_come_before_and_after_what_the_image_has_in_the_order_of_uapi_5() {
    let file = uki(&[
        (".linux", &image()),
        (".cmdline", b"base\n"),
        (".ucode", b"u0"),
        (".initrd", b"i0"),
        (".dtb", b"d0"),
    ]);
    let first = uki(&[(".cmdline", b"a=1\nb=2\0"), (".ucode", b"u1"), (".initrd", b"i1")]);
    let second = uki(&[(".sbat", b"sbat"), (".dtb", b"d2"), (".cmdline", b" ")]);
    let third = uki(&[(".ucode", b"u3"), (".initrd", b"i3"), (".cmdline", b"c=3"), (".dtb", b"")]);
    let addons = [&first, &second, &third].map(|file| Addon::parse(file, Arch::Aarch64).unwrap());
    let whole = Whole { uki: open_uki(&file, 0).unwrap(), addons: addons.to_vec() };
    assert_eq!(whole.cmdline(), "base a=1 b=2 c=3");
    assert_eq!(whole.dtb(None), Some(b"d2".as_slice()));
    let initrds: Vec<(String, &[u8])> = whole.initrds();
    let names: Vec<&str> = initrds.iter().map(|(name, _)| name.as_str()).collect();
    let order = [
        "addon 3 .ucode",
        "addon 1 .ucode",
        ".ucode",
        ".initrd",
        "addon 1 .initrd",
        "addon 3 .initrd",
    ];
    assert_eq!(names, order);
    let bytes: Vec<&[u8]> = initrds.iter().map(|(_, bytes)| *bytes).collect();
    assert_eq!(bytes.concat(), b"u3u1u0i0i1i3");

    let alone = Whole { addons: Vec::new(), ..whole };
    assert_eq!((alone.cmdline().as_str(), alone.dtb(None)), ("base", Some(b"d0".as_slice())));
}

fn addon_refusal(sections: &[(&str, &[u8])]) -> uki::Error {
    Addon::parse(&uki(sections), Arch::Aarch64).unwrap_err()
}

#[test]
fn a_file_that_is_no_addon_for_this_machine_is_refused_with_the_cause() {
    let linux = image();
    assert_eq!(addon_refusal(&[(".cmdline", b"x"), (".linux", &linux)]), uki::Error::AddonKernel);
    assert_eq!(addon_refusal(&[(".cmdline", b"x"), (".profile", b"")]), uki::Error::AddonProfile);
    assert_eq!(addon_refusal(&[(".text", b"x"), (".osrel", b"")]), uki::Error::AddonEmpty);
    assert_eq!(addon_refusal(&[]), uki::Error::AddonEmpty);
    assert_eq!(addon_refusal(&[(".cmdline", b"\xff")]), uki::Error::Cmdline);
    assert_eq!(addon_refusal(&[(".dtb", b"x"), (".dtb", b"x")]), uki::Error::Twice(".dtb"));
    let error = Addon::parse(&uki(&[(".cmdline", b"x")]), Arch::X86_64).unwrap_err();
    assert_eq!(error.to_string(), "the addon is for aarch64, this machine is x86_64");
    assert_eq!(Addon::parse(b"x", Arch::X86_64).unwrap_err(), uki::Error::NotPe);
}

#[test]
fn a_damaged_unified_kernel_image_is_refused_with_the_cause() {
    let linux = image();
    let sections: [(&str, &[u8]); 2] = [(".linux", &linux), (".initrd", b"initrd")];
    // Where testing::uki puts things.
    const MACHINE: usize = 0x44;
    const COUNT: usize = 0x46;
    const FIRST: usize = 0x58;
    const SECOND: usize = 0x80;
    let error = uki_refusal(&[(".initrd", b"initrd")], |_| {});
    assert_eq!(error, uki::Error::NoKernel);
    assert_eq!(uki_refusal(&[(".linux", b"")], |_| {}), uki::Error::NoKernel);
    let error = uki_refusal(&[sections[0], sections[1], sections[1]], |_| {});
    assert_eq!(error, uki::Error::Twice(".initrd"));
    let error = uki_refusal(&[sections[0], (".cmdline", b"\xff")], |_| {});
    assert_eq!(error, uki::Error::Cmdline);
    let error = uki_refusal(&sections, |file| file[MACHINE] = 0x4c);
    assert_eq!(error, uki::Error::Machine(0xaa4c));
    let error = uki_refusal(&sections, |file| file[COUNT] = 97);
    assert_eq!(error, uki::Error::TooManySections(97));
    let error = uki_refusal(&sections, |file| file[0x40] = b'N');
    assert_eq!(error, uki::Error::NotPe);
    let error = uki_refusal(&sections, |file| file[FIRST..FIRST + 2].copy_from_slice(b"/x"));
    assert_eq!(error, uki::Error::SectionTable);
    let error = uki_refusal(&sections, |file| {
        let at: [u8; 4] = file[FIRST + 20..FIRST + 24].try_into().unwrap();
        file[SECOND + 20..SECOND + 24].copy_from_slice(&at);
    });
    assert_eq!(error, uki::Error::Overlap(".initrd", ".linux"));
    let error = uki_refusal(&sections, |file| file[SECOND + 8] = 9);
    assert!(matches!(error, uki::Error::Section { name: ".initrd", size: 9, raw: 8, .. }));
    let error = uki_refusal(&sections, |file| file[SECOND + 20..SECOND + 24].fill(0xff));
    assert!(matches!(error, uki::Error::Section { at: u32::MAX, .. }));
    let packed = testing::gzip(&uki(&sections));
    assert_eq!(refusal(&packed), Error::Uki(uki::Error::Nested));
    assert_eq!(refusal(&uki(&[(".linux", &uki(&sections))])), Error::Uki(uki::Error::Nested));
}

/// What is said of a vmlinux with these bytes there.
fn elf_refusal(at: usize, bytes: &[u8]) -> elf::Error {
    let mut file = vmlinux();
    file[at..at + bytes.len()].copy_from_slice(bytes);
    let Error::Elf(error) = refusal(&file) else { panic!() };
    error
}

#[test]
fn a_damaged_elf_file_is_refused_with_the_cause() {
    assert_eq!(elf_refusal(4, &[1]), elf::Error::Class);
    assert_eq!(elf_refusal(0x12, &[3]), elf::Error::Machine(3));
    assert_eq!(elf_refusal(0x10, &[3]), elf::Error::Type(3));
    assert_eq!(elf_refusal(0x38, &[65]), elf::Error::TooManyHeaders(65));
    assert_eq!(elf_refusal(0x20, &[0xff; 8]), elf::Error::HeaderCut(vmlinux().len()));
    assert_eq!(elf_refusal(0x18, &[0; 8]), elf::Error::Entry(0));
    assert_eq!(
        elf_refusal(0x40 + 0x20, &[0xff; 8]),
        elf::Error::Segment { at: 0xb0, size: u64::MAX }
    );
    // The second segment at the first one's place.
    assert_eq!(
        elf_refusal(0x40 + 56 + 0x18, &0x100_0000_u64.to_le_bytes()),
        elf::Error::Overlap(0x100_0000)
    );
    let far = elf(183, 0, &[(0, &image()), (1 << 40, b"x")], &[]);
    assert!(matches!(refusal(&far), Error::Elf(elf::Error::TooLong { .. })));
    assert_eq!(refusal(&elf(183, 0, &[(0, b"no Image")], &[])), Error::Elf(elf::Error::NoImage));
    assert_eq!(refusal(&elf(183, 0, &[], &[])), Error::Elf(elf::Error::NoSegment));
}

#[test]
fn an_unknown_file_is_shown_by_its_first_bytes() {
    assert_eq!(refusal(b"").to_string(), "the file is empty");
    assert_eq!(
        refusal(b"#!/bin/sh\n").to_string(),
        "this is no kernel image that Turnout knows; it begins with 23 21 2f 62 69 6e 2f 73"
    );
}
