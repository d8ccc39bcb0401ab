//! Commands that change nothing of what boots: they load modules, paint, sound, or
//! prepare the firmware. Here they do nothing, and succeed.

use super::{Call, Evaluator, Flow, Row, Status};
use crate::menu::grub::rules::Trap;

/// Sorted.
const NAMES: &[&str] = &[
    "acpi",
    "background_color",
    "background_image",
    "badram",
    "bli",
    "boottime",
    "cat",
    "clear",
    "cls",
    "cutmem",
    "date",
    "debug",
    "distrust",
    "dump",
    "efitextmode",
    "fakebios",
    "fix_video",
    "gfxmenu",
    "gptsync",
    "hdparm",
    "help",
    "hexdump",
    "insmod",
    "keymap",
    "list_trusted",
    "loadbios",
    "loadfont",
    "lsacpi",
    "lsefi",
    "lsefimmap",
    "lsefisystab",
    "lsfonts",
    "lsmmap",
    "lsmod",
    "lspci",
    "nativedisk",
    "outb",
    "outl",
    "outw",
    "parttool",
    "play",
    "rmmod",
    "sendkey",
    "serial",
    "setpci",
    "sleep",
    "stall",
    "terminal",
    "terminal_input",
    "terminal_output",
    "terminfo",
    "trust",
    "usb",
    "vbeinfo",
    "vbetest",
    "verify_detached",
    "videoinfo",
    "videotest",
    "wrmsr",
];

/// The row of one of them.
pub(super) fn row(name: &str) -> Option<&'static Row> {
    const QUIET: &Row = &Row { name: "", run: nothing };
    NAMES.binary_search(&name).is_ok().then_some(QUIET)
}

fn nothing(evaluator: &mut Evaluator<'_>, call: &Call<'_>) -> Flow {
    let is_miss = call.name == "insmod" && !evaluator.holds(Trap::InsmodSucceeds);
    Flow::Next(Status::of(!is_miss))
}

#[cfg(test)]
mod tests {
    use super::NAMES;

    #[test]
    fn the_names_are_sorted_as_they_are_looked_up() {
        assert!(NAMES.is_sorted());
    }
}
