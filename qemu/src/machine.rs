//! QEMU machines: the command line for each architecture.

use crate::{command, guest};
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Command;
use turnout::base::arch::Arch;

/// The bus that a disk hangs on; each but [`Bus::Ide`] brings a controller of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Bus {
    /// virtio-blk: a module in all of Debian's kernels.
    Virtio,
    /// NVMe: built into the cloud kernels.
    Nvme,
    /// The same without PCI: what a board has slots for.
    VirtioMmio,
    /// A SATA disk at a controller of its own.
    Ahci,
    /// The board's own IDE; only the board `pc` has it.
    Ide,
    /// A SCSI disk at a controller of this model.
    Scsi(Scsi),
    /// An SD card, which has to have a power of two bytes.
    SdCard,
    /// A USB disk as most sticks are: bulk only.
    UsbStorage,
    /// A USB disk by UAS.
    UsbUas,
    /// UFS, whose blocks have 4096 bytes.
    Ufs,
}

/// A model of SCSI controllers, all of them on PCI.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scsi {
    /// virtio-scsi.
    Virtio,
    /// LSI's `MegaRAID` SAS 1078.
    Megasas,
    /// LSI's SAS 1068, of Fusion MPT.
    Mptsas,
    /// LSI's 53C895A, of the last parallel ones.
    Lsi,
    /// AMD's 53C974.
    Am53c974,
    /// VMware's.
    Pvscsi,
}

impl Scsi {
    /// As QEMU calls it.
    const fn device(self) -> &'static str {
        match self {
            Self::Virtio => "virtio-scsi-pci",
            Self::Megasas => "megasas",
            Self::Mptsas => "mptsas1068",
            Self::Lsi => "lsi53c895a",
            Self::Am53c974 => "am53c974",
            Self::Pvscsi => "pvscsi",
        }
    }
}

/// The board of x86_64 that has no PCI.
pub const MICROVM: &str = "microvm";
/// The x86_64 processor of a counted machine: all that QEMU has but random
/// instructions and seeds.
const COUNTED: &str = "max,-rdrand,-rdseed";
/// The same without SHA instructions.
pub const COUNTED_WITHOUT_SHA_NI: &str = "max,-rdrand,-rdseed,-sha-ni";

/// What executes the guest's instructions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Accelerator {
    /// QEMU's translator: slow, and works everywhere.
    Tcg,
    /// The translator with one instruction a nanosecond: guest time is the
    /// same on every host.
    Counted,
    /// The host's processor.
    Kvm,
}

/// Where the guest's serial port goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serial {
    /// This process's terminal, raw; Ctrl-A X ends QEMU, Ctrl-C goes to the guest.
    Terminal,
    /// A pipe.
    Pipe,
}

/// What starts the first kernel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Firmware {
    /// SeaBIOS; on aarch64 QEMU itself, with a device tree.
    Usual,
    /// EDK2: OVMF or AAVMF. It describes the machine by ACPI, on aarch64 by a
    /// device tree if the board has `acpi=off`.
    Efi,
    /// OVMF with Microsoft's keys, and Secure Boot on: it starts a boot loader
    /// from the disk, see [`crate::boot_tree::secure_esp`].
    SecureBoot,
}

/// What a machine is made of, where the usual will not do.
#[derive(Debug, Clone, Copy)]
pub struct Shape {
    /// What starts the first kernel.
    pub firmware: Firmware,
    /// Memory, as QEMU's `-m` takes it.
    pub memory: &'static str,
    /// The whole value of QEMU's `-M`.
    pub board: Option<&'static str>,
    /// The whole value of QEMU's `-cpu`.
    pub cpu: Option<&'static str>,
    /// More arguments for QEMU: processors, nodes, devices.
    pub devices: &'static [&'static str],
}

impl Shape {
    /// One processor, 1 GiB, no EFI.
    pub const USUAL: Self =
        Self { firmware: Firmware::Usual, memory: "1G", board: None, cpu: None, devices: &[] };
}

