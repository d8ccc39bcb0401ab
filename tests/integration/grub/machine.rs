//! GRUB on a machine of its own: a disk image with its menu, a directory that is all it
//! sees of files, and stand-ins for the programs that it would start.
//!
//! The same directory serves Debian's grub-mkconfig, which looks for kernels in `/boot`.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use nix::pty::openpty;

use super::emulator::{cache, unit};

/// Of the file system with the menu.
pub(super) const UUID: &str = "11112222-3333-4444-5555-666677778888";
/// Where it begins on the disk: behind a partition of 1 MiB.
const START: u64 = 2 << 20;
const SIZE: u64 = 12 << 20;
/// How long GRUB may take; it waits for ever where it shows a menu without a timeout, and
/// 10 s for a key after an error.
const PATIENCE: Duration = Duration::from_secs(15);
/// The size of an environment block.
const BLOCK: usize = 1024;

/// Run in a namespace of its own, with the directory as `$1` and the cache as `$2`.
/// Nothing of this machine's own /boot and /etc is seen from there, and of its programs
/// only what the caller's PATH names.
const ENTER: &str = "set -e
for place in usr proc dev; do mount --rbind /$place $1/$place; done
mount -t tmpfs none $1/usr/share
mkdir $1/usr/share/grub
mount --bind $1/grub/share $1/usr/share/grub
mount --bind $2/tools $1/tools
directory=$1
shift 2
exec chroot $directory /usr/bin/env -i TERM=dumb \"$@\"";

/// Tells grub-mkconfig of the disk what it asks for.
const PROBE: &str = "#!/bin/sh
for word; do
    case \"$word\" in
    --target=*) target=\"${word#*=}\" ;;
    *) [ \"$before\" != -t ] || target=\"$word\" ;;
    esac
    before=\"$word\"
done
case \"$target\" in
device) echo /dev/vda2 ;;
fs_uuid) echo 11112222-3333-4444-5555-666677778888 ;;
fs) echo ext2 ;;
partmap) echo gpt ;;
drive) echo '(hd0,gpt2)' ;;
compatibility_hint) echo hd0,gpt2 ;;
hints_string) echo --hint-bios=hd0,gpt2 --hint-efi=hd0,gpt2 ;;
esac
";

/// What an environment block holds; `None`: there is none.
pub(super) type Environment = BTreeMap<String, String>;

/// What GRUB would have booted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Booted {
    pub(super) kernel: String,
    pub(super) initrd: Option<String>,
    pub(super) options: String,
}

/// The machine; its directory is removed at the end.
pub(super) struct Machine {
    folder: PathBuf,
    cache: PathBuf,
}

