//! What kdump-tools loads for a panic, as entries that no menu has. Signed like those of
//! the menu, they come into the crash slot of a machine with a key ring: `turnout load
//! --crash` and `kexec -p` take every manifest of the boot partition (`docs/cli.md`, "What
//! may be loaded").
//!
//! Nothing is guessed: the command line is the one that `kdump-config test` prints
//! (kdump-config(8)), without the words of the running system's start, and the files are
//! those that it names: through its links in `/var/lib/kdump` those of every release, as
//! it loads that which runs. Specification: `docs/upkeep.md`, "kdump".

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};
use turnout::bundle::{Blob, Bundle};
use turnout::menu::Entry;
use turnout::trust::slots::SlotValues;

use crate::signing::entry::BootEntry;

/// The program that loads, below the system's root.
const PROGRAM: &str = "usr/sbin/kdump-config";
/// Where it finds others.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// The folder of kdump-tools.
const FOLDER: &str = "/var/lib/kdump";
/// Its link to the kernel of the release that runs.
const LINK: &str = "/var/lib/kdump/vmlinuz";
/// How its files of a release begin.
const INITRD: &str = "initrd.img-";
/// How kernels are called.
const KERNELS: [&str; 2] = ["vmlinuz-", "vmlinux-"];
/// What follows this line is the command.
const HEADING: &str = "kexec command to be used:";
/// How words begin that a boot loader adds, or Turnout fills in, another at each start.
/// Turnout drops them as the crash kernel is loaded.
const OF_START: [&str; 3] = ["BOOT_IMAGE=", "initrd=", "turnout."];

/// How the ids of these entries begin.
pub const ID: &str = "kdump-";

/// What is loaded for a panic, for each release; nothing where kdump-tools is not there or
/// switched off. `system` is the root of the running system, `boot` that of the boot
/// partition, which has the manifests.
///
/// # Errors
/// It cannot be asked, what it says cannot be understood, or a file cannot be read.
pub fn entries(system: &Path, boot: &Path) -> Result<Vec<BootEntry>> {
    let Some(said) = ask(system)? else { return Ok(Vec::new()) };
    let Some(crash) = Crash::parse(&said).context("kdump-config test")? else {
        return Ok(Vec::new());
    };
    let releases = crash.releases(system)?;
    releases.iter().map(|release| crash.entry(release, system, boot)).collect()
}

/// What it would load. An image that is being built has the command line of the machine
/// that builds it, so there it is not asked.
fn ask(system: &Path) -> Result<Option<String>> {
    let program = system.join(PROGRAM);
    if !program.exists() || !is_running(system) {
        return Ok(None);
    }
    let mut command = Command::new(&program);
    command.arg("test").env_clear().env("PATH", PATH).env("LC_ALL", "C").stdin(Stdio::null());
    let done = command.output().with_context(|| format!("cannot start {}", program.display()))?;
    Ok(Some(String::from_utf8(done.stdout).context("kdump-config test: not UTF-8")?))
}

/// Whether it is the root of the first process, and no chroot.
fn is_running(system: &Path) -> bool {
    let of = |path: PathBuf| fs::metadata(path).ok().map(|there| (there.dev(), there.ino()));
    let first = of(system.join("proc/1/root"));
    first.is_some() && first == of(system.to_owned())
}

/// Files of one release, as absolute paths of the system.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Release {
    name: String,
    kernel: String,
    initrd: Option<String>,
}

/// The command that loads for a panic.
#[derive(Debug, PartialEq, Eq)]
struct Crash {
    options: String,
    kernel: String,
    initrd: Option<String>,
}

impl Crash {
    /// None where it is switched off.
    fn parse(said: &str) -> Result<Option<Self>> {
        let is_off = |line: &str| {
            line.strip_prefix("USE_KDUMP:").is_some_and(|value| ["", "0"].contains(&value.trim()))
        };
        if said.lines().any(is_off) {
            return Ok(None);
        }
        let mut lines = said.lines().skip_while(|line| line.trim() != HEADING);
        let command = lines.nth(1).context("it prints no command")?;
        Self::of_command(command.trim()).map(Some)
    }

