//! A Debian with this tree's `turnout`, and with entries that a key of its ring signed.

use crate::Programs;
use crate::upkeep::Upkeep;
use anyhow::{Context, Result, ensure};
use mkinitramfs::image::cpio::Archive;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;
use turnout::base::arch::Arch;
use turnout_qemu::boot_tree::{BootTree, Entry, Key};
use turnout_qemu::debian::{Debian, Kind, Release};
use turnout_qemu::{guest, place};

/// What is booted by kexec.
pub(crate) const NEXT: &str = "next";
/// An entry whose initrd never ends.
pub(crate) const HANGING: &str = "hanging";
const HANGING_INITRD: &str = "/boot/hanging.img";
const RING: &str = "/etc/turnout/allowed_signers";

const HANGING_INIT: &str = "#!/bin/busybox sh\n\
    echo this initrd hangs\n\
    while :; do /bin/busybox sleep 60; done\n";

/// How long a system may take from the request to the next one's login, on a busy host.
pub(crate) const MOST: Duration = Duration::from_secs(600);

/// What a command came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) status: Option<i32>,
    /// What it printed on both.
    pub(crate) text: String,
}

/// The guest of a line of checks.
pub(crate) struct Guest {
    pub(crate) debian: Debian,
    /// What its kernel calls itself, when it begins.
    pub(crate) version: String,
    pub(crate) scratch: place::Scratch,
    /// Of the line "upkeep".
    pub(crate) upkeep: Option<Upkeep>,
}

impl Guest {
    pub(crate) fn start(line: &str, release: Release, programs: &Programs) -> Result<Self> {
        let debian = Debian::start_a(Arch::X86_64, release, Kind::Server)?;
        let scratch = place::Scratch::new(&format!("guest-{line}"))?;
        let guest = Self::with(debian, scratch, None)?;
        guest.install(programs)?;
        Ok(guest)
    }

    /// One that runs, as it is.
    pub(crate) fn with(
        debian: Debian,
        scratch: place::Scratch,
        upkeep: Option<Upkeep>,
    ) -> Result<Self> {
        let version = debian.ssh("uname -r")?.trim().to_owned();
        Ok(Self { debian, version, scratch, upkeep })
    }

    /// As an administrator would: the program, entries, and the ring aside until a check
    /// puts it in force.
    fn install(&self, programs: &Programs) -> Result<()> {
        self.debian.put(&programs.turnout, "/usr/sbin/turnout")?;
        self.install_unit("turnout-came-up.service")?;
        self.ssh("mkdir -p /boot/loader/entries /etc/turnout /turnout")?;
        let tree = self.tree()?;
        let key = Key::generate(&programs.tools, self.scratch.path(), "release")?;
        for entry in [NEXT, HANGING] {
            let more = ["--security-version", "1", "--slot", "boot"];
            key.sign(&programs.tools, &tree, entry, &more)?;
            for name in [format!("{entry}.manifest"), format!("{entry}.manifest.sig")] {
                self.copy(&tree, &format!("/turnout/{name}"))?;
            }
            self.copy(&tree, &format!("/loader/entries/{entry}.conf"))?;
        }
        self.copy(&tree, HANGING_INITRD)?;
        self.debian.put(&key.ring, &format!("{RING}.aside"))
    }

    pub(crate) fn install_unit(&self, name: &str) -> Result<()> {
        let unit = place::tree().join("dist/systemd").join(name);
        self.debian.put(&unit, &format!("/etc/systemd/system/{name}"))?;
        self.ssh(&format!("systemctl -q daemon-reload; systemctl -q enable {name}")).map(drop)
    }

    fn copy(&self, tree: &BootTree, path: &str) -> Result<()> {
        let directory = Path::new(path).parent().context("a path without a directory")?;
        self.ssh(&format!("mkdir -p {}", directory.display()))?;
        self.debian.put(&tree.host_path(path), path)
    }

    /// What of the guest's root an entry is signed over.
    fn tree(&self) -> Result<BootTree> {
        let tree = BootTree::new(self.scratch.subdirectory("root")?)?;
        fs::create_dir_all(tree.host_path("boot"))?;
        let [kernel, initrd] = self.debian.kernel_and_initrd();
        tree.add_file(&self.kernel(), &kernel)?;
        tree.add_file(&self.initrd(), &initrd)?;
        fs::write(tree.host_path(HANGING_INITRD), hanging_initrd()?)?;
        let options = format!("{} turnout.boot=${{boot}}", self.options());
        for (id, initrd) in [(NEXT, self.initrd()), (HANGING, HANGING_INITRD.to_owned())] {
            tree.add_entry(&Entry {
                id,
                title: id,
                linux: &self.kernel(),
                initrds: &[&initrd],
                options: &options,
            })?;
        }
        Ok(tree)
    }

