//! The machines that PID 1 finds itself on: an image, what the kernel would tell, and a
//! disk whose files are there already.
//!
//! /proc, /sys and /dev are plain files here, so that every start finds the same.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use sha2::{Digest as _, Sha256};

use crate::built::{self, Key};
use crate::verdict::End;

/// Where PID 1 mounts the file system of the disk.
const VOLUME: &str = "run/boot/vda";
/// The disk that has a menu.
const DISK: &str = "dev/vda";
/// The disk that remembers what becomes of starts, as long as a state area is.
const STATE: &str = "dev/vdb";
const STATE_BYTES: u64 = 1 << 20;
/// PID 1, as the kernel starts it.
pub(crate) const PROGRAM: &str = "init";
/// What tells whether a kernel is loaded.
pub(crate) const LOADED: &str = "sys/kernel/kexec_loaded";

const CONFIG: &str = "device LABEL=boot\nwait 1\nattempts 1\nreset-delay 0\nstart-limit off\n";
const COUNTED: &str = "state-device /dev/vdb\ncount all\nslot a LABEL=boot\n";
const OPTIONS: &str = "root=LABEL=root ro";
const ENTRY: &str = "title Good\nlinux /vmlinuz\ninitrd /initrd\noptions root=LABEL=root ro\n";
const CMDLINE: &str = "console=ttyS0\n";
const MEMINFO: &str = "MemTotal:         503040 kB\nMemFree:          460000 kB\n\
     MemAvailable:     450000 kB\nInactive(file):     1000 kB\n";
const CPUINFO: &str = "processor\t: 0\nvendor_id\t: GenuineIntel\n\
     flags\t\t: fpu sse sse2 ssse3 sse4_1 sha_ni\n\n";
const STATUS: &str = "Name:\tinit\nVmHWM:\t    2000 kB\nRssAnon:\t     400 kB\n";
const MOUNTS: &str = "1 0 0:2 / / rw - rootfs none rw\n2 1 0:3 / /proc rw - proc proc rw\n\
     3 1 0:4 / /sys rw - sysfs sysfs rw\n4 1 0:5 / /dev rw - devtmpfs devtmpfs rw\n\
     5 1 0:6 / /run rw - tmpfs tmpfs rw\n";

/// What a machine has, and how a start without a fault ends on it.
#[derive(Debug)]
pub(crate) struct Scene {
    pub(crate) name: &'static str,
    pub(crate) end: End,
    files: Vec<File>,
}

#[derive(Debug)]
struct File {
    path: String,
    bytes: Vec<u8>,
    /// How long it is with the zeros behind its bytes.
    length: u64,
}

/// How the scenes differ.
struct Difference {
    name: &'static str,
    end: End,
    /// Of the image's configuration.
    config: &'static str,
    is_locked: bool,
    /// Of /loader/loader.conf.
    menu: &'static str,
    is_damaged: bool,
}

const DIFFERENCES: [Difference; 4] = [
    Difference {
        name: "signed",
        end: End::Jump,
        config: "",
        is_locked: true,
        menu: "timeout 0\n",
        is_damaged: false,
    },
    Difference {
        name: "counted",
        end: End::Jump,
        config: COUNTED,
        is_locked: true,
        menu: "timeout 0\n",
        is_damaged: false,
    },
    Difference {
        name: "damaged",
        end: End::Reset,
        config: COUNTED,
        is_locked: true,
        menu: "timeout 0\n",
        is_damaged: true,
    },
    Difference {
        name: "menu",
        end: End::Waits,
        config: "",
        is_locked: false,
        menu: "timeout menu-force\n",
        is_damaged: false,
    },
];

impl Scene {
    /// All of them.
    pub(crate) fn all(key: &Key) -> Result<Vec<Self>> {
        DIFFERENCES
            .iter()
            .map(|difference| {
                let mut scene = Self { name: difference.name, end: difference.end, files: vec![] };
                scene.add_image(difference, key);
                scene.add_kernel()?;
                scene.add_volume(difference, key)?;
                Ok(scene)
            })
            .collect()
    }

    /// Makes `root` anew with its files, and this one as PID 1.
    pub(crate) fn put(&self, root: &Path, program: &Path) -> Result<()> {
        let _ = fs::remove_dir_all(root);
        for directory in ["dev", "proc", "sys", "run", "tmp"] {
            fs::create_dir_all(root.join(directory))?;
        }
        for file in &self.files {
            let path = root.join(&file.path);
            path.parent().map(fs::create_dir_all).transpose()?;
            fs::write(&path, &file.bytes).with_context(|| path.display().to_string())?;
            if file.length > 0 {
                fs::File::options().write(true).open(&path)?.set_len(file.length)?;
            }
        }
        Ok(fs::hard_link(program, root.join(PROGRAM))?)
    }

    fn add(&mut self, path: &str, bytes: impl Into<Vec<u8>>) {
        self.files.push(File { path: path.to_owned(), bytes: bytes.into(), length: 0 });
    }

    fn add_disk(&mut self, path: &str, bytes: Vec<u8>, length: u64) {
        let name = path.trim_start_matches("dev/").to_owned();
        self.add(&format!("sys/class/block/{name}/size"), format!("{}\n", length / 512));
        self.add(&format!("sys/class/block/{name}/removable"), "0\n");
        self.files.push(File { path: path.to_owned(), bytes, length });
    }