    /// The shell reads the command, so what only a shell understands is refused.
    fn of_command(command: &str) -> Result<Self> {
        if let Some(special) = command.chars().find(|one| "\\$`'".contains(*one)) {
            bail!("the command has a {special}, which the shell may change: {command}");
        }
        let mut parts = command.split('"');
        let (before, line) = (parts.next(), parts.next());
        let after = parts.next().filter(|_| parts.next().is_none());
        let (Some(before), Some(line), Some(after)) = (before, line, after) else {
            bail!("the command has no command line in quotes, or more than one: {command}");
        };
        if !before.ends_with("--command-line=") {
            bail!("the command has no --command-line=: {command}");
        }
        let mut words: Vec<_> = after.split_ascii_whitespace().collect();
        let kernel = words.pop().context("the command has no kernel")?;
        let initrd = words.iter().find_map(|word| word.strip_prefix("--initrd="));
        let initrd = initrd.map(str::to_owned);
        Ok(Self { options: lasting(line), kernel: kernel.to_owned(), initrd })
    }

    /// Of which releases it may come to load: through its link any that has an initrd
    /// for it, else the one that is named.
    fn releases(&self, system: &Path) -> Result<Vec<Release>> {
        if self.kernel != LINK {
            return Ok(vec![self.named()]);
        }
        let names = names(&system.join(FOLDER.trim_start_matches('/')))?;
        let releases = names.iter().filter_map(|name| name.strip_prefix(INITRD));
        Ok(releases.filter_map(|release| of_release(release, system)).collect())
    }

    fn named(&self) -> Release {
        let file = self.kernel.rsplit('/').next().unwrap_or_default();
        let release = KERNELS.iter().find_map(|start| file.strip_prefix(start));
        let name = release.unwrap_or(file).to_owned();
        Release { name, kernel: self.kernel.clone(), initrd: self.initrd.clone() }
    }

    /// The files, each read once, under their paths in the running system.
    fn entry(&self, release: &Release, system: &Path, boot: &Path) -> Result<BootEntry> {
        let id = format!("{ID}{}", release.name);
        let initrds: Vec<_> = release.initrd.iter().cloned().collect();
        let bundle = Bundle {
            entry: id.clone(),
            linux: read(system, &release.kernel)?,
            profile: None,
            addons: Vec::new(),
            initrds: initrds.iter().map(|path| read(system, path)).collect::<Result<_>>()?,
            devicetree: None,
            overlays: Vec::new(),
            options: self.options.clone(),
        };
        let entry = Entry {
            id,
            title: Some(format!("Crash kernel {}", release.name)),
            linux: Some(release.kernel.clone()),
            initrds,
            options: self.options.clone(),
            ..Entry::default()
        };
        Ok(BootEntry { root: boot.to_owned(), entry, bundle, values: SlotValues::default() })
    }
}

/// Without the words of one start; byte for byte where there are none.
fn lasting(line: &str) -> String {
    let is_of_start = |word: &str| OF_START.iter().any(|start| word.starts_with(start));
    let mut words = line.split_ascii_whitespace();
    if !words.any(is_of_start) {
        return line.trim().to_owned();
    }
    let kept: Vec<_> = line.split_ascii_whitespace().filter(|word| !is_of_start(word)).collect();
    kept.join(" ")
}

/// Sorted; none where there is no such folder.
fn names(folder: &Path) -> Result<Vec<String>> {
    let listed = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.with_context(|| format!("cannot read {}", folder.display()))?,
    };
    let names = listed.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let mut names = names.collect::<io::Result<Vec<_>>>()?;
    names.sort_unstable();
    Ok(names)
}