/// A machine to start.
#[derive(Debug, Clone)]
pub struct Machine {
    /// The processor architecture.
    pub arch: Arch,
    /// The first kernel.
    pub kernel: PathBuf,
    /// Its initramfs; an empty path if it has one built in.
    pub initramfs: PathBuf,
    /// Words to add to its command line.
    pub options: String,
    /// Disk images.
    pub disks: Vec<(Bus, PathBuf)>,
    /// Whether the guest's writes reach the images; otherwise they are thrown
    /// away.
    pub keeps_writes: bool,
    /// Where QEMU keeps every write to the first disk and every flush of it, see
    /// [`crate::recording`]; the file must be there, and empty.
    pub recording: Option<PathBuf>,
    /// What executes it.
    pub accelerator: Accelerator,
    /// Whether a reset starts the machine again; otherwise it ends QEMU.
    pub reboot: bool,
    /// A socket for QEMU's monitor; it comes with a keyboard.
    pub monitor: Option<PathBuf>,
    /// A file with EFI's variables that keeps what is written to them; otherwise
    /// they are thrown away with the machine.
    pub variables: Option<PathBuf>,
    /// Whether the firmware finds the first kernel on a disk by itself.
    pub from_disk: bool,
    /// A socket for a second serial line, on PCI, see [`crate::line`].
    pub second_line: Option<PathBuf>,
    /// The control socket of a software TPM, see [`crate::tpm`].
    pub tpm: Option<PathBuf>,
    /// What it is made of.
    pub shape: Shape,
    /// Memory, where it is to be other than the shape's.
    pub memory: Option<String>,
    /// Whether it has a network card, behind QEMU's own router.
    pub network: bool,
    /// More arguments for QEMU, last.
    pub extra: Vec<String>,
}

impl Machine {
    /// A machine without disks.
    pub fn new(arch: Arch, kernel: PathBuf, initramfs: PathBuf) -> Self {
        Self {
            arch,
            kernel,
            initramfs,
            options: String::new(),
            disks: Vec::new(),
            keeps_writes: false,
            recording: None,
            accelerator: Accelerator::Tcg,
            reboot: false,
            monitor: None,
            variables: None,
            from_disk: false,
            second_line: None,
            tpm: None,
            shape: Shape::USUAL,
            memory: None,
            network: false,
            extra: Vec::new(),
        }
    }

    /// The QEMU command line.
    ///
    /// # Errors
    ///
    /// If the cache does not hold the firmware.
    pub fn command(&self, serial: Serial) -> Result<Command> {
        let mut qemu = command::tool(&format!("qemu-system-{}", self.arch));
        self.add_board(&mut qemu);
        self.add_firmware(&mut qemu)?;
        qemu.args(["-m", self.memory.as_deref().unwrap_or(self.shape.memory)]);
        qemu.args(["-nic", if self.network { "user,model=virtio-net-pci" } else { "none" }]);
        qemu.args(["-display", "none", "-serial"]);
        qemu.arg(if serial == Serial::Terminal { "mon:stdio" } else { "stdio" });
        if !self.reboot {
            qemu.arg("-no-reboot");
        }
        if let Some(socket) = &self.second_line {
            let socket = socket.display();
            let chardev = format!("socket,id=second,path={socket},server=on,wait=off");
            qemu.args(["-chardev", &chardev, "-device", "pci-serial,chardev=second"]);
        }
        self.add_monitor(&mut qemu, serial);
        if self.shape.firmware != Firmware::SecureBoot && !self.from_disk {
            qemu.arg("-kernel").arg(&self.kernel);
            if !self.initramfs.as_os_str().is_empty() {
                qemu.arg("-initrd").arg(&self.initramfs);
            }
            qemu.arg("-append").arg(self.first_command_line());
        }
        for ((bus, path), index) in self.disks.iter().zip(0_usize..) {
            match &self.recording {
                Some(log) if index == 0 => add_recorded(&mut qemu, path, log),
                _ => self.add_drive(&mut qemu, index, path),
            }
            add_disk(&mut qemu, index, *bus);
        }
        self.add_tpm(&mut qemu);
        qemu.args(self.shape.devices).args(&self.extra);
        Ok(qemu)
    }