    /// What mkinitramfs would put into the image.
    fn add_image(&mut self, difference: &Difference, key: &Key) {
        let mode = if difference.is_locked { "locked" } else { "open" };
        let config = [CONFIG, difference.config, "mode ", mode, "\n"].concat();
        self.add("etc/turnout/config", config);
        if difference.is_locked {
            self.add("etc/turnout/allowed_signers", key.ring.as_bytes());
        }
    }

    /// What the kernel would tell, and the disks.
    fn add_kernel(&mut self) -> Result<()> {
        let recorded = built::tree().join("tests/data/q35");
        for (path, text) in [
            ("proc/cmdline", CMDLINE),
            ("proc/meminfo", MEMINFO),
            ("proc/cpuinfo", CPUINFO),
            ("proc/swaps", "Filename\tType\tSize\tUsed\tPriority\n"),
            ("proc/self/status", STATUS),
            ("proc/self/mountinfo", MOUNTS),
            ("proc/sys/kernel/kexec_load_disabled", "0\n"),
            ("proc/sys/kernel/osrelease", "6.12.0\n"),
            ("proc/sys/kernel/panic", "0\n"),
            ("proc/sys/kernel/panic_on_oops", "0\n"),
            ("proc/sys/kernel/hung_task_panic", "0\n"),
            ("proc/sys/kernel/printk", "7 4 1 7\n"),
            ("proc/sys/kernel/sysrq", "438\n"),
            ("proc/sys/vm/panic_on_oom", "0\n"),
            ("sys/class/tty/console/active", "ttyS0\n"),
            ("sys/class/tty/ttyS0/port", "0x3F8\n"),
            ("sys/kernel/kexec_crash_loaded", "0\n"),
            (LOADED, "0\n"),
            ("dev/null", ""),
            ("dev/kmsg", ""),
        ] {
            self.add(path, text);
        }
        self.add("proc/iomem", fs::read(recorded.join("iomem"))?);
        self.add("sys/kernel/boot_params/data", fs::read(recorded.join("boot_params"))?);
        self.add_disk(DISK, ext4("boot"), 64 << 20);
        self.add_disk(STATE, vec![], STATE_BYTES);
        Ok(())
    }

    /// A boot partition with one signed entry.
    fn add_volume(&mut self, difference: &Difference, key: &Key) -> Result<()> {
        let kernel = bzimage();
        let mut initrd = vec![0x5a; 70_000];
        let manifest = manifest(&kernel, &initrd);
        let signature = key.sign(&manifest)?;
        if difference.is_damaged {
            write_at(&mut initrd, 1000, b"?");
        }
        let files: [(&str, &[u8]); 6] = [
            ("loader/loader.conf", difference.menu.as_bytes()),
            ("loader/entries/good.conf", ENTRY.as_bytes()),
            ("vmlinuz", &kernel),
            ("initrd", &initrd),
            ("turnout/good.manifest", manifest.as_bytes()),
            ("turnout/good.manifest.sig", signature.as_bytes()),
        ];
        for (path, bytes) in files {
            self.add(&format!("{VOLUME}/{path}"), bytes);
        }
        Ok(())
    }
}

/// What docs/manifest.md says of the entry.
fn manifest(kernel: &[u8], initrd: &[u8]) -> String {
    format!(
        "turnout-manifest 1\nentry good\nsecurity-version 1\narchitecture {}\n\
         linux /vmlinuz {}\ninitrd /initrd {}\noptions {OPTIONS}\n",
        std::env::consts::ARCH,
        bound(kernel),
        bound(initrd)
    )
}

/// The length and the digest of a file.
fn bound(bytes: &[u8]) -> String {
    let digest: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{} sha256:{digest}", bytes.len())
}

/// What the boot protocol of x86 (2.15) wants to see of a kernel, and no code
/// (Documentation/arch/x86/boot.rst).
fn bzimage() -> Vec<u8> {
    let mut file = vec![0; 1024 + 65_536];
    for (at, bytes) in [
        (0x1f1, &b"\x01"[..]),
        (0x1f4, &4096_u32.to_le_bytes()),
        (0x1fe, b"\x55\xaa\xeb\x6aHdrS\x0f\x02"),
        (0x211, b"\x01"),
        (0x230, &0x20_0000_u32.to_le_bytes()),
        (0x234, b"\x01\x15\x7f"),
        (0x238, &2047_u32.to_le_bytes()),
        (0x258, &0x100_0000_u64.to_le_bytes()),
        (0x260, &0x10_0000_u32.to_le_bytes()),
    ] {
        write_at(&mut file, at, bytes);
    }
    file
}

/// As much of an ext4 file system as tells its kind and its label (ext4(5)).
fn ext4(label: &str) -> Vec<u8> {
    const SUPERBLOCK: usize = 1024;
    let mut start = vec![0; 4 * SUPERBLOCK];
    write_at(&mut start, SUPERBLOCK + 0x38, &0xef53_u16.to_le_bytes());
    write_at(&mut start, SUPERBLOCK + 0x60, &0x40_u32.to_le_bytes());
    write_at(&mut start, SUPERBLOCK + 0x68, &[0x42; 16]);
    write_at(&mut start, SUPERBLOCK + 0x78, label.as_bytes());
    start
}

fn write_at(file: &mut [u8], at: usize, bytes: &[u8]) {
    file.iter_mut().skip(at).zip(bytes).for_each(|(place, byte)| *place = *byte);
}
