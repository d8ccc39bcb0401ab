//! Whole Debian systems in guests, for what needs more than an initrd: systemd,
//! a secure shell, Python, udev.
//!
//! `qemu/setup --debian` makes the file system; it is never written to. The first
//! guest that is up is kept as its memory and its disk, and all later ones go on
//! from there, each with a copy-on-write disk of its own. A guest reaches nothing
//! of the host but its secure shell.

use crate::serial::{ask_monitor, under_parent};
use crate::{command, place, setup};
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use turnout::base::arch::Arch;

/// Held while the memory of a started guest is kept.
static KEEPING: Mutex<()> = Mutex::new(());

/// How long a guest may take until one can log in; measured: 62 s with nothing
/// else running.
const UP: Duration = Duration::from_secs(600);

/// How long its memory may take to be written.
const SAVED: Duration = Duration::from_secs(120);

/// A release of Debian.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Release {
    /// Debian 12.
    Bookworm,
    /// Debian 13.
    Trixie,
}

impl Release {
    /// Its name, as in the archive.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Bookworm => "bookworm",
            Self::Trixie => "trixie",
        }
    }

    /// Its number, as in `/etc/debian_version` before the point.
    pub const fn number(self) -> &'static str {
        match self {
            Self::Bookworm => "12",
            Self::Trixie => "13",
        }
    }
}

/// What a guest is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One processor and 512 MiB, which are enough: 63 MB are in use after a login.
    Plain,
    /// What an administrator restarts: kexec-tools, kdump with memory set aside, GRUB's
    /// menu, two processors, and a watchdog that goes on over a jump. No store for the
    /// last words of a kernel that panicked: QEMU 10 ends itself as it writes out the
    /// memory of a machine that has one (acpi-erst).
    Server,
}

impl Kind {
    const fn suffix(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Server => "-server",
        }
    }

    /// What it has more of, for QEMU.
    const fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Plain => &["-m", "512"],
            Self::Server => &["-m", "1G", "-smp", "2", "-device", "i6300esb"],
        }
    }

    /// Without the last word the watchdog's driver stops it when a system is left.
    pub const fn options(self) -> &'static str {
        match self {
            Self::Plain => "",
            Self::Server => " crashkernel=256M watchdog.stop_on_reboot=0",
        }
    }

    /// Run once, before the guest is kept. The menu's kernels tell their version on the
    /// console.
    const fn preparation(self) -> &'static str {
        match self {
            Self::Plain => "true",
            Self::Server => "sed -i s/=quiet/=/ /etc/default/grub; update-grub",
        }
    }
}

/// A running guest. It ends when this is dropped, and its disk with it.
#[derive(Debug)]
pub struct Debian {
    qemu: Child,
    port: u16,
    /// The directory of its system.
    made: PathBuf,
    scratch: place::Scratch,
}

/// A system that `qemu/setup --debian` made.
struct System {
    arch: Arch,
    kind: Kind,
    /// The directory that holds its disk, its kernel and the key to it.
    made: PathBuf,
}

impl System {
    /// Makes it, if it is not there.
    fn make(arch: Arch, release: Release, kind: Kind) -> Result<Self> {
        let name = format!("{}{}", release.name(), kind.suffix());
        setup(&["--debian", &name, arch.name()])?;
        let made = place::cache()?.join("debian").join(arch.name()).join(name);
        Ok(Self { arch, kind, made })
    }

    /// The kernel that it was made with.
    fn first(&self, line: &str) -> First {
        First {
            kernel: self.made.join("vmlinuz"),
            initrd: self.made.join("initrd"),
            options: format!("root=/dev/vda ro console={line} quiet{}", self.kind.options()),
        }
    }

    fn qemu(&self) -> Command {
        command::tool(&format!("qemu-system-{}", self.arch))
    }

    /// Which QEMU is there, and of what it makes a machine: another one may not read
    /// the memory that it kept.
    fn keeper(&self) -> Result<String> {
        let version = command::output(self.qemu().arg("--version"))?;
        let machine = command::shown(&machine(self, &Parts::default()));
        Ok(format!("{version}{machine}\n{}\n", self.kind.preparation()))
    }
}

