//! Any bytes as loader.conf and as menu entries.

#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout::arch::Arch;
use turnout::menu;

fuzz_target!(|input: (Vec<u8>, Vec<(String, Vec<u8>)>)| {
    let (loader_conf, files) = input;
    for arch in [Arch::X86_64, Arch::Aarch64] {
        let menu = menu::build(Some(&loader_conf), &files, arch);
        assert!(menu.entries.len() <= files.len());
        for diagnostic in &menu.diagnostics {
            assert!(!diagnostic.to_string().is_empty());
        }
    }
});
