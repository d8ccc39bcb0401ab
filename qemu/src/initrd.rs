//! Initial file systems made of busybox and a script: the next system, which
//! says where it is, and the incumbent for the benchmark, kexec-tools.
//!
//! They stay uncompressed: every measured row then loads and hashes the same
//! bytes, and none pays for a decompressor. /dev/console comes from the archive
//! inside Debian's kernels.

use crate::guest::Kernel;
use crate::{facts, guest};
use anyhow::{Context, Result};
use mkinitramfs::image::cpio::Archive;
use std::fs;
use std::path::Path;
use turnout::base::arch::Arch;

/// How the line begins that the next system's shell prints before it first waits
/// for a command, whatever its prompt looks like.
pub const READY: &str = "A shell of the next system. ";
/// How the line begins with which the next system says that it runs.
pub const REACHED: &str = "Turnout demo: reached ";
/// A line of the next system's script that means nothing: flipping a byte of it
/// changes the digest and leaves a system that would boot.
pub const SPARE_LINE: &str = "# spare: flipping a byte here would go unnoticed";

/// The boot partition on an NVMe disk that [`crate::disk`] built.
pub const BOOT_DEVICE: &str = "/dev/nvme0n1p2";

/// The script of the next system. It is named by `demo.name=` on its command
/// line, so that one initrd serves several entries.
const NEXT_INIT: &str = r#"#!/bin/busybox sh
# spare: flipping a byte here would go unnoticed
/bin/busybox mkdir -p /bin /proc /sys /dev
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
name=unnamed
for word in $(cat /proc/cmdline); do
    case "$word" in demo.name=*) name="${word#demo.name=}" ;; esac
done
[ -x /ticks ] && echo "next clock: $(/ticks)"
grep -q -w demo.sha256 /proc/cmdline && echo "next sha256: $(/ticks sha256)"
grep -q -w demo.menu /proc/cmdline && echo "next menu: $(/ticks menu)"
if [ -e /facts ]; then . /facts; facts; fi
echo
echo "Turnout demo: reached $name, kernel $(uname -r) $(uname -m)"
echo "next cmdline: $(cat /proc/cmdline)"
[ -e /second ] && echo "next second initrd: $(cat /second)"
echo "echo \"A shell of the next system. 'poweroff -f' ends the machine.\"" >/ready
export ENV=/ready PS1='demo:\w# '
setsid cttyhack sh
poweroff -f
"#;

/// What the next system tells of its TPM.
const MEASUREMENTS: &str = r#"
facts() {
    for module in tpm_tis_core tpm_tis; do
        [ -e /$module.ko ] && insmod /$module.ko
    done
    for pcr in 8 9 11; do
        echo "next pcr $pcr: $(cat /sys/class/tpm/tpm0/pcr-sha256/$pcr)"
    done
    echo "next log: $(od -An -v -tx1 /turnout/measurements.log | tr -d ' \n')"
}
"#;

/// A running system, and each that it boots: `stage=N` on the command line says
/// which. The script of the test decides what happens in it.
const RUNNING_INIT: &str = r#"#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /boot
/bin/busybox --install -s /bin
export PATH=/bin:/usr/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
mount -t securityfs securityfs /sys/kernel/security 2>/dev/null
stage=1
for word in $(cat /proc/cmdline); do
    case "$word" in stage=*) stage="${word#stage=}" ;; esac
done
echo
echo "stage $stage: begins, kernel $(uname -r) $(uname -m)"
until [ -b @DEVICE@ ]; do usleep 10000; done
mount -t ext4 -o ro @DEVICE@ /boot
run() { echo "\$ $*"; "$@"; echo "= $?"; }
ends() { echo "stage $stage: ends, up $(cut -d' ' -f1 /proc/uptime)"; }
. /facts
. /script
ends
poweroff -f
"#;

/// A boot script as people write it: mount, kexec -l, and the system call of
/// kexec -e, without the time that this program needs to start.
const INCUMBENT_INIT: &str = r#"#!/bin/busybox sh
start=$(/ticks)
/bin/busybox --install -s /bin
export PATH=/bin:/sbin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev 2>/dev/null
while [ ! -b @DEVICE@ ]; do usleep 1000; done
mount -t ext4 -o ro @DEVICE@ /boot
begin=$(/ticks)
kexec @MODE@ -l /boot@LINUX@ --initrd=/boot@INITRD@ --command-line='@OPTIONS@' || exec sh
end=$(/ticks)
umount /boot
sync
echo "incumbent ticks: ${start% *} ${begin% *} ${end% *}"
echo -n "incumbent jump: "
/ticks jump
exec sh
"#;

