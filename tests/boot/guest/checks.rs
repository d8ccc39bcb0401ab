//! What must be so, in the order in which it is looked at.

use crate::guest::{Guest, HANGING, NEXT};
use crate::{Check, Line, upkeep};
use anyhow::{Result, ensure};
use turnout_qemu::debian::Release::{Bookworm, Trixie};

/// Debian 12's cloud kernel has no hardware watchdog, so nothing that hangs is caught
/// there.
pub(crate) const LINES: &[Line] = &[
    Line { name: "boot", releases: &[Trixie, Bookworm], begin: Guest::start, checks: BOOT },
    Line { name: "watchdog", releases: &[Trixie], begin: Guest::start, checks: WATCHDOG },
    Line { name: "ways", releases: &[Trixie, Bookworm], begin: Guest::start, checks: WAYS },
    Line { name: "crash", releases: &[Trixie, Bookworm], begin: Guest::start, checks: CRASH },
    Line {
        name: "upkeep",
        releases: &[Trixie, Bookworm],
        begin: upkeep::begin,
        checks: upkeep::CHECKS,
    },
];

const BOOT: &[Check] = &[
    check("is_as_installed", is_as_installed),
    check("an_ordinary_user_is_refused", an_ordinary_user_is_refused),
    check("load_beside_kexec_tools", load_beside_kexec_tools),
    check("kexec_load_kernel", debians_script),
    check("unsigned_is_refused", unsigned_is_refused),
    check("staged_and_changed", staged_and_changed),
    check("too_little_memory", too_little_memory),
    check("boot_is_proven", boot_is_proven),
    long(check("exec_by_systemd", exec_by_systemd)),
];

const WATCHDOG: &[Check] = &[
    check("a_hang_is_caught", a_hang_is_caught),
    check("it_is_told", a_hang_is_told),
    long(check("it_is_not_tried_again", a_hang_is_not_tried_again)),
];

const WAYS: &[Check] = &[
    long(check("now", now)),
    long(check("defer", deferred)),
    long(check("firmware", by_the_firmware)),
];

const CRASH: &[Check] = &[
    check("kdump_config", kdump_config),
    check("kdump_config_with_a_ring", kdump_config_with_a_ring),
    check("lockdown", lockdown),
    check("load_is_disabled", load_is_disabled),
    // In every run a crash kernel reads the dump, and writes none (the boot cases `crash_kernel`).
    long(check("a_panic_leaves_a_dump", a_panic_leaves_a_dump)),
];

pub(crate) const fn check(name: &'static str, run: fn(&mut Guest) -> Result<()>) -> Check {
    Check { name, is_long: false, run }
}

pub(crate) const fn long(check: Check) -> Check {
    Check { is_long: true, ..check }
}

fn is_as_installed(guest: &mut Guest) -> Result<()> {
    guest.says("systemctl is-system-running", "running")?;
    guest.says("kexec --version", "kexec-tools")?;
    guest.says("cat /boot/grub/grub.cfg", "gnulinux-simple-")?;
    guest.says("turnout list", NEXT)?;
    finds(guest, "NO_RING", true)
}

/// What `turnout check` finds, or does not find.
fn finds(guest: &Guest, code: &str, is_found: bool) -> Result<()> {
    let found = guest.try_ssh("turnout check")?;
    ensure!(found.status.is_some_and(|status| status <= 1), "turnout check: {found:?}");
    let not = if is_found { "not " } else { "" };
    ensure!(found.text.contains(code) == is_found, "{code} is {not}found:\n{}", found.text);
    Ok(())
}

/// Before anything is read: the files need not even be there.
fn an_ordinary_user_is_refused(guest: &mut Guest) -> Result<()> {
    let as_nobody = |command: &str| format!("setpriv --reuid=nobody --clear-groups {command}");
    guest.refused(&as_nobody("turnout load /none"), 6, "only root can load a kernel")?;
    guest.refused(&as_nobody("turnout boot none"), 6, "only root can leave this system")?;
    guest.refused(&as_nobody("turnout unload"), 6, "only root can")?;
    guest.is_loaded(false, true)
}

fn load_beside_kexec_tools(guest: &mut Guest) -> Result<()> {
    for _ in 0..2 {
        timed(guest, "kexec-tools", &guest.own_kernel("kexec -c -l"))?;
        timed(guest, "turnout", &guest.own_kernel("turnout load"))?;
    }
    guest.ssh("turnout unload").map(drop)
}

fn timed(guest: &Guest, who: &str, shell: &str) -> Result<()> {
    guest.ssh("turnout unload")?;
    guest.is_loaded(false, true)?;
    let clock = "date +%s%N";
    let measured = format!("b=$({clock}); {shell} >/dev/null && e=$({clock}) && echo $((e - b))");
    let seconds = guest.ssh(&measured)?.trim().parse::<f64>()? / 1e9;
    guest.is_loaded(true, true)?;
    println!("time   load by {who}: {seconds:.2} s");
    Ok(())
}

