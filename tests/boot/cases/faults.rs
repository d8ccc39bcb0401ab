//! Faults that the test hooks make: none may hang the machine or boot.

use super::{Boot, Case, Expect, HOOKED, HOOKED_SEGMENTS, X86_64, case, nothing};
use turnout_qemu::machine::Shape;

pub(super) const CASES: &[Case] = &[
    case(
        "signals_to_pid_1",
        Boot { first_options: "turnout.test=signals", ..HOOKED },
        nothing,
        Expect::Boots { after: &["turnout-test-hooks-enabled"] },
    ),
    case(
        "panic_in_pid_1",
        Boot { first_options: "turnout.test=panic", ..HOOKED },
        nothing,
        Expect::Ends(&["turnout: reset in 1 s: panic at ", "asked for by turnout.test=panic"]),
    ),
    // Nothing on the command line says what becomes of a panic.
    case(
        "a_fault_of_pid_1_resets_without_panic_on_the_command_line",
        Boot { first_options: "turnout.test=fault", ..HOOKED },
        nothing,
        Expect::Ends(&["Kernel panic - not syncing: Attempted to kill init!"]),
    ),
    case(
        "a_kernel_that_crashes_resets_without_panic_on_the_command_line",
        Boot { first_options: "turnout.test=crash", long: true, ..HOOKED },
        nothing,
        Expect::Ends(&["Kernel panic - not syncing: sysrq triggered crash"]),
    ),
    case(
        "memory_that_comes_to_its_end",
        Boot { first_options: "turnout.test=memory", ..HOOKED },
        nothing,
        Expect::Ends(&["turnout: reset in 1 s: out of memory: 1048576 bytes are not there"]),
    ),
    case(
        "kernel_corrupted_after_load",
        Boot { first_options: "turnout.test=corrupt=kernel", ..HOOKED_SEGMENTS },
        nothing,
        Expect::Ends(&["turnout: jumping to good", "purgatory: SHA-256 of linux does not match"]),
    ),
    Case {
        name: "kernel_corrupted_after_load_without_sha_ni",
        archs: X86_64,
        boot: Boot {
            first_options: "turnout.test=corrupt=kernel",
            shape: Shape { cpu: Some("max,-sha-ni"), ..Shape::USUAL },
            ..HOOKED_SEGMENTS
        },
        change: nothing,
        expect: Expect::Ends(&[
            "turnout: jumping to good",
            "purgatory: SHA-256 of linux does not match",
        ]),
    },
    case(
        "initrd_corrupted_after_load",
        Boot { first_options: "turnout.test=corrupt=initrd", ..HOOKED_SEGMENTS },
        nothing,
        Expect::Ends(&[
            "turnout: jumping to good",
            "purgatory: SHA-256 of initrd 1 does not match",
        ]),
    ),
    case(
        "params_corrupted_after_load",
        Boot { first_options: "turnout.test=corrupt=params", ..HOOKED_SEGMENTS },
        nothing,
        Expect::Ends(&["turnout: jumping to good", "purgatory: SHA-256 of params does not match"]),
    ),
    case(
        "page_tables_corrupted_after_load",
        Boot { first_options: "turnout.test=corrupt=purgatory", ..HOOKED_SEGMENTS },
        nothing,
        Expect::Ends(&["turnout: jumping to good", "purgatory: SHA-256 of tables does not match"]),
    ),
];