/// Its kernel is gone before its initrd, and an initrd that is being written has no kernel.
fn of_release(release: &str, system: &Path) -> Option<Release> {
    let mut kernels = KERNELS.iter().map(|start| format!("/boot/{start}{release}"));
    let kernel = kernels.find(|path| system.join(path.trim_start_matches('/')).is_file())?;
    let initrd = Some(format!("{FOLDER}/{INITRD}{release}"));
    Some(Release { name: release.to_owned(), kernel, initrd })
}

fn read(system: &Path, path: &str) -> Result<Blob<Vec<u8>>> {
    let from = system.join(path.trim_start_matches('/'));
    let bytes = fs::read(&from).with_context(|| format!("cannot read {}", from.display()))?;
    Ok(Blob::hash(path, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As kdump-tools 1.8.1 printed it on Debian 12, two blanks and all.
    const SAID: &str = "USE_KDUMP:\t\t1\nKDUMP_COREDIR:\t\t/var/crash\n\
        crashkernel addr\t\t0x3f000000\nkdump kernel addr\t\t\nkdump kernel:\n   \
        /var/lib/kdump/vmlinuz: symbolic link to /boot/vmlinuz-6.1.0-50\n\
        kexec command to be used:\n  /sbin/kexec -p --command-line=\"root=/dev/vda rw \
        net.ifnames=0  reset_devices nr_cpus=1\" --initrd=/var/lib/kdump/initrd.img \
        /var/lib/kdump/vmlinuz\n";

    fn command(line: &str) -> Result<Crash> {
        Crash::of_command(&format!("/sbin/kexec -p -s --command-line={line}"))
    }

    #[test]
    fn its_command_is_read_with_its_blanks() {
        let crash = Crash::parse(SAID).unwrap().unwrap();
        assert_eq!(crash.options, "root=/dev/vda rw net.ifnames=0  reset_devices nr_cpus=1");
        assert_eq!(crash.kernel, LINK);
        assert_eq!(crash.initrd.as_deref(), Some("/var/lib/kdump/initrd.img"));
    }

    #[test]
    fn words_of_one_start_are_left_out() {
        let line = "\"BOOT_IMAGE=/vmlinuz root=/dev/vda  turnout.boot=kexec-0f irqpoll\" /boot/k";
        let crash = command(line).unwrap();
        assert_eq!(crash.options, "root=/dev/vda irqpoll");
        assert_eq!((crash.kernel.as_str(), crash.initrd), ("/boot/k", None));
    }

    #[test]
    fn switched_off_it_loads_nothing() {
        for value in ["0", ""] {
            let off = SAID.replace("USE_KDUMP:\t\t1", &format!("USE_KDUMP:\t\t{value}"));
            assert_eq!(Crash::parse(&off).unwrap(), None, "{value:?}");
        }
        let said = Crash::parse("USE_KDUMP: 1\n").unwrap_err().to_string();
        assert_eq!(said, "it prints no command");
    }

    #[test]
    fn what_a_shell_would_change_is_refused() {
        for (line, why) in [
            ("\"a $(b)\" /k", "the command has a $, which the shell may change"),
            ("\"a \\\"b c\\\"\" /k", "the command has a \\, which the shell may change"),
            ("\"a\" --initrd=\"b\" /k", "in quotes, or more than one"),
            ("a /k", "no command line in quotes"),
            ("\"a\"", "the command has no kernel"),
        ] {
            let said = command(line).unwrap_err().to_string();
            assert!(said.contains(why), "{line}: {said}");
        }
    }

    #[test]
    fn a_kernel_that_is_named_is_the_only_one() {
        let crash = command("\"a\" --initrd=/boot/i /boot/vmlinuz-6.1").unwrap();
        let initrd = Some("/boot/i".to_owned());
        let release =
            Release { name: "6.1".to_owned(), kernel: "/boot/vmlinuz-6.1".to_owned(), initrd };
        assert_eq!(crash.releases(Path::new("/nowhere")).unwrap(), [release]);
    }
}
