//! Any bytes as the menu files of two volumes, and as images and addons.

#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout::base::arch::Arch;
use turnout::menu::{self, Budget, Format, Group, Memory, Menu, Metered, Target};

/// loader.conf, grubenv, entries, images, and an addon.
type Volume = (Vec<u8>, Vec<u8>, Vec<(String, Vec<u8>)>, Vec<Vec<u8>>, Vec<u8>);

fn files((loader_conf, grubenv, entries, images, addon): &Volume) -> Memory {
    let entries = entries.iter();
    let entries = entries.map(|(name, bytes)| (format!("/loader/entries/{name}"), bytes.clone()));
    let image =
        |(number, bytes): (usize, &Vec<u8>)| (format!("/EFI/Linux/{number}.efi"), bytes.clone());
    let more = [
        ("/loader/loader.conf", loader_conf),
        ("/grub2/grubenv", grubenv),
        ("/loader/addons/a.addon.efi", addon),
    ];
    let more = more.into_iter().map(|(path, bytes)| (path.to_owned(), bytes.clone()));
    entries.chain(images.iter().enumerate().map(image)).chain(more).collect()
}

fn check(menu: &Menu) {
    assert!(menu.default.is_none_or(|index| index < menu.entries.len()));
    for diagnostic in &menu.diagnostics {
        assert!(!diagnostic.to_string().chars().any(char::is_control));
    }
    for entry in &menu.entries {
        assert!(!entry.id.is_empty() && !entry.id.contains('/'));
        assert!(entry.files().all(|path| path.starts_with('/')));
    }
}

fuzz_target!(|volumes: [Volume; 2]| {
    for arch in [Arch::X86_64, Arch::Aarch64] {
        let target = Target::new(arch, &[]);
        let volumes = volumes.iter().map(files);
        let read = |files: Memory| (Group::default(), menu::read_volume(&files, &target));
        check(&menu::merge(volumes.clone().map(read).collect()));
        for files in volumes {
            for format in Format::all() {
                let path = "/loader/loader.conf";
                if let Ok(menu) = menu::read_config(
                    &Metered::menus(&files, &Budget::default()),
                    path,
                    Some(format),
                    &target,
                ) {
                    check(&menu);
                }
            }
        }
    }
});
