//! Whole Debian systems in guests: that one can log in, and what runs there. They
//! take minutes to make, so only `cargo test -- --ignored` and the long run start them.

#![allow(clippy::unwrap_used)]

use turnout::base::arch::Arch;
use turnout_qemu::debian::{Debian, Release};

fn is_a_whole_system(arch: Arch, release: Release, kernel: &str) {
    let guest = Debian::start(arch, release).unwrap();
    assert_eq!(guest.ssh("uname -m").unwrap().trim(), arch.name());
    let version = guest.ssh("cat /etc/debian_version").unwrap();
    assert!(version.starts_with(release.number()), "{version}");
    let running = guest.ssh("uname -r").unwrap();
    assert!(running.starts_with(kernel), "{running}");
    let state = guest.ssh("systemctl is-system-running").unwrap();
    assert_eq!(state.trim(), "running", "{}", guest.ssh("systemctl --failed").unwrap());
    let python = guest.ssh("python3 -c 'print(6 * 7)'").unwrap();
    assert_eq!(python.trim(), "42");
    let failure = guest.ssh("echo no such thing >&2; exit 3").unwrap_err().to_string();
    assert!(failure.contains("no such thing"), "{failure}");
}

#[test]
#[ignore = "makes and starts a whole Debian 13"]
fn debian_13_runs_and_can_be_logged_into() {
    is_a_whole_system(Arch::X86_64, Release::Trixie, "6.12.");
}

#[test]
#[ignore = "makes and starts a whole Debian 13 for aarch64"]
fn debian_13_for_aarch64_runs_and_can_be_logged_into() {
    is_a_whole_system(Arch::Aarch64, Release::Trixie, "6.12.");
}

#[test]
#[ignore = "makes and starts a whole Debian 12"]
fn debian_12_runs_and_can_be_logged_into() {
    is_a_whole_system(Arch::X86_64, Release::Bookworm, "6.1.");
}

#[test]
#[ignore = "makes and starts a whole Debian 13"]
fn what_one_guest_writes_no_other_sees() {
    let first = Debian::start(Arch::X86_64, Release::Trixie).unwrap();
    first.ssh("echo mine > /root/note; sync").unwrap();
    let second = Debian::start(Arch::X86_64, Release::Trixie).unwrap();
    assert_eq!(second.ssh("ls /root").unwrap(), "");
    assert_eq!(first.ssh("cat /root/note").unwrap(), "mine\n");
}