/// Debian's own script, as it is; it says that a kernel is loaded whatever became of it.
fn debians_script(guest: &mut Guest) -> Result<()> {
    guest.take_name()?;
    guest.ssh("turnout unload")?;
    let [kernel, initrd] = [guest.kernel(), guest.initrd()];
    let settings = format!("KERNEL_IMAGE={kernel}\nINITRD={initrd}\n");
    guest.ssh(&format!("printf '{settings}' >/etc/default/kexec.d/guest"))?;
    guest.says("kexec-load-kernel", "Loading new kernel image")?;
    guest.is_loaded(true, true)?;
    guest.ssh("turnout unload").map(drop)
}

fn unsigned_is_refused(guest: &mut Guest) -> Result<()> {
    guest.lock()?;
    let kernel = guest.kernel();
    let edited = format!("turnout load {kernel} --initrd=/boot/hanging.img --append=init=/bin/sh");
    guest.refused(&edited, 1, "EDITED")?;
    guest.ssh(&format!("cp {kernel} /root/other; echo >>/root/other"))?;
    guest.refused("turnout load /root/other", 1, "UNSIGNED")?;
    guest.is_loaded(false, true)?;
    guest.ssh(&format!("turnout load {NEXT}"))?;
    guest.is_loaded(true, true)?;
    guest.says("turnout status", "signed by release")?;
    finds(guest, "NO_RING", false)?;
    finds(guest, "ENTRY_REFUSED", true)?;
    guest.ssh("turnout unload").map(drop)
}

/// What was staged is verified again when it is used.
fn staged_and_changed(guest: &mut Guest) -> Result<()> {
    guest.says(&format!("turnout boot {NEXT} --stage"), "staged, ")?;
    guest.says(&format!("turnout boot {NEXT} --stage"), "already staged")?;
    let initrd = guest.initrd();
    guest.ssh(&format!("cp {initrd} /root/initrd; echo >>{initrd}"))?;
    guest.refused(&format!("turnout boot {NEXT}"), 1, "INITRD_SIZE")?;
    guest.is_loaded(false, true)?;
    guest.ssh(&format!("cp /root/initrd {initrd}")).map(drop)
}

/// A second copy of everything has to find room beside what is used.
fn too_little_memory(guest: &mut Guest) -> Result<()> {
    guest.ssh("mkdir -p /run/full; mount -t tmpfs -o size=95% full /run/full")?;
    guest.ssh("dd if=/dev/zero of=/run/full/it bs=1M count=\"$(awk '/MemAvailable/ { print int($2 / 1024) - 40 }' /proc/meminfo)\" status=none")?;
    let outcome = guest.try_ssh(&format!("turnout boot {NEXT} --stage"))?;
    guest.ssh("umount /run/full")?;
    ensure!(outcome.status != Some(0), "it was loaded: {outcome:?}");
    ensure!(outcome.text.contains("memory"), "memory is not named: {outcome:?}");
    guest.is_loaded(false, true)
}

fn boot_is_proven(guest: &mut Guest) -> Result<()> {
    guest.replace("turnout boot", &format!("turnout boot {NEXT} >/root/said 2>&1"))?;
    guest.says("cat /root/said", "the firmware starts")?;
    guest.says("turnout status", "by kexec, as asked")?;
    guest.says("cat /proc/cmdline", "turnout.boot=kexec-")?;
    guest.says("turnout history", "by kexec")?;
    guest.says("journalctl -b -1 -o cat TURNOUT_EVENT=jump", "leaving by kexec")?;
    seconds_of_shutdown(guest)
}

/// Where they go, by the old system's journal.
fn seconds_of_shutdown(guest: &Guest) -> Result<()> {
    let lines = guest.ssh("journalctl -b -1 -o short-monotonic --no-hostname | grep -E 'leaving by kexec|Stopped target (multi-user|network|local-fs)|Shutting down|Journal stopped'")?;
    lines.lines().for_each(|line| println!("time   shutdown: {}", line.trim()));
    println!("time   {}", guest.ssh("systemd-analyze")?.lines().next().unwrap_or_default());
    Ok(())
}

/// Debian's way, with an image that Turnout loaded: without a record nothing is proven.
fn exec_by_systemd(guest: &mut Guest) -> Result<()> {
    guest.take_name()?;
    guest.unlock()?;
    guest.ssh(&guest.own_kernel("kexec -l"))?;
    guest.replace("systemctl kexec", "systemctl kexec")?;
    guest.says("turnout status", "no jump to it was written down").map(drop)
}

