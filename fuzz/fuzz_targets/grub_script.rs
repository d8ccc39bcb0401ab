//! Any text as a script of GRUB, with files that it may source: it ends within its
//! limits, says the same each time, and its menu is bounded.

#![no_main]

use libfuzzer_sys::fuzz_target;
use turnout::base::arch::Arch;
use turnout::menu::{self, Budget, Format, Memory, Menu, Metered, Target};

const SCRIPT: &str = "/boot/grub/grub.cfg";
/// Where what is left of the input lies.
const MORE: [&str; 3] = ["/a", "/boot/grub/grubenv", "/loader/entries/b.conf"];

/// Between the files; no byte of a text.
const SEPARATOR: u8 = 0xfe;

fn check(menu: &Menu) {
    assert!(menu.entries.len() <= 512);
    for diagnostic in &menu.diagnostics {
        assert!(!diagnostic.to_string().chars().any(char::is_control));
    }
    for entry in &menu.entries {
        assert!(!entry.id.is_empty() && !entry.id.contains('/'));
    }
}

fuzz_target!(|input: &[u8]| {
    let mut parts = input.splitn(MORE.len() + 1, |byte| *byte == SEPARATOR);
    let text = parts.next().unwrap_or_default();
    let more = MORE.into_iter().zip(parts);
    let files: Memory = more.chain([(SCRIPT, text)]).collect();

    let printed = menu::script_output(&files, SCRIPT);
    assert!(printed.output.len() <= 64 << 10 && printed.diagnostics.len() <= 256);
    assert_eq!(menu::script_output(&files, SCRIPT), printed);

    let target = Target::new(Arch::X86_64, &[]);
    let budget = Budget::default();
    let files = Metered::menus(&files, &budget);
    match menu::read_config(&files, SCRIPT, Format::named("grub"), &target) {
        Ok(menu) => check(&menu),
        Err(why) => panic!("{SCRIPT} is there: {why}"),
    }
});
