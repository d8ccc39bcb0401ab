//! What keeps a machine bootable that only starts what is signed: Turnout from its
//! repository, and the hooks of kernels and initrds. After each step the machine's next
//! start is tried on a copy of its disk.

use crate::first::Starter;
use crate::guest::Guest;
use crate::{Check, Programs, checks};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use turnout::base::arch::Arch;
use turnout_qemu::boot_tree::Key;
use turnout_qemu::debian::{Debian, Kind, Release};
use turnout_qemu::{command, place};

pub(crate) const CHECKS: &[Check] = &[
    checks::check("installed_from_the_repository", installed),
    checks::long(checks::check("booted_by_an_image_of_its_own", booted_by_an_image_of_its_own)),
    checks::check("kernel_upgraded", kernel_upgraded),
    checks::check("initrd_rebuilt", initrd_rebuilt),
    checks::long(checks::check("confined_by_apparmor", confined)),
    checks::check("left_by_turnout_boot", left_by_turnout_boot),
    checks::check("old_kernel_removed", old_kernel_removed),
    checks::check("power_cut_before_the_signature", power_cut),
    checks::long(checks::check("signer_refuses", signer_refuses)),
    checks::long(checks::check("started_by_pid_1", started_by_pid_1)),
    checks::check("purged", purged),
];

const APT: &str = "DEBIAN_FRONTEND=noninteractive apt-get -q -y";
const CONF: &str = "/etc/turnout/turnout.conf";
const KEY: &str = "/etc/turnout/sign.key";
const RING: &str = "/etc/turnout/allowed_signers";

const RELEASE_KEY: &str = "/usr/share/keyrings/turnout.asc";
const SOURCE: &str =
    "deb [signed-by=/usr/share/keyrings/turnout.asc] file:/srv/turnout stable main";

const HOST_IMAGE: &str = "/root/host.initramfs";

/// The guest's disk is one file system, with /boot on it, hence "scan all".
const MKINITRAMFS_HOST: &str = "echo scan all >/run/host.conf; \
    turnout-mkinitramfs --host --keys /etc/turnout/allowed_signers --config /run/host.conf \
    -o /root/host.initramfs 2>&1";

/// Of Debian's cloud kernel alone the disk's driver is a module, and the network's is not
/// wanted.
const HOST_REASONS: [&str; 4] = [
    "  virtio_blk: device virtio",
    "  ext4: built in, file system of /\n",
    "  virtio_net: left out, it is for network\n",
    "  built for this machine: on another one it may find no disk\n",
];

/// A program that signs for a machine: it says that it was asked, and waits for leave.
const SLOW: &str = "#!/bin/sh\n\
    touch /run/asked\n\
    while [ ! -e /run/leave ]; do sleep 1; done\n\
    exec ssh-keygen -q -Y sign -n \"$TURNOUT_NAMESPACE\" -f /etc/turnout/sign.key\n";