    fn add_firmware(&self, qemu: &mut Command) -> Result<()> {
        let (code, variables) = match self.shape.firmware {
            Firmware::Usual if self.shape.board == Some(MICROVM) => {
                qemu.arg("-bios").arg(guest::microvm_firmware()?);
                return Ok(());
            }
            Firmware::Usual => return Ok(()),
            Firmware::Efi => guest::efi_firmware(self.arch)?,
            Firmware::SecureBoot => {
                qemu.args(["-global", "driver=cfi.pflash01,property=secure,value=on"]);
                guest::secure_firmware(self.arch)?
            }
        };
        add_flash(qemu, 0, &code, "readonly=on");
        match &self.variables {
            Some(kept) => add_flash(qemu, 1, kept, "snapshot=off"),
            None => add_flash(qemu, 1, &variables, "snapshot=on"),
        }
        Ok(())
    }

    /// What a kernel does after a panic is not said: that is for PID 1 to set. A
    /// GICv3 without EFI must not use LPIs in the first kernel: the next one
    /// would have the interrupt controller write into its own text. A counted
    /// machine polls when idle: otherwise its clock leaps to the next timer
    /// whenever the guest waits for the host's disk (seen: half a minute).
    pub fn first_command_line(&self) -> String {
        let fixed = match (self.arch, self.accelerator) {
            (Arch::X86_64, Accelerator::Counted) => "console=ttyS0 idle=poll",
            (Arch::X86_64, _) => "console=ttyS0",
            (Arch::Aarch64, Accelerator::Counted) => "console=ttyAMA0 irqchip.gicv3_nolpi=1 nohlt",
            (Arch::Aarch64, _) => "console=ttyAMA0 irqchip.gicv3_nolpi=1",
        };
        format!("{fixed} {}", self.options).trim_end().to_owned()
    }

    /// Timed machines get neither random instructions nor seeds nor the host's
    /// clock: those would make two runs differ.
    fn add_board(&self, qemu: &mut Command) {
        qemu.args(["-M", self.shape.board.unwrap_or(self.usual_board())]);
        qemu.args(["-cpu", self.shape.cpu.unwrap_or(self.usual_cpu()), "-accel"]);
        qemu.arg(if self.accelerator == Accelerator::Kvm { "kvm" } else { "tcg" });
        if self.accelerator == Accelerator::Counted {
            qemu.args(["-icount", "shift=0,sleep=off", "-rtc", "base=2024-01-01,clock=vm"]);
        }
    }

    const fn usual_board(&self) -> &'static str {
        match (self.arch, self.accelerator) {
            (Arch::X86_64, _) => "q35",
            (Arch::Aarch64, Accelerator::Counted) => "virt,gic-version=3,dtb-randomness=off",
            (Arch::Aarch64, _) => "virt,gic-version=3",
        }
    }

    const fn usual_cpu(&self) -> &'static str {
        match (self.arch, self.accelerator) {
            (_, Accelerator::Kvm) => "host",
            (Arch::X86_64, Accelerator::Counted) => COUNTED,
            (Arch::X86_64, Accelerator::Tcg) => "max",
            (Arch::Aarch64, _) => "cortex-a57",
        }
    }

    fn add_monitor(&self, qemu: &mut Command, serial: Serial) {
        if let Some(socket) = &self.monitor {
            let address = format!("unix:{},server=on,wait=off", socket.display());
            qemu.args(["-monitor", &address]);
            if self.arch == Arch::Aarch64 {
                qemu.args(["-device", "virtio-keyboard-pci"]);
            }
        } else if serial == Serial::Pipe {
            qemu.args(["-monitor", "none"]);
        }
    }

    fn add_tpm(&self, qemu: &mut Command) {
        let Some(socket) = &self.tpm else { return };
        let socket = socket.display().to_string().replace(',', ",,");
        qemu.args(["-chardev", &format!("socket,id=tpm-control,path={socket}")]);
        qemu.args(["-tpmdev", "emulator,id=tpm,chardev=tpm-control", "-device"]);
        qemu.arg(match self.arch {
            Arch::X86_64 => "tpm-tis,tpmdev=tpm",
            Arch::Aarch64 => "tpm-tis-device,tpmdev=tpm",
        });
    }

    fn add_drive(&self, qemu: &mut Command, index: usize, path: &Path) {
        let path = escaped(path);
        let snapshot = if self.keeps_writes { "off" } else { "on" };
        let drive = format!("file={path},format=raw,if=none,id=disk{index},snapshot={snapshot}");
        qemu.args(["-drive", &drive]);
    }
}