/// What the firmware of a guest starts at each of its restarts, where that is not the
/// kernel that it was made with.
#[derive(Debug, Clone)]
pub struct First {
    /// A kernel.
    pub kernel: PathBuf,
    /// Its initramfs.
    pub initrd: PathBuf,
    /// Its command line.
    pub options: String,
}

/// What of a machine is its own.
#[derive(Debug, Default)]
struct Parts<'a> {
    disk: PathBuf,
    /// Where its secure shell is reached.
    port: u16,
    first: Option<&'a First>,
}

/// What a guest begins with.
struct Beginning<'a> {
    /// The disk below its own.
    disk: &'a Path,
    /// The memory of a guest that was up; otherwise it boots.
    memory: Option<&'a Path>,
    first: Option<&'a First>,
}

impl Debian {
    /// Starts a guest of a release on an architecture, and waits until one can log in.
    ///
    /// # Errors
    ///
    /// If the system cannot be made, or does not come up within ten minutes; the
    /// error holds the end of its console.
    pub fn start(arch: Arch, release: Release) -> Result<Self> {
        Self::start_a(arch, release, Kind::Plain)
    }

    /// The same of any kind.
    ///
    /// # Errors
    ///
    /// As of [`Debian::start`].
    pub fn start_a(arch: Arch, release: Release, kind: Kind) -> Result<Self> {
        Self::start_with(arch, release, kind, None)
    }

    /// The same with what the firmware starts from its first restart on.
    ///
    /// # Errors
    ///
    /// As of [`Debian::start`].
    pub fn start_with(
        arch: Arch,
        release: Release,
        kind: Kind,
        first: Option<&First>,
    ) -> Result<Self> {
        let system = System::make(arch, release, kind)?;
        let kept = system.made.join("started");
        // Several guests of one process: the first one makes it.
        let keeping = KEEPING.lock().unwrap_or_else(PoisonError::into_inner);
        if !is_current(&system, &kept)? {
            keep_started(&system, &kept)?;
        }
        drop(keeping);
        let [disk, memory] = ["disk", "memory"].map(|name| kept.join(name));
        let beginning = Beginning { disk: &disk, memory: Some(&memory), first };
        let guest = Self::launch(&system, &beginning)?;
        guest.wait_until_up()?;
        guest.set_clock()?;
        Ok(guest)
    }

    /// Runs a shell command as root and gives its standard output.
    ///
    /// # Errors
    ///
    /// If it ends with another status than 0, with what it printed.
    pub fn ssh(&self, shell: &str) -> Result<String> {
        command::output(self.secure_shell().arg(shell))
    }

    /// The secure shell to this guest, without the command to run there.
    pub fn secure_shell(&self) -> Command {
        let mut ssh = command::tool("ssh");
        ssh.args(["-F", "none", "-p", &self.port.to_string(), "-i"]);
        ssh.arg(self.made.join("key"));
        for option in [
            "StrictHostKeyChecking=no",
            "UserKnownHostsFile=/dev/null",
            "BatchMode=yes",
            "ConnectTimeout=30",
            "ServerAliveInterval=30",
            "LogLevel=ERROR",
        ] {
            ssh.args(["-o", option]);
        }
        ssh.arg("root@127.0.0.1");
        ssh
    }

    /// Puts a file into the guest.
    ///
    /// # Errors
    ///
    /// If it cannot be read here or written there.
    pub fn put(&self, file: &Path, path: &str) -> Result<()> {
        let mode = if file.metadata()?.permissions().mode() & 0o111 == 0 { "644" } else { "755" };
        let shell =
            format!("cat >{path}.part && chmod {mode} {path}.part && mv {path}.part {path}");
        let file = fs::File::open(file).with_context(|| file.display().to_string())?;
        let status = self.secure_shell().arg(shell).stdin(file).status()?;
        ensure!(status.success(), "the guest did not take {path}: {status}");
        Ok(())
    }

