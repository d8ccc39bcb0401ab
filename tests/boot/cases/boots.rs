//! Where the entry comes from: disks, partitions, engines, open and locked
//! images; and what is said when there is nothing to boot.

use super::trust::remove_both;
use super::{AT_ONCE, Boot, Case, Expect, PLAIN, Partitions, X86_64, case, nothing};
use turnout_qemu::guest::Flavour;
use turnout_qemu::machine::Shape;

/// What is not there at once never comes.
const SHORT_WAIT: &str = "wait 1\nreset-delay 1\nattempts 1\n";

/// By modules, which Debian 12 has as they are and Debian 13 in xz.
const RECIPE: Boot = Boot { flavour: Flavour::Generic, recipe: true, ..PLAIN };

/// The second kernel has nothing to run, and stops. On aarch64 Debian's kernel
/// has the watchdog core built in, and takes its parameter here; on x86_64
/// Turnout loads it with that parameter.
const ARMED: Case = case(
    "armed_watchdog_resets_what_hangs",
    Boot {
        flavour: Flavour::Generic,
        shape: Shape { devices: &["-device", "i6300esb"], ..Shape::USUAL },
        modules: &["i6300esb"],
        config: "watchdog 30\nreset-delay 1\nattempts 1\n",
        first_options: "watchdog.stop_on_reboot=0",
        next_options: "rdinit=/none panic=0",
        ..PLAIN
    },
    nothing,
    Expect::Ends(&[
        "/dev/watchdog0 resets the machine in 30 s unless the next system serves it",
        "Kernel panic - not syncing: ",
    ]),
);

pub(super) const CASES: &[Case] = &[
    case("good_entry_from_nvme", PLAIN, nothing, AT_ONCE),
    case(
        "good_entry_from_virtio_by_modules",
        Boot { flavour: Flavour::Generic, ..PLAIN },
        nothing,
        AT_ONCE,
    ),
    case("good_entry_by_the_readme", RECIPE, remove_both, AT_ONCE),
    case(
        "good_entry_by_the_readme_on_debian_13",
        Boot { flavour: Flavour::Generic13, ..RECIPE },
        remove_both,
        AT_ONCE,
    ),
    Case {
        name: "good_entry_by_kexec_load",
        archs: X86_64,
        boot: Boot { config: "engine segments\nreset-delay 1\n", ..PLAIN },
        change: nothing,
        expect: Expect::Boots { after: &["by kexec_load,"] },
    },
    Case {
        name: "good_entry_on_the_oldest_processor",
        archs: X86_64,
        boot: Boot {
            shape: Shape { cpu: Some("qemu64"), ..Shape::USUAL },
            config: "engine segments\nreset-delay 1\n",
            ..PLAIN
        },
        change: nothing,
        expect: AT_ONCE,
    },
    ARMED,
    case("default_configuration", Boot { config: "", ..PLAIN }, nothing, AT_ONCE),
    case(
        "partition_found_by_its_label",
        Boot {
            partitions: Partitions::Other,
            config: "device LABEL=data\nreset-delay 1\nattempts 1\n",
            ..PLAIN
        },
        nothing,
        Expect::Boots { after: &["boot partition nvme0n1p1 (LABEL=data, ext4)"] },
    ),
    case(
        "open_image_boots_what_nobody_signed",
        Boot { open: true, ..PLAIN },
        remove_both,
        Expect::Boots { after: &["turnout: OPEN: "] },
    ),
    case(
        "open_image_asks_when_nothing_boots",
        Boot { open: true, partitions: Partitions::Empty, config: SHORT_WAIT, ..PLAIN },
        nothing,
        Expect::Asks(&[
            "vfat is not in this kernel (module missing?)",
            "no menu entry (auto) after 1 s; block devices seen:",
            "nvme0n1: ",
            "disk with partitions: not of a type that holds menus",
        ]),
    ),
    case(
        "empty_partition",
        Boot { partitions: Partitions::Empty, config: SHORT_WAIT, ..PLAIN },
        nothing,
        Expect::Ends(&[
            "no menu entry (auto) after 1 s; block devices seen:",
            "XBOOTLDR, ext4 label XBOOTLDR: no menu entry; looked for menus of bls, uki, ",
            "turnout: reset in ",
        ]),
    ),
    case(
        "missing_partition",
        Boot { partitions: Partitions::Other, ..PLAIN },
        nothing,
        Expect::Ends(&[
            "turnout: waiting for a device with a menu: ",
            " s yet at most",
            "no boot partition (auto) after 10 s; block devices seen:",
            "nvme0n1p1: ",
            "Linux file system, ext4 label data: no boot partition, and no others are looked at",
            "turnout: reset in ",
        ]),
    ),
];