fn a_hang_is_caught(guest: &mut Guest) -> Result<()> {
    guest.lock()?;
    guest.ssh("echo watchdog 30 >/etc/turnout/turnout.conf")?;
    guest.replace("turnout boot into a hang", &format!("turnout boot {HANGING}"))?;
    let cmdline = guest.ssh("cat /proc/cmdline")?;
    ensure!(!cmdline.contains("turnout.boot"), "it did not come up by the firmware: {cmdline}");
    Ok(())
}

fn a_hang_is_told(guest: &mut Guest) -> Result<()> {
    guest.says("turnout status", "by a watchdog, which reset the machine")?;
    guest.says("turnout status --settle; turnout history", "watchdog")?;
    guest.says("cat /var/lib/turnout/failed", &guest.version).map(drop)
}

/// The firmware's way is taken instead, by itself.
fn a_hang_is_not_tried_again(guest: &mut Guest) -> Result<()> {
    let shell = format!("turnout boot {HANGING} >/root/said 2>&1");
    guest.replace("cold, by the firmware", &shell)?;
    guest.says("cat /root/said", "has failed on this machine, so the firmware's way is taken")?;
    guest.says("turnout status", "by the firmware, as asked").map(drop)
}

/// No service is stopped; what had been written is there all the same.
fn now(guest: &mut Guest) -> Result<()> {
    guest.lock()?;
    guest.ssh("echo before >/root/note")?;
    guest.replace("turnout boot --now", &format!("turnout boot {NEXT} --now"))?;
    guest.says("turnout status", "by kexec, as asked")?;
    guest.says("cat /root/note", "before").map(drop)
}

/// Loaded when the services have stopped.
fn deferred(guest: &mut Guest) -> Result<()> {
    guest.install_unit("turnout-defer.service")?;
    guest.ssh("systemctl start turnout-defer")?;
    guest.replace("turnout boot --defer", &format!("turnout boot {NEXT} --defer"))?;
    guest.says("turnout status", "by kexec, as asked")?;
    guest.says("journalctl -b -1 -o cat TURNOUT_EVENT=load", NEXT).map(drop)
}

/// What is loaded does not make a kexec of it.
fn by_the_firmware(guest: &mut Guest) -> Result<()> {
    guest.ssh(&format!("turnout load {NEXT}"))?;
    guest.replace("turnout boot --firmware", "turnout boot --firmware")?;
    let cmdline = guest.ssh("cat /proc/cmdline")?;
    ensure!(!cmdline.contains("turnout.boot"), "it did not come up by the firmware: {cmdline}");
    guest.says("turnout status", "by the firmware, as asked").map(drop)
}

fn kdump_config(guest: &mut Guest) -> Result<()> {
    guest.take_name()?;
    guest.ssh("kdump-config unload")?;
    guest.is_loaded(false, false)?;
    guest.ssh("kdump-config load")?;
    guest.is_loaded(false, true)?;
    guest.says("kdump-config show", "ready to kdump")?;
    guest.ssh("kdump-config status")?;
    guest.ssh("kdump-config unload")?;
    guest.is_loaded(false, false)
}

/// A manifest binds kdump's kernel, and nobody signs its command line.
fn kdump_config_with_a_ring(guest: &mut Guest) -> Result<()> {
    guest.lock()?;
    let outcome = guest.try_ssh("kdump-config load")?;
    ensure!(outcome.status != Some(0), "it was loaded unsigned: {outcome:?}");
    guest.is_loaded(false, false)?;
    guest.ssh("echo crash unsigned >/etc/turnout/turnout.conf; kdump-config load")?;
    guest.is_loaded(false, true)
}

fn lockdown(guest: &mut Guest) -> Result<()> {
    guest.ssh("echo integrity >/sys/kernel/security/lockdown")?;
    guest.refused(&format!("turnout load {NEXT} --engine segments"), 6, "lockdown")?;
    guest.is_loaded(false, true)
}

fn load_is_disabled(guest: &mut Guest) -> Result<()> {
    guest.ssh("sysctl -q kernel.kexec_load_disabled=1")?;
    guest.refused(&format!("turnout load {NEXT}"), 6, "kexec_load_disabled")?;
    guest.is_loaded(false, true)
}

/// The crash kernel that Turnout loaded writes the dump and starts the machine anew.
fn a_panic_leaves_a_dump(guest: &mut Guest) -> Result<()> {
    guest.compress_no_dump()?;
    guest.replace(
        "a panic, its dump, and a cold start",
        "sync; (sleep 1; echo c >/proc/sysrq-trigger) >/dev/null 2>&1 &",
    )?;
    guest.says("ls /var/crash/*/", "dump.").map(drop)
}