impl Machine {
    /// `None`, and a word about it, where there is no GRUB; a failure where tests/run has
    /// set all tools up.
    pub(super) fn new(test: &str) -> Option<Self> {
        unit()?;
        let folder = std::env::temp_dir().join(format!("turnout-{test}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        let machine = Self { folder, cache: cache()? };
        machine.furnish();
        Some(machine)
    }

    fn path(&self, path: &str) -> PathBuf {
        self.folder.join(path.trim_start_matches('/'))
    }

    /// Writes a file of the machine.
    pub(super) fn write(&self, path: &str, text: &str) {
        let path = self.path(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn program(&self, path: &str, text: &str) {
        self.write(path, text);
        fs::set_permissions(self.path(path), fs::Permissions::from_mode(0o755)).unwrap();
    }

    fn furnish(&self) {
        for directory in ["usr", "proc", "dev", "tools", "tmp", "var", "boot/grub", "etc/default"] {
            fs::create_dir_all(self.path(directory)).unwrap();
        }
        for link in ["bin", "sbin", "lib", "lib64"] {
            if let Ok(target) = fs::read_link(Path::new("/").join(link)) {
                std::os::unix::fs::symlink(target, self.path(link)).unwrap();
            }
        }
        for name in ["kexec", "systemctl"] {
            let stand_in = format!("#!/bin/sh\nprintf '%s\\n' {name} \"$@\" . >>/started\n");
            self.program(&format!("/stand-ins/{name}"), &stand_in);
        }
        self.furnish_mkconfig();
    }

    /// Its scripts name what they run by absolute paths, so those are replaced.
    fn furnish_mkconfig(&self) {
        let unit = self.cache.join("tools/grub");
        let here = |text: String| text.replace("exec_prefix=\"/usr\"", "exec_prefix=\"/grub\"");
        let main = fs::read_to_string(unit.join("sbin/grub-mkconfig")).unwrap();
        self.program("/grub/sbin/grub-mkconfig", &here(main));
        let library = fs::read_to_string(unit.join("share/grub/grub-mkconfig_lib")).unwrap();
        self.write("/grub/share/grub-mkconfig_lib", &here(library));
        self.program("/grub/sbin/grub-probe", PROBE);
        for name in ["grub-editenv", "grub-script-check", "grub-file", "grub-mkrelpath"] {
            let start = format!("#!/bin/sh\nexec /tools/bin/{name} \"$@\"\n");
            self.program(&format!("/grub/bin/{name}"), &start);
        }
        for part in fs::read_dir(unit.join("share/grub.d")).unwrap() {
            let part = part.unwrap();
            let text = fs::read_to_string(part.path()).unwrap();
            self.program(&format!("/etc/grub.d/{}", part.file_name().display()), &text);
        }
    }

    /// A command in the machine, with a search path of its own.
    fn command(&self, search: &str, words: &[&str]) -> Command {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-c", ENTER, "sh"]);
        command.arg(&self.folder).arg(&self.cache).arg(format!("PATH={search}")).args(words);
        command
    }

    /// The menu that grub-mkconfig makes of the kernels in `/boot`, with these defaults
    /// (`/etc/default/grub`).
    pub(super) fn make_menu(&self, defaults: &str) -> String {
        self.write("/etc/default/grub", defaults);
        let search = "/grub/sbin:/grub/bin:/usr/sbin:/usr/bin:/sbin:/bin";
        let output = self.command(search, &["sh", "/grub/sbin/grub-mkconfig"]).output().unwrap();
        let messages = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "grub-mkconfig: {messages}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// What GRUB boots with this menu and environment, and the environment afterwards.
    pub(super) fn boot(
        &self,
        menu: &str,
        environment: &Environment,
    ) -> (Option<Booted>, Environment) {
        self.make_disk(menu, environment);
        self.write("/map", "(hd0) /disk.img\n");
        let _ = fs::remove_file(self.path("/started"));
        let terminal = openpty(None, None).unwrap();
        let side = || Stdio::from(terminal.slave.try_clone().unwrap());
        let program = "/tools/grub/bin/ld.so --inhibit-cache --library-path /tools/grub/lib \
                       /tools/grub/bin/grub-emu -m /map -r hd0,gpt2 -d /boot/grub -X";
        let words: Vec<&str> = program.split_whitespace().collect();
        let mut command = self.command("/stand-ins", &words);
        let child = command.stdin(side()).stdout(side()).stderr(side()).spawn().unwrap();
        drop((terminal.slave, command));
        let keys = thread::spawn(move || press_keys(terminal.master.into()));
        let booted = self.wait_until_booted(child, &keys);
        keys.join().unwrap();
        (booted, self.environment())
    }

    fn make_disk(&self, menu: &str, environment: &Environment) {
        let files = self.path("/files");
        let _ = fs::remove_dir_all(&files);
        for name in fs::read_dir(self.path("/boot")).unwrap() {
            let name = name.unwrap().file_name();
            self.write(&format!("/files/boot/{}", name.display()), "");
        }
        let _ = fs::remove_file(files.join("boot/grub"));
        self.write("/files/boot/grub/grub.cfg", menu);
        self.write("/files/boot/grub/grubenv", &block(environment));
        let disk = self.path("/disk.img");
        fs::File::create(&disk).unwrap().set_len(SIZE).unwrap();
        self.tool("sfdisk", &["-q"], "label: gpt\nsize=1M\nsize=8M\n");
        let offset = format!("offset={START}");
        let make =
            ["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-U", UUID, "-E", &offset, "-d"];
        let status = Command::new(self.cache.join("tools/bin/mke2fs"))
            .args(make)
            .args([&files, &disk])
            .arg("8M")
            .status();
        assert!(status.unwrap().success(), "mke2fs");
    }

    /// A tool of the cache, with the disk as its last argument.
    fn tool(&self, name: &str, arguments: &[&str], input: &str) {
        let mut child = Command::new(self.cache.join("tools/bin").join(name))
            .args(arguments)
            .arg(self.path("/disk.img"))
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        assert!(child.wait().unwrap().success(), "{name}");
    }

    /// GRUB never ends by itself: it has asked for another kernel, and waits for it.
    fn wait_until_booted(&self, mut child: Child, keys: &JoinHandle<()>) -> Option<Booted> {
        let end = Instant::now() + PATIENCE;
        let mut started = String::new();
        while Instant::now() < end && !keys.is_finished() && !started.contains("systemctl\n") {
            sleep(Duration::from_millis(10));
            started = fs::read_to_string(self.path("/started")).unwrap_or_default();
        }
        let _ = child.kill();
        let _ = child.wait();
        booted(&started)
    }

    /// The environment as it is on the disk.
    fn environment(&self) -> Environment {
        let disk = format!("{}?offset={START}", self.path("/disk.img").display());
        let mut debugfs = Command::new(self.cache.join("tools/bin/debugfs"));
        debugfs.args(["-R", "cat /boot/grub/grubenv", &disk]).stderr(Stdio::null());
        let text = String::from_utf8(debugfs.output().unwrap().stdout).unwrap();
        let settings = text.lines().filter(|line| !line.starts_with('#'));
        let settings = settings.filter_map(|line| line.split_once('='));
        settings.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// Reads a terminal to its end, or until GRUB gives up, and presses a key where GRUB waits
/// for one.
fn press_keys(mut terminal: fs::File) {
    let mut piece = [0; 4096];
    let mut text = String::new();
    while let Ok(count @ 1..) = terminal.read(&mut piece) {
        text.push_str(&String::from_utf8_lossy(&piece[..count]));
        if text.contains("Failed to boot both default and fallback entries") {
            return;
        }
        if let Some((_, after)) = text.rsplit_once("Press any key") {
            text = after.to_owned();
            let _ = terminal.write_all(b"\n");
        }
    }
}

/// An environment block (GRUB manual, "Environment block").
pub(super) fn block(environment: &Environment) -> String {
    let mut text = "# GRUB Environment Block\n".to_owned();
    for (name, value) in environment {
        let _ = writeln!(text, "{name}={value}");
    }
    let fill = BLOCK - text.len();
    text + &"#".repeat(fill)
}

/// What the stand-in for kexec was called with.
fn booted(started: &str) -> Option<Booted> {
    let mut words = started.lines().skip_while(|word| *word != "-la").skip(1);
    let mut booted = Booted { kernel: words.next()?.to_owned(), ..Booted::default() };
    for word in words.take_while(|word| *word != ".") {
        match word.split_once('=')? {
            ("--initrd", path) => booted.initrd = Some(path.to_owned()),
            ("--command-line", options) => options.clone_into(&mut booted.options),
            _ => panic!("kexec was given {word}"),
        }
    }
    Some(booted)
}