/// The first disk, whose writes are kept: a flush goes into the log, and no further.
fn add_recorded(qemu: &mut Command, disk: &Path, log: &Path) {
    for (name, path) in [("disk0-bytes", disk), ("disk0-log", log)] {
        let path = escaped(path);
        let file = format!("driver=file,filename={path},node-name={name},cache.no-flush=on");
        qemu.args(["-blockdev", &file]);
    }
    let logged = "driver=blklogwrites,node-name=disk0,file=disk0-bytes,log=disk0-log";
    qemu.args(["-blockdev", logged]);
}

fn add_disk(qemu: &mut Command, index: usize, bus: Bus) {
    for device in devices(index, bus) {
        qemu.args(["-device", &device]);
    }
}

/// A disk, and before it the controller that it hangs on.
fn devices(index: usize, bus: Bus) -> Vec<String> {
    let drive = format!("drive=disk{index}");
    let hba = format!("hba{index}");
    match bus {
        Bus::Virtio => vec![format!("virtio-blk-pci,{drive}")],
        Bus::VirtioMmio => vec![format!("virtio-blk-device,{drive}")],
        Bus::Nvme => vec![format!("nvme,{drive},serial=turnout{index}")],
        Bus::Ahci => vec![format!("ich9-ahci,id={hba}"), format!("ide-hd,bus={hba}.0,{drive}")],
        Bus::Ide => vec![format!("ide-hd,bus=ide.0,{drive}")],
        // Linux attaches no disk without a name of its own to Fusion MPT's.
        Bus::Scsi(Scsi::Mptsas) => vec![
            format!("mptsas1068,id={hba}"),
            format!(
                "scsi-hd,bus={hba}.0,wwn={:#x},{drive}",
                0x5000_c500_0000_0000_u64 + index as u64
            ),
        ],
        Bus::Scsi(model) => {
            vec![format!("{},id={hba}", model.device()), format!("scsi-hd,bus={hba}.0,{drive}")]
        }
        Bus::SdCard => vec!["sdhci-pci".to_owned(), format!("sd-card,{drive}")],
        Bus::UsbStorage => {
            vec![format!("qemu-xhci,id={hba}"), format!("usb-storage,bus={hba}.0,{drive}")]
        }
        Bus::UsbUas => vec![
            format!("qemu-xhci,id={hba}"),
            format!("usb-uas,id=uas{index},bus={hba}.0"),
            format!("scsi-hd,bus=uas{index}.0,{drive}"),
        ],
        Bus::Ufs => vec![
            format!("ufs,id={hba},serial=turnout{index}"),
            format!("ufs-lu,bus={hba},lun=0,{drive}"),
        ],
    }
}

/// A path as QEMU takes it among other values.
fn escaped(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}

/// Firmware in a flash memory: `how` says what becomes of writes to it.
fn add_flash(qemu: &mut Command, unit: u8, file: &Path, how: &str) {
    let file = escaped(file);
    qemu.args(["-drive", &format!("if=pflash,format=raw,unit={unit},file={file},{how}")]);
}

/// Prints the command that starts a machine.
pub fn announce(qemu: &Command) {
    println!("{}", command::shown(qemu));
}
