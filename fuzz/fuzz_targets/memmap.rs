//! Any text as /proc/iomem: what is free is RAM, ascending and apart.

#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout::memmap::Iomem;

fuzz_target!(|text: &str| {
    let Ok(map) = Iomem::parse(text) else { return };
    let ram = map.ram();
    for page_size in [4096, 65536] {
        let free = map.free(page_size);
        assert!(free.iter().all(|part| ram.iter().any(|whole| whole.contains(*part))));
        assert!(free.windows(2).all(|pair| pair[0].end() <= pair[1].start()));
        assert!(
            free.iter().all(|part| part.start() % page_size == 0 && part.end() % page_size == 0)
        );
    }
    let _ = map.firmware_map();
});