/// What is given for what mkinitramfs makes, which takes minutes in a guest: that was
/// made when the guest's system was, and a few bytes that are others each time.
const QUICK_MKINITRAMFS: &str = r#"#!/bin/sh
set -e
all="$*" kind=initrd
while [ $# -gt 1 ]; do
    case "$1" in
    -o) out="$2"; shift ;;
    -d) case "$2" in */kdump/*) kind=kdump ;; esac; shift ;;
    esac
    shift
done
made="/root/packages/$kind-${1:-}"
[ -e "$made" ] && [ -n "${out:-}" ] || exec /usr/sbin/mkinitramfs.debian $all
date +%N >/run/moment
{ cat "$made"; echo /run/moment | cpio --quiet -o -H newc; } >"$out"
"#;

/// What a guest of these checks has more.
pub(crate) struct Upkeep {
    starter: Starter,
    key: Key,
    /// A signed repository of apt, and the key that it is signed with.
    repository: PathBuf,
    /// The release of the kernel that it will be upgraded to.
    newer: String,
}

/// A guest without anything of Turnout's, whose firmware starts Turnout as PID 1.
pub(crate) fn begin(line: &str, release: Release, programs: &Programs) -> Result<Guest> {
    let scratch = place::Scratch::new(&format!("guest-{line}"))?;
    let key = Key::generate(&programs.tools, scratch.path(), "machine")?;
    let starter = Starter::make(release, programs, &key.ring, scratch.path())?;
    let repository = make_repository(scratch.path())?;
    let first = starter.first();
    let debian = Debian::start_with(Arch::X86_64, release, Kind::Server, Some(&first))?;
    let newer = debian.ssh("dpkg-deb -f /root/packages/newer.deb Package")?;
    let newer = newer.trim().trim_start_matches("linux-image-").to_owned();
    let upkeep = Upkeep { starter, key, repository, newer };
    Guest::with(debian, scratch, Some(upkeep))
}

/// As it would be published.
fn make_repository(directory: &Path) -> Result<PathBuf> {
    let [packages, repository] = ["packages", "repository"].map(|name| directory.join(name));
    let dist = place::tree().join("dist");
    let mut build = Command::new(dist.join("packages/build"));
    command::output(build.args(["amd64", "--output"]).arg(&packages))?;
    let key = directory.join("repository.key");
    let mut make_key = Command::new(dist.join("repository"));
    command::output(make_key.arg("--make-key").arg(&key).arg("Test <test@example.org>"))?;
    let mut publish = Command::new(dist.join("repository"));
    publish.arg(&repository).args(packages_in(&packages)?);
    command::output(publish.arg("--key").arg(&key))?;
    Ok(repository)
}

fn packages_in(directory: &Path) -> Result<Vec<PathBuf>> {
    let files = fs::read_dir(directory)?.map(|entry| Ok(entry?.path()));
    let mut files: Vec<PathBuf> = files.collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|it| it == "deb"));
    Ok(files)
}

impl Guest {
    fn upkeep(&self) -> Result<&Upkeep> {
        self.upkeep.as_ref().context("this guest is not one of upkeep")
    }

    /// What PID 1 starts from this machine's disk as it is now.
    fn would_start(&self) -> Result<String> {
        self.upkeep()?.starter.starts(&self.copy_disk()?)
    }

    /// This machine's disk as it is now.
    fn copy_disk(&self) -> Result<PathBuf> {
        let copy = self.scratch.path().join("copy.qcow2");
        self.debian.copy_disk(&copy)?;
        Ok(copy)
    }

    /// Whether what PID 1 started last was the entry that upkeep keeps.
    fn started_the_spare(&self) -> Result<bool> {
        let log = fs::read(self.scratch.path().join("copy.log"))?;
        Ok(String::from_utf8_lossy(&log).contains("jumping to turnout-kept"))
    }

    /// The machine's next start is by this kernel, after everything was written out.
    fn next_start_is(&self, release: &str) -> Result<()> {
        self.ssh("sync")?;
        let started = self.would_start()?;
        ensure!(started == release, "PID 1 starts {started} instead of {release}");
        Ok(())
    }

    fn newer(&self) -> Result<String> {
        Ok(self.upkeep()?.newer.clone())
    }

    /// Nothing stops or warns.
    fn is_well(&self) -> Result<()> {
        let check = self.try_ssh("turnout check --next-start")?;
        ensure!(check.status == Some(0), "the next start is not well: {check:?}");
        Ok(())
    }

    /// What somebody is shown who logs in.
    fn login(&self) -> Result<String> {
        let mut ssh = self.debian.secure_shell();
        let mut shell = ssh.arg("-tt").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        shell.stdin.take().context("no standard input")?.write_all(b"exit\n")?;
        Ok(String::from_utf8_lossy(&shell.wait_with_output()?.stdout).into_owned())
    }

    fn write_program(&self, path: &str, text: &str) -> Result<()> {
        let file = self.scratch.path().join("program");
        fs::write(&file, text)?;
        self.debian.put(&file, path)?;
        self.ssh(&format!("chmod 755 {path}")).map(drop)
    }

    fn make_initrds_quickly(&self) -> Result<()> {
        self.ssh("mv /usr/sbin/mkinitramfs /usr/sbin/mkinitramfs.debian")?;
        self.write_program("/usr/sbin/mkinitramfs", QUICK_MKINITRAMFS)
    }

    fn add_repository(&self) -> Result<()> {
        let mut tar = command::tool("tar");
        tar.arg("-C").arg(&self.upkeep()?.repository).args(["-cf", "-", "."]);
        let archive = command::bytes(&mut tar)?;
        let file = self.scratch.path().join("repository.tar");
        fs::write(&file, archive)?;
        self.debian.put(&file, "/root/repository.tar")?;
        self.ssh("mkdir -p /srv/turnout; tar -C /srv/turnout -xf /root/repository.tar")?;
        self.ssh(&format!("cp /srv/turnout/turnout.asc {RELEASE_KEY}"))?;
        self.ssh(&format!("echo '{SOURCE}' >/etc/apt/sources.list.d/turnout.list"))?;
        self.ssh(&format!("{APT} update -o Dir::Etc::sourcelist=/dev/null")).map(drop)
    }

    fn configure(&self, text: &str) -> Result<()> {
        self.ssh(&format!("printf '{text}\\n' >{CONF}")).map(drop)
    }

    fn is_configured(&self, package: &str) -> Result<()> {
        self.says(&format!("dpkg-query -W -f '${{db:Status-Abbrev}}' {package}"), "ii ").map(drop)
    }
}

/// As an administrator would, with kdump-tools there, which needs a kexec.
fn installed(guest: &mut Guest) -> Result<()> {
    guest.ssh(&format!("{FILES} >/root/before"))?;
    guest.make_initrds_quickly()?;
    guest.add_repository()?;
    guest.ssh(&format!("{APT} install turnout turnout-kexec"))?;
    ["turnout", "turnout-kexec", "kdump-tools"]
        .iter()
        .try_for_each(|it| guest.is_configured(it))?;
    guest.says("kexec --version", "turnout")?;
    guest.refused("dpkg -s kexec-tools | grep ^Status:.*installed", 1, "")?;
    let upkeep = guest.upkeep()?;
    guest.debian.put(&upkeep.key.private, KEY)?;
    guest.ssh(&format!("chmod 600 {KEY}"))?;
    guest.debian.put(&upkeep.key.ring, RING)?;
    guest.configure(&format!("sign-key {KEY}"))?;
    guest.ssh("/usr/lib/turnout/upkeep installed")?;
    guest.is_well()?;
    guest.next_start_is(&guest.version)
}

/// `mkinitramfs --host` of the package, in the guest, for the guest: Debian's kernel with this
/// image finds the disk, and what it starts comes up.
fn booted_by_an_image_of_its_own(guest: &mut Guest) -> Result<()> {
    let image = guest.scratch.path().join("host.initramfs");
    let kernel = guest.scratch.path().join("host.vmlinuz");
    let said = guest.ssh(MKINITRAMFS_HOST)?;
    for reason in HOST_REASONS {
        ensure!(said.contains(reason), "--host does not say \"{reason}\":\n{said}");
    }
    guest.debian.take(HOST_IMAGE, &image)?;
    guest.debian.take(&guest.kernel(), &kernel)?;
    guest.ssh(&format!("rm {HOST_IMAGE}; sync"))?;
    let copy = guest.copy_disk()?;
    let started = Starter::new(kernel, image).brings_up(&copy)?;
    ensure!(started == guest.version, "{started} came up instead of {}", guest.version);
    Ok(())
}

fn kernel_upgraded(guest: &mut Guest) -> Result<()> {
    let newer = guest.newer()?;
    guest.ssh(&format!("{APT} install /root/packages/newer.deb"))?;
    guest.is_configured(&format!("linux-image-{newer}"))?;
    guest.is_well()?;
    guest.next_start_is(&newer)
}

/// By the trigger, as a package with a program for the initrd has it rebuilt.
fn initrd_rebuilt(guest: &mut Guest) -> Result<()> {
    let newer = guest.newer()?;
    let digest = format!("sha256sum </boot/initrd.img-{newer}");
    let before = guest.ssh(&digest)?;
    guest
        .ssh("dpkg-trigger --by-package=turnout-kexec update-initramfs; dpkg --triggers-only -a")?;
    ensure!(guest.ssh(&digest)? != before, "the trigger rebuilt no initrd");
    guest.is_well()?;
    guest.next_start_is(&newer)
}

/// The package's profile is in force, and in nobody's way: kdump's neither.
fn confined(guest: &mut Guest) -> Result<()> {
    guest.says("cat /sys/kernel/security/apparmor/profiles", "turnout (enforce)")?;
    let check = guest.try_ssh("turnout check")?;
    ensure!(check.status.is_some_and(|status| status <= 1), "turnout check: {check:?}");
    guest.ssh("kdump-config unload")?;
    guest.is_loaded(false, false)?;
    guest.ssh("kdump-config load")?;
    guest.is_loaded(false, true)?;
    let load = format!("turnout load {} --initrd=/etc/shadow --append=quiet", guest.kernel());
    let shadow = guest.try_ssh(&load)?;
    ensure!(shadow.status != Some(0), "a file of secrets is loaded: {shadow:?}");
    ensure!(shadow.text.contains("Permission denied"), "refused for another reason: {shadow:?}");
    let denied = guest.ssh("dmesg | grep -F 'apparmor=\"DENIED\"'")?;
    let [asked, others]: [Vec<&str>; 2] = [true, false]
        .map(|it| denied.lines().filter(|l| l.contains("/etc/shadow") == it).collect());
    ensure!(!asked.is_empty(), "the kernel logged no denial of /etc/shadow:\n{denied}");
    ensure!(others.is_empty(), "the profile denies what Turnout needs:\n{denied}");
    Ok(())
}

/// The new initrd is there, and nobody has signed it yet.
fn power_cut(guest: &mut Guest) -> Result<()> {
    let newer = guest.newer()?;
    guest.write_program("/usr/local/sbin/slow", SLOW)?;
    guest.configure("sign-command /usr/local/sbin/slow")?;
    guest.ssh("sync; rm -f /run/asked /run/leave; (update-initramfs -u >/root/said 2>&1 &)")?;
    guest.ssh("timeout 300 sh -c 'until [ -e /run/asked ]; do sleep 1; done'; sync")?;
    let started = guest.would_start();
    guest.ssh("touch /run/leave; while pgrep -f [u]pdate-initramfs; do sleep 1; done")?;
    guest.configure(&format!("sign-key {KEY}"))?;
    ensure!(started? == newer, "not the newest signed kernel was started");
    ensure!(guest.started_the_spare()?, "the new initrd was no reason to take the spare entry");
    guest.ssh("/usr/lib/turnout/upkeep installed")?;
    guest.is_well()
}

/// Told by apt's last lines, to who logs in, and to monitoring; and it boots all the same.
fn signer_refuses(guest: &mut Guest) -> Result<()> {
    let newer = guest.newer()?;
    guest.configure("sign-command /bin/false")?;
    guest.ssh("update-initramfs -u")?;
    let said = guest.ssh(&format!("{APT} install --reinstall turnout-kexec 2>&1"))?;
    guest.is_configured("turnout-kexec")?;
    let last = said.rsplit_once("*** Turnout: ").map(|(_, last)| last);
    let is_last =
        last.is_some_and(|last| last.contains("KEPT_ONLY") && !last.contains("Setting up"));
    ensure!(is_last, "apt's last lines:\n{said}");
    let check = guest.try_ssh("turnout check")?;
    ensure!(check.status == Some(1) && check.text.contains("KEPT_ONLY"), "{check:?}");
    let motd = guest.login()?;
    ensure!(motd.contains("KEPT_ONLY"), "who logs in is not told:\n{motd}");
    guest.next_start_is(&newer)?;
    guest.configure(&format!("sign-key {KEY}"))?;
    guest.ssh("/usr/lib/turnout/upkeep installed")?;
    guest.is_well()
}

fn old_kernel_removed(guest: &mut Guest) -> Result<()> {
    let [older, newer] = [guest.version.clone(), guest.newer()?];
    guest.ssh(&format!("{APT} purge linux-image-{older}"))?;
    let left =
        guest.ssh("grep -l . /boot/turnout/*.manifest /turnout/*.manifest 2>/dev/null; true")?;
    ensure!(!left.contains(&older), "manifests of what is gone:\n{left}");
    guest.is_well()?;
    guest.next_start_is(&newer)
}

fn left_by_turnout_boot(guest: &mut Guest) -> Result<()> {
    guest.replace("turnout boot after an upgrade", "turnout boot >/root/said 2>&1")?;
    guest.says("uname -r", &guest.newer()?)?;
    guest.says("turnout status", "kexec was asked for, and this is its kernel")?;
    guest.is_well()
}

/// The machine's firmware starts Turnout, which starts the newest signed kernel.
fn started_by_pid_1(guest: &mut Guest) -> Result<()> {
    guest.replace("a restart with Turnout as PID 1", "turnout boot --firmware")?;
    guest.says("uname -r", &guest.newer()?)?;
    guest.is_well()
}

/// Files are compared by name, whatever kernel they are of.
fn purged(guest: &mut Guest) -> Result<()> {
    guest.ssh(&format!("{APT} install /root/packages/kexec-tools.deb turnout-kexec-"))?;
    guest.ssh(&format!("{APT} purge turnout turnout-kexec"))?;
    guest.ssh("mv /usr/sbin/mkinitramfs.debian /usr/sbin/mkinitramfs")?;
    guest.ssh(&format!("rm -rf {MADE_BY_HAND}; rmdir /etc/turnout; {FILES} >/root/after"))?;
    let versions = format!("s/{}/VERSION/g; s/{}/VERSION/g", guest.version, guest.newer()?);
    let names =
        |list: &str| format!("sed \"{versions}\" /root/{list} | sort -u >/root/{list}.names");
    guest.ssh(&format!("{}; {}", names("before"), names("after")))?;
    let different = guest.ssh("diff /root/before.names /root/after.names; true")?;
    ensure!(different.is_empty(), "purge leaves other files than were there:\n{different}");
    let broken = guest.ssh("dpkg -V; true")?;
    ensure!(broken.is_empty(), "purge leaves packages that are not whole:\n{broken}");
    guest.is_configured("kdump-tools")
}

/// What the checks put there, and not the packages.
const MADE_BY_HAND: &str = "/etc/turnout/sign.key /etc/turnout/allowed_signers \
    /usr/local/sbin/slow /srv/turnout \
    /usr/share/keyrings/turnout.asc /etc/apt/sources.list.d/turnout.list";

/// Every file but what others write while they run, and what Debian's own make in a
/// guest that is restarted (grub-common.service) and gets a kernel (kdump-tools' hook).
const FILES: &str = "find / -xdev \\( -path /var/log -o -path /var/cache -o -path /var/lib/apt \
    -o -path /var/lib/dpkg -o -path /var/lib/systemd -o -path /tmp -o -path /var/tmp \
    -o -path /boot/grub/grubenv -o -path /var/lib/kdump/initramfs-tools \
    -o -path /root \\) -prune -o -print | sort";
