//! Any bytes as a kernel file.

#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout::image::{Kernel, Limits, describe, unpack};

const LIMITS: Limits = Limits { output: 1 << 16 };

fuzz_target!(|file: &[u8]| {
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