/// How the incumbent's script loads the next kernel.
#[derive(Debug)]
pub struct Incumbent<'a> {
    /// `-c` (kexec_load) or `-s` (kexec_file_load), and more options.
    pub mode: &'a str,
    /// The block device of the boot partition.
    pub device: &'a str,
    /// The kernel's path on it.
    pub linux: &'a str,
    /// The initrd's path on it.
    pub initrd: &'a str,
    /// The next kernel's command line.
    pub options: &'a str,
}

/// The next system's initrd; `ticks` is the helper that prints the clock, for
/// machines that are timed.
pub fn next_system(arch: Arch, ticks: Option<&Path>) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    archive.file("/init", 0o755, NEXT_INIT.as_bytes().to_vec());
    add_program(&mut archive, "/bin/busybox", &guest::busybox(arch)?)?;
    if let Some(ticks) = ticks {
        add_program(&mut archive, "/ticks", ticks)?;
    }
    archive.write()
}

/// A system that runs `script`, with `turnout` in its path and the boot
/// partition on /boot. It is the first system and each next one.
pub fn running(kernel: &Kernel, turnout: &Path, script: &str) -> Result<Vec<u8>> {
    let init = RUNNING_INIT.replace("@DEVICE@", BOOT_DEVICE);
    let mut archive = Archive::default();
    archive.file("/init", 0o755, init.into_bytes());
    archive.file("/script", 0o644, script.as_bytes().to_vec());
    add_facts(&mut archive, kernel)?;
    add_program(&mut archive, "/bin/busybox", &guest::busybox(kernel.arch)?)?;
    add_program(&mut archive, "/usr/sbin/turnout", turnout)?;
    archive.write()
}

/// An initrd that holds one text, /second, to be put after another.
pub fn second(text: &str) -> Result<Vec<u8>> {
    note("/second", text)
}

/// An initrd that holds one text.
pub fn note(path: &str, text: &str) -> Result<Vec<u8>> {
    file(path, text.as_bytes().to_vec())
}

/// An initrd that holds one file.
pub fn file(path: &str, bytes: Vec<u8>) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    archive.file(path, 0o644, bytes);
    archive.write()
}

/// The same, with which the next system also tells its facts.
pub fn second_with_facts(text: &str, kernel: &Kernel) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    archive.file("/second", 0o644, text.as_bytes().to_vec());
    add_facts(&mut archive, kernel)?;
    archive.write()
}

/// The same, with which the next system prints its PCRs and its event log.
pub fn second_with_measurements(text: &str, kernel: &Kernel) -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    archive.file("/second", 0o644, text.as_bytes().to_vec());
    archive.file("/facts", 0o644, MEASUREMENTS.as_bytes().to_vec());
    if kernel.arch == Arch::Aarch64 {
        for name in ["tpm_tis_core", "tpm_tis"] {
            let module = kernel.module(&format!("kernel/drivers/char/tpm/{name}.ko"))?;
            archive.file(&format!("/{name}.ko"), 0o644, module);
        }
    }
    archive.write()
}

/// The script, and the module without which nobody sees EFI's variables.
fn add_facts(archive: &mut Archive, kernel: &Kernel) -> Result<()> {
    archive.file("/facts", 0o644, facts::SCRIPT.as_bytes().to_vec());
    archive.file("/efivarfs.ko", 0o644, kernel.module("kernel/fs/efivarfs/efivarfs.ko")?);
    Ok(())
}

/// The incumbent's initramfs: Debian's kexec-tools with busybox.
pub fn incumbent(arch: Arch, ticks: &Path, plan: &Incumbent<'_>) -> Result<Vec<u8>> {
    let script = INCUMBENT_INIT
        .replace("@MODE@", plan.mode)
        .replace("@DEVICE@", plan.device)
        .replace("@LINUX@", plan.linux)
        .replace("@INITRD@", plan.initrd)
        .replace("@OPTIONS@", plan.options);
    let mut archive = Archive::default();
    archive.file("/init", 0o755, script.into_bytes());
    ["proc", "sys", "dev", "boot"].iter().for_each(|path| archive.directory(path));
    add_program(&mut archive, "/bin/busybox", &guest::busybox(arch)?)?;
    add_program(&mut archive, "/ticks", ticks)?;
    for (path, file) in guest::kexec_tools(arch)? {
        add_program(&mut archive, &path, &file)?;
    }
    archive.write()
}

fn add_program(archive: &mut Archive, path: &str, file: &Path) -> Result<()> {
    let content = fs::read(file).with_context(|| file.display().to_string())?;
    archive.file(path, 0o755, content);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_spare_line_is_in_the_script_once() {
        assert_eq!(NEXT_INIT.matches(SPARE_LINE).count(), 1);
    }

    #[test]
    fn what_is_waited_for_is_in_the_script_once() {
        assert_eq!(NEXT_INIT.matches(READY).count(), 1);
        assert_eq!(NEXT_INIT.matches(REACHED).count(), 1);
    }
}
