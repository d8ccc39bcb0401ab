//! Any bytes as the menu files of two volumes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout::arch::Arch;
use turnout::menu::{self, Group, Memory, Menu, Target};

/// loader.conf, grubenv and entries.
type Volume = (Vec<u8>, Vec<u8>, Vec<(String, Vec<u8>)>);

fn read((loader_conf, grubenv, entries): &Volume, arch: Arch) -> (Group, Menu) {
    let entries = entries.iter();
    let entries = entries.map(|(name, bytes)| (format!("/loader/entries/{name}"), bytes.clone()));
    let settings = ("/loader/loader.conf".to_owned(), loader_conf.clone());
    let variables = ("/grub2/grubenv".to_owned(), grubenv.clone());
    let files: Memory = entries.chain([settings, variables]).collect();
    (Group::default(), menu::read_volume(&files, &Target { arch, boards: &[] }))
}

fuzz_target!(|volumes: [Volume; 2]| {
    for arch in [Arch::X86_64, Arch::Aarch64] {
        let menu = menu::merge(volumes.iter().map(|volume| read(volume, arch)).collect());
        assert!(menu.default.is_none_or(|index| index < menu.entries.len()));
        for diagnostic in &menu.diagnostics {
            assert!(!diagnostic.to_string().is_empty());
        }
    }
});