    /// Takes a file out of the guest.
    ///
    /// # Errors
    ///
    /// If it cannot be read there or written here.
    pub fn take(&self, path: &str, file: &Path) -> Result<()> {
        let out = fs::File::create(file).with_context(|| file.display().to_string())?;
        let status = self.secure_shell().arg(format!("cat {path}")).stdout(out).status()?;
        ensure!(status.success(), "the guest did not give {path}: {status}");
        Ok(())
    }

    /// The kernel and the initrd that the guest was installed with, here.
    pub fn kernel_and_initrd(&self) -> [PathBuf; 2] {
        ["vmlinuz", "initrd"].map(|name| self.made.join(name))
    }

    /// Has the system replaced by another one, by whatever way `shell` asks for, and
    /// waits until one can log into that. Gives the time from the one to the other.
    ///
    /// # Errors
    ///
    /// If this very system goes on for `most`, or no other comes up by then; the error
    /// holds what `shell` printed and the end of the console.
    pub fn replace(&self, shell: &str, most: Duration) -> Result<Duration> {
        let before = self.boot_id()?;
        let start = Instant::now();
        let asked = self.secure_shell().arg(shell).stdin(Stdio::null()).output()?;
        while self.boot_id().is_ok_and(|now| now == before) || self.boot_id().is_err() {
            if start.elapsed() > most {
                let [out, err] =
                    [&asked.stdout, &asked.stderr].map(|it| String::from_utf8_lossy(it));
                bail!("{shell}: no other system after {most:?}: {out}{err}{}", self.console_end());
            }
            sleep(Duration::from_millis(500));
        }
        Ok(start.elapsed())
    }

    /// Copies its disk as it is at this moment: what a power cut would leave.
    ///
    /// # Errors
    ///
    /// If it cannot be copied.
    pub fn copy_disk(&self, to: &Path) -> Result<()> {
        let socket = PathBuf::from(monitor(&self.scratch));
        ask_monitor(&socket, "stop")?;
        let copied = fs::copy(self.scratch.path().join("disk"), to);
        ask_monitor(&socket, "cont")?;
        copied.with_context(|| to.display().to_string()).map(drop)
    }

    /// The id of the running system.
    ///
    /// # Errors
    ///
    /// If nobody answers.
    pub fn boot_id(&self) -> Result<String> {
        self.ssh("cat /proc/sys/kernel/random/boot_id")
    }

    fn launch(system: &System, beginning: &Beginning<'_>) -> Result<Self> {
        let port = free_port()?;
        let scratch = place::Scratch::new(&format!("debian-{port}"))?;
        let disk = scratch.path().join("disk");
        cover(beginning.disk, &disk)?;
        let mut qemu = machine(system, &Parts { disk, port, first: beginning.first });
        qemu.args(["-monitor", &format!("unix:{},server=on,wait=off", monitor(&scratch))]);
        if let Some(memory) = beginning.memory {
            qemu.args(["-incoming", &format!("file:{}", memory.display())]);
        }
        let console = fs::File::create(scratch.path().join("console"))?;
        let qemu = under_parent(&qemu)
            .stdin(Stdio::null())
            .stderr(console.try_clone()?)
            .stdout(console)
            .spawn()
            .context("cannot start QEMU")?;
        Ok(Self { qemu, port, made: system.made.clone(), scratch })
    }

    fn wait_until_up(&self) -> Result<()> {
        let deadline = Instant::now() + UP;
        while self.ssh("true").is_err() {
            if Instant::now() > deadline {
                bail!("no login after {} s:\n{}", UP.as_secs(), self.console_end());
            }
            sleep(Duration::from_secs(1));
        }
        Ok(())
    }

    fn console_end(&self) -> String {
        let text = fs::read(self.scratch.path().join("console")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text).into_owned();
        let lines: Vec<&str> = text.lines().rev().take(20).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// One that goes on from its memory would go on in the past.
    fn set_clock(&self) -> Result<()> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
        self.ssh(&format!("date -s @{now}")).map(drop)
    }