    pub(crate) fn kernel(&self) -> String {
        format!("/boot/vmlinuz-{}", self.version)
    }

    pub(crate) fn initrd(&self) -> String {
        format!("/boot/initrd.img-{}", self.version)
    }

    /// Of the running system, as QEMU starts it.
    pub(crate) fn options(&self) -> String {
        format!("root=/dev/vda ro console=ttyS0 quiet{}", Kind::Server.options())
    }

    /// `turnout load` or `kexec -l` of the guest's own kernel, with `more`.
    pub(crate) fn own_kernel(&self, how: &str) -> String {
        let [kernel, initrd, options] = [self.kernel(), self.initrd(), self.options()];
        format!("{how} {kernel} --initrd={initrd} --append=\"{options}\"")
    }

    /// Runs a shell command as root; it has to work.
    pub(crate) fn ssh(&self, shell: &str) -> Result<String> {
        self.debian.ssh(shell)
    }

    /// Runs a shell command as root, whatever it comes to.
    pub(crate) fn try_ssh(&self, shell: &str) -> Result<Outcome> {
        let shell = format!("({shell}) 2>&1");
        let mut ssh = self.debian.secure_shell();
        let output = ssh.arg(shell).stdin(Stdio::null()).output()?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(Outcome { status: output.status.code(), text })
    }

    /// A command that has to be refused with this exit status, in these words.
    pub(crate) fn refused(&self, shell: &str, status: i32, words: &str) -> Result<()> {
        let outcome = self.try_ssh(shell)?;
        ensure!(
            outcome.status == Some(status) && outcome.text.contains(words),
            "{shell}: status {:?} instead of {status}, or not \"{words}\":\n{}",
            outcome.status,
            outcome.text
        );
        Ok(())
    }

    /// A command that has to print these words, and to work.
    pub(crate) fn says(&self, shell: &str, words: &str) -> Result<String> {
        let text = self.ssh(&format!("{shell} 2>&1"))?;
        ensure!(text.contains(words), "{shell} does not say \"{words}\":\n{text}");
        Ok(text)
    }

    /// `kexec_loaded` and `kexec_crash_loaded`.
    pub(crate) fn is_loaded(&self, normal: bool, crash: bool) -> Result<()> {
        let text = self.ssh("cat /sys/kernel/kexec_loaded /sys/kernel/kexec_crash_loaded")?;
        let want = format!("{}\n{}\n", u8::from(normal), u8::from(crash));
        ensure!(text == want, "loaded are {text:?} instead of {want:?}");
        Ok(())
    }

    /// Puts the key ring in force, and no other: what nobody signed is refused then.
    pub(crate) fn lock(&self) -> Result<()> {
        self.ssh(&format!("cp {RING}.aside {RING}")).map(drop)
    }

    pub(crate) fn unlock(&self) -> Result<()> {
        self.ssh(&format!("rm -f {RING}")).map(drop)
    }

    /// The dump is the same but for its size; compressed it takes minutes.
    pub(crate) fn compress_no_dump(&self) -> Result<()> {
        self.ssh("echo 'MAKEDUMP_ARGS=\"-d 31\"' >>/etc/default/kdump-tools").map(drop)
    }

    /// Leaves the system by a command, and says how long it was to the next login.
    pub(crate) fn replace(&self, what: &str, shell: &str) -> Result<()> {
        let took = self.debian.replace(shell, MOST)?;
        println!("time   {what}: {:.1} s from the command to the login", took.as_secs_f64());
        Ok(())
    }

    /// Has Turnout be `/usr/sbin/kexec`; kexec-tools' own lies beside it.
    pub(crate) fn take_name(&self) -> Result<()> {
        let own = "/usr/sbin/kexec";
        self.ssh(&format!("[ -e {own}.tools ] || mv {own} {own}.tools; ln -sf turnout {own}"))
            .map(drop)
    }
}

fn hanging_initrd() -> Result<Vec<u8>> {
    let mut archive = Archive::default();
    archive.file("/init", 0o755, HANGING_INIT.as_bytes().to_vec());
    archive.file("/bin/busybox", 0o755, fs::read(guest::busybox(Arch::X86_64)?)?);
    archive.write()
}
