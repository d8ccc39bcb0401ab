//! Any files as menus of syslinux, of petitboot and of kboot, which include one
//! another and bring device trees: every entry that comes out is bounded, and
//! its paths stay on the volume.

#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout::base::arch::Arch;
use turnout::menu::{self, Budget, Entry, Format, Memory, Metered, Target};

const PLACES: [(&str, &str); 3] = [
    ("/extlinux/extlinux.conf", "extlinux"),
    ("/petitboot.conf", "native"),
    ("/kboot.conf", "kboot"),
];
/// Where what is left of the input lies, for the first to include and to search.
const MORE: [&str; 3] = ["/extlinux/a", "/b", "/extlinux/d/t.dtb"];

/// Between the files; no byte of a text.
const SEPARATOR: u8 = 0xfe;

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(MORE.len() + 1, |byte| *byte == SEPARATOR);
    let text = parts.next().unwrap_or_default();
    let more: Vec<&[u8]> = parts.collect();
    let boards = ["a".to_owned(), "b,c".to_owned()];
    for (path, format) in PLACES {
        let more = MORE.into_iter().zip(more.iter().copied());
        let files: Memory = more.chain([(path, text)]).collect();
        let target = Target::new(Arch::Aarch64, &boards);
        let Ok(menu) = menu::read_config(
            &Metered::menus(&files, &Budget::default()),
            path,
            Format::named(format),
            &target,
        ) else {
            panic!("{path} is there");
        };
        menu.entries.iter().for_each(check);
        assert!(menu.entries.len() <= menu::MAX_ENTRIES);
        for diagnostic in &menu.diagnostics {
            assert!(!diagnostic.to_string().chars().any(char::is_control));
        }
    }
});

fn check(entry: &Entry) {
    assert!(!entry.id.is_empty() && entry.id.len() <= 200);
    assert_eq!(entry.id, menu::safe_id(&entry.id));
    assert!(entry.options.len() <= 4096 && entry.initrds.len() <= 32);
    assert!(entry.submenu.len() <= 8 && entry.problems.len() <= 8);
    for path in entry.files() {
        assert!(path.starts_with('/') && path.len() <= 4096);
        assert!(!path.split('/').skip(1).any(|part| matches!(part, "" | "." | "..")), "{path}");
    }
}