    /// Waits until the system has started whatever it starts.
    fn wait_until_settled(&self) -> Result<()> {
        self.ssh("systemctl is-system-running --wait; sync").map(drop)
    }

    fn save_memory(&self, file: &Path) -> Result<()> {
        let socket = PathBuf::from(monitor(&self.scratch));
        ask_monitor(&socket, &format!("migrate -d file:{}", file.display()))?;
        let deadline = Instant::now() + SAVED;
        loop {
            let state = ask_monitor(&socket, "info migrate")?;
            if state.contains("completed") {
                return Ok(());
            }
            if state.contains("failed") || Instant::now() > deadline {
                bail!("QEMU did not save the guest's memory: {state}");
            }
            sleep(Duration::from_millis(500));
        }
    }

    fn end(&mut self) -> Result<()> {
        self.qemu.kill()?;
        self.qemu.wait().context("QEMU does not end").map(drop)
    }
}

impl Drop for Debian {
    fn drop(&mut self) {
        drop(self.qemu.kill());
        drop(self.qemu.wait());
    }
}

fn monitor(scratch: &place::Scratch) -> String {
    scratch.path().join("monitor").display().to_string()
}

fn machine(system: &System, parts: &Parts<'_>) -> Command {
    let [board, processor, line] = match system.arch {
        Arch::X86_64 => ["q35", "max", "ttyS0"],
        Arch::Aarch64 => ["virt,gic-version=3", "cortex-a57", "ttyAMA0"],
    };
    let mut qemu = system.qemu();
    qemu.args(["-M", board, "-cpu", processor, "-accel", "tcg", "-display", "none"]);
    qemu.args(system.kind.arguments());
    qemu.args(["-serial", "stdio", "-device", "virtio-rng-pci"]);
    let usual = system.first(line);
    let first = parts.first.unwrap_or(&usual);
    qemu.arg("-kernel").arg(&first.kernel).arg("-initrd").arg(&first.initrd);
    qemu.args(["-append", &first.options]);
    let drive = format!("file={},format=qcow2,if=virtio,cache=unsafe", parts.disk.display());
    qemu.args(["-drive", &drive]);
    let network = format!("user,id=net,restrict=on,hostfwd=tcp:127.0.0.1:{}-:22", parts.port);
    qemu.args(["-netdev", &network, "-device", "virtio-net-pci,netdev=net,romfile="]);
    qemu
}

/// Makes a disk whose writes do not reach the one below.
fn cover(below: &Path, disk: &Path) -> Result<()> {
    let format = if below.extension().is_some_and(|it| it == "img") { "raw" } else { "qcow2" };
    let mut create = command::tool("qemu-img");
    create.args(["create", "-q", "-f", "qcow2", "-F", format, "-b"]).arg(below).arg(disk);
    command::output(&mut create).map(drop)
}

fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

fn is_current(system: &System, kept: &Path) -> Result<bool> {
    let keeper = fs::read_to_string(kept.join("version")).unwrap_or_default();
    Ok(keeper == system.keeper()?)
}

/// Boots the system once, and keeps its memory and its disk.
fn keep_started(system: &System, kept: &Path) -> Result<()> {
    let disk = system.made.join("disk.img");
    let mut guest = Debian::launch(system, &Beginning { disk: &disk, memory: None, first: None })?;
    guest.wait_until_up()?;
    guest.wait_until_settled()?;
    guest.ssh(system.kind.preparation())?;
    let part = system.made.join("started.part");
    drop(fs::remove_dir_all(&part));
    drop(fs::remove_dir_all(kept));
    fs::create_dir_all(&part)?;
    guest.save_memory(&part.join("memory"))?;
    guest.end()?;
    fs::copy(guest.scratch.path().join("disk"), part.join("disk"))?;
    fs::write(part.join("version"), system.keeper()?)?;
    fs::rename(part, kept).with_context(|| kept.display().to_string())
}
