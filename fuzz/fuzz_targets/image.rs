//! Any bytes as a kernel file.

#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout::base::arch::Arch;
use turnout::image::{Addon, Kernel, Limits, Uki, Whole, describe, open_uki, unpack};

const LIMITS: Limits = Limits { output: 1 << 16 };

fuzz_target!(|file: &[u8]| {
    for profile in 0..4 {
        let _ = open_uki(file, profile).map(|uki| take_apart(file, uki));
    }
    let Ok(unpacked) = unpack(file, &LIMITS) else { return };
    let kernel = unpacked.kernel();
    assert!(kernel.file().len() <= file.len().max(1 << 16));
    let _ = describe(&unpacked).version;
    if let Kernel::Vmlinux(image) = kernel {
        assert!(image.segments().all(|one| one.bytes.len() as u64 <= one.memory_size));
        for one in image.relocations().into_iter().flatten() {
            let inside = image.segments().any(|segment| {
                one.phys() >= segment.phys
                    && one.phys() - segment.phys + one.size() <= segment.bytes.len() as u64
            });
            assert!(inside, "{one:?}");
        }
    }
    let _ = unpacked.decompress_payload(&LIMITS);
});

/// The file as an image, and as an addon of it.
fn take_apart(file: &[u8], uki: Uki<'_>) {
    let addons: Vec<_> = Addon::parse(file, Arch::X86_64).into_iter().collect();
    let files = 1 + addons.len();
    let whole = Whole { uki, addons };
    let size: usize = whole.initrds().iter().map(|(_, bytes)| bytes.len()).sum();
    assert!(size <= files * file.len());
    assert!(whole.initrds().iter().all(|(name, _)| name.len() <= 16));
    assert!(!whole.cmdline().contains('\n'));
    for board in [None, Some("linux,dummy-virt")] {
        let _ = whole.dtb(board);
    }
}
