//! Which devices that may carry a disk have no driver, and what is known of one: what
//! somebody needs whose disk does not show.
//!
//! Pure, and only for sentences: nothing is loaded because of it. What a device says of
//! itself is foreign text. Follows Linux, include/linux/mod_devicetable.h and the
//! `modalias` of each bus, and for classes the PCI Code and ID Assignment Specification.

use super::deferred::Deferred;
use super::device::Device;
use super::matching;
use super::table::Driver;
use crate::base::text::shown;

/// Most devices that are told of.
const MAX_TOLD: usize = 12;
/// Longest name of a device, in columns.
const MAX_NAME: usize = 80;
/// Most modules that are named for a device.
const MAX_MODULES: usize = 3;

/// What is known of drivers.
pub struct Known<'k> {
    /// Those of the image, and those that its builder knew of.
    pub table: &'k [Driver<'k>],
    /// What came of the one at a place of the table that is in the image, such as `is loaded, and has not taken it`.
    pub fate: &'k dyn Fn(usize) -> String,
}

impl core::fmt::Debug for Known<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("Known")
    }
}

/// Devices of one kind without a driver.
#[derive(PartialEq, Eq)]
struct Missed {
    what: String,
    at: String,
    /// How many there are of them beside the first.
    more: usize,
    why: String,
}

/// A sentence for each device that may carry a disk and has no driver, and for each that
/// waits for another one.
#[must_use]
#[inline(never)]
pub fn told(devices: &[Device], deferred: &[Deferred], known: &Known<'_>) -> Vec<String> {
    let mut missed = Vec::new();
    let unbound = devices.iter().filter(|device| device.driver.is_none());
    for device in unbound.filter(|device| !deferred.iter().any(|one| device.is(&one.device))) {
        add(device, known, &mut missed);
    }
    let mut told: Vec<String> = missed.iter().map(Missed::line).collect();
    for one in deferred {
        told.push(waiting(one, devices, known));
    }
    let left = told.len().saturating_sub(MAX_TOLD);
    if left > 0 {
        told.truncate(MAX_TOLD);
        told.push(format!("and {left} more devices without a driver"));
    }
    told
}

fn add(device: &Device, known: &Known<'_>, missed: &mut Vec<Missed>) {
    let Some(what) = carrier(device) else { return };
    let Some(why) = known.why(device).filter(|_| !is_empty_slot(device, known)) else { return };
    let is_same = |one: &&mut Missed| one.what == what && one.why == why;
    match missed.iter_mut().find(is_same) {
        Some(same) => same.more = same.more.saturating_add(1),
        None => missed.push(Missed { what, at: name(device), more: 0, why }),
    }
}

impl Missed {
    fn line(&self) -> String {
        let more = match self.more {
            0 => String::new(),
            more => format!(" and {more} more like it"),
        };
        ["this device has no driver here: ", &self.what, " at ", &self.at, &more, "; ", &self.why]
            .concat()
    }
}

fn waiting(deferred: &Deferred, devices: &[Device], known: &Known<'_>) -> String {
    let mut line = ["its driver waits: ", &deferred.told()].concat();
    let supplier = deferred.supplier().and_then(|name| devices.iter().find(|one| one.is(name)));
    let supplier = supplier.filter(|supplier| supplier.driver.is_none());
    if let Some(why) = supplier.and_then(|supplier| known.why(supplier)) {
        line.push_str("; of that ");
        line.push_str(&why);
    }
    line
}

impl Device {
    fn is(&self, name: &str) -> bool {
        self.name() == name
    }
}

impl Known<'_> {
    /// Why a device has no driver; none where nothing could have one.
    fn why(&self, device: &Device) -> Option<String> {
        if device.modalias.is_empty() {
            return None;
        }
        let all = self.table.iter().enumerate();
        let fits = all.filter(|(_, driver)| driver.is_for(device));
        let mut packed = Vec::new();
        let mut names: Vec<&str> = Vec::new();
        for (at, driver) in fits {
            match driver.path {
                Some(_) => packed.push(self.packed(at, driver)),
                None => names.push(&driver.name),
            }
        }
        if !packed.is_empty() {
            return Some(packed.join(", "));
        }
        names.truncate(MAX_MODULES);
        Some(match (names.is_empty(), self.knows_others()) {
            (false, _) => [
                "module ",
                &names.join(" or "),
                " of the build's kernel knows it and is not in the image",
            ]
            .concat(),
            (true, true) => "no module of the build's kernel knows it".to_owned(),
            (true, false) => "no module in the image knows it".to_owned(),
        })
    }

    fn packed(&self, at: usize, driver: &Driver<'_>) -> String {
        ["module ", &driver.name, " ", &(self.fate)(at)].concat()
    }

    /// Whether the table has more than what was packed.
    fn knows_others(&self) -> bool {
        self.table.iter().any(|driver| driver.path.is_none())
    }
}

impl Driver<'_> {
    /// Whether it is for a device.
    fn is_for(&self, device: &Device) -> bool {
        matching::is_for(self, &device.modalias)
    }
}

/// A place for a device of virtio that need not have one: most that a machine shows are
/// empty, and only a driver that is missing altogether is worth a word.
fn is_empty_slot(device: &Device, known: &Known<'_>) -> bool {
    let is_slot = has(&device.modalias, &SLOTS);
    let mut fits = known.table.iter().filter(|driver| driver.is_for(device));
    is_slot && fits.all(|driver| driver.path.is_some())
}

/// A device that may carry a disk and has no driver, for a sentence; none for any other.
#[must_use]
pub fn without_driver(device: &Device) -> Option<String> {
    let what = carrier(device).filter(|_| device.driver.is_none());
    Some([&what.filter(|_| !has(&device.modalias, &SLOTS))?, " at ", &name(device)].concat())
}

/// What a device is that may carry a disk, or a bus of disks; none for any other.
fn carrier(device: &Device) -> Option<String> {
    let (bus, id) = device.modalias.split_once(':')?;
    match (&*device.subsystem, bus) {
        ("platform" | "amba", "of") => of(id),
        ("platform", "acpi") => acpi(id),
        (subsystem, bus) if subsystem != bus => None,
        (_, "pci") => pci(id),
        (_, "usb") => usb(id),
        _ => kind(KINDS, &device.modalias).map(str::to_owned),
    }
}

/// What devices are whose `modalias` begins so, and names their bus: of virtio those of
/// Virtual I/O Device 1.2, 5; of vmbus the GUIDs of a storage VSP, as their bytes lie in
/// memory: SCSI, IDE, Fibre Channel; of SCSI the peripheral device types of SPC-4, 6.4.2.
const KINDS: &str = "\
virtio:d00000002 virtio disk
virtio:d00000008 virtio SCSI controller
vmbus:d96361baa104294db60572e2ffb1dc7f Hyper-V disk controller
vmbus:32264132cb86a2449b5c50d1417354f5 Hyper-V disk controller
vmbus:4acc9b2f6900f34ab76b6fd0be528cda Hyper-V disk controller
xen:vbd Xen disk
xen:vscsi Xen disk
scsi:t-0x00 disk
scsi:t-0x05 CD drive
scsi:t-0x07 disk
scsi:t-0x0e disk
scsi:t-0x14 disk
mmc: SD card or eMMC";

/// The same of PCI, by class and subclass.
const PCI_KINDS: &str = "\
01sc00 SCSI controller
01sc01 IDE controller
01sc04 RAID controller
01sc06 SATA controller
01sc07 SAS controller
01sc08 NVMe controller
01sc09 UFS controller
01 storage controller
08sc05 SD host controller
0Csc03 USB host controller";

/// The first line that begins as the text does.
fn kind(kinds: &'static str, text: &str) -> Option<&'static str> {
    kinds.lines().find_map(|line| {
        let (begin, kind) = line.split_once(' ')?;
        text.starts_with(begin).then_some(kind)
    })
}

/// `v00001000d00000097sv...sd...bc01sc07i00`.
fn pci(id: &str) -> Option<String> {
    let vendor = id.get(5..9)?;
    let device = id.get(14..18)?;
    let class = id.get(40..42)?;
    let subclass = id.get(44..46)?;
    let kind = kind(PCI_KINDS, id.get(40..)?)?;
    let numbers = ["pci ", vendor, ":", device, " class ", class, subclass].concat();
    Some(with_kind(&numbers, kind))
}

/// `v0781p5567d0100dc00dsc00dp00ic08isc06ip50in00` of an interface.
fn usb(id: &str) -> Option<String> {
    let is_storage = id.contains("ic08isc");
    let vendor = id.get(1..5).filter(|_| is_storage)?;
    let product = id.get(6..10)?;
    Some(with_kind(&["usb ", vendor, ":", product].concat(), "USB storage"))
}

/// What a `compatible` has that is a disk's controller or a bus of such, and what it has
/// that only serves one.
const OF_CARRIERS: [&str; 9] =
    ["mmc", "sdhc", "mshc", "ufs", "nvme", "sata", "hci", "pcie", "dwc3"];
/// A place for one, which may be empty.
const SLOTS: [&str; 2] = ["virtio,mmio", "LNRO0005"];
const OF_SERVANTS: [&str; 3] = ["phy", "pwrseq", "usb-connector"];

/// `NmmcT(null)Cbrcm,bcm2712-sdhciCvendor,other`.
fn of(id: &str) -> Option<String> {
    let (_, compatible) = id.split_once('C')?;
    let all = compatible.to_ascii_lowercase();
    let is_carrier = has(&all, &SLOTS) || (has(&all, &OF_CARRIERS) && !has(&all, &OF_SERVANTS));
    let first = compatible.split('C').next().filter(|_| is_carrier)?;
    Some(["compatible ", &shown(first, MAX_NAME)].concat())
}

fn has(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| text.contains(word))
}

/// `80860F14:PNP0D40:`; the second is what every SD host of this kind is compatible with.
fn acpi(id: &str) -> Option<String> {
    const CARRIERS: [&str; 5] = ["PNP0D40", "VMBUS", "VMBus", "LNRO0005", "AMDI004"];
    has(id, &CARRIERS).then(|| ["ACPI ", &shown(id.trim_end_matches(':'), MAX_NAME)].concat())
}

/// Numbers as they are written elsewhere, and what they stand for.
fn with_kind(numbers: &str, kind: &str) -> String {
    [&numbers.to_ascii_lowercase(), " (", kind, ")"].concat()
}

fn name(device: &Device) -> String {
    shown(device.name(), MAX_NAME)
}

#[cfg(test)]
mod tests {
    use super::super::{deferred, table};
    use super::*;

    fn device(subsystem: &str, name: &str, modalias: &str) -> Device {
        Device {
            path: ["/devices/", name].concat(),
            subsystem: subsystem.to_owned(),
            modalias: modalias.to_owned(),
            driver: None,
        }
    }

    fn pci(name: &str, vendor: &str, product: &str, class: &str) -> Device {
        let (class, subclass) = class.split_at(2);
        let id =
            format!("pci:v0000{vendor}d0000{product}sv00001028sd00001F50bc{class}sc{subclass}i00");
        device("pci", name, &id)
    }

    fn what(subsystem: &str, modalias: &str) -> Option<String> {
        carrier(&device(subsystem, "x", modalias))
    }

    #[test]
    fn a_device_that_may_carry_a_disk_is_known_on_each_bus() {
        for (subsystem, modalias, expected) in [
            (
                "pci",
                "pci:v00001000d00000097sv00001000sd00003090bc01sc07i00",
                "pci 1000:0097 class 0107 (SAS controller)",
            ),
            (
                "pci",
                "pci:v00001B36d0000000Dsv00001AF4sd00001100bc0Csc03i30",
                "pci 1b36:000d class 0c03 (USB host controller)",
            ),
            (
                "usb",
                "usb:v0781p5567d0100dc00dsc00dp00ic08isc06ip50in00",
                "usb 0781:5567 (USB storage)",
            ),
            ("virtio", "virtio:d00000002v00001AF4", "virtio disk"),
            ("vmbus", "vmbus:d96361baa104294db60572e2ffb1dc7f", "Hyper-V disk controller"),
            ("xen", "xen:vbd", "Xen disk"),
            ("scsi", "scsi:t-0x00", "disk"),
            ("mmc", "mmc:block", "SD card or eMMC"),
            ("platform", "of:NmmcT(null)Cbrcm,bcm2712-sdhci", "compatible brcm,bcm2712-sdhci"),
            ("platform", "of:NusbT(null)Csnps,dwc3Cx", "compatible snps,dwc3"),
            ("platform", "acpi:80860F14:PNP0D40:", "ACPI 80860F14:PNP0D40"),
        ] {
            assert_eq!(what(subsystem, modalias).as_deref(), Some(expected), "{modalias}");
        }
    }

    #[test]
    fn no_other_device_is_told_of() {
        for (subsystem, modalias) in [
            ("pci", "pci:v00008086d0000100Esv00001AF4sd00001100bc02sc00i00"),
            ("pci", "pci:v00008086"),
            (
                "pci",
                "pci:\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}\u{e4}",
            ),
            ("usb", "usb:v0781p5567d0100dc00dsc00dp00ic03isc01ip01in00"),
            ("usb", "usb:ic08isc"),
            ("virtio", "virtio:d00000001v00001AF4"),
            ("scsi", "scsi:t-0x0d"),
            ("platform", "of:NusbT(null)Cusb-nop-xceivCphy"),
            ("platform", "of:Nemmc-pwrseqT(null)Cmmc-pwrseq-emmc"),
            ("platform", "acpi:PNP0C0C:"),
            ("acpi", "acpi:PNP0D40:"),
            ("mem", ""),
        ] {
            assert_eq!(what(subsystem, modalias), None, "{modalias}");
        }
    }

    const TABLE: &str = "turnout-drivers 1\n\
        driver kernel/drivers/scsi/megaraid/megaraid_sas.ko\nclass storage\nalias pci:v00001000d00000014sv*sd*bc*sc*i*\n\
        known mpt3sas\nclass storage\nalias pci:v00001000d00000097sv*sd*bc*sc*i*\n\
        known clk_rp1\nclass platform\nalias of:N*T*Craspberrypi,rp1-clocks\n";

    fn said(table: &str, devices: &[Device], deferred: &str) -> Vec<String> {
        let table = table::parse(table).unwrap();
        let fate = |_| "is loaded, and has not taken it".to_owned();
        told(devices, &deferred::parse(deferred), &Known { table: &table, fate: &fate })
    }

    #[test]
    fn the_module_that_would_drive_it_is_named() {
        let devices = [
            pci("0000:03:00.0", "1000", "0097", "0107"),
            pci("0000:04:00.0", "1000", "0014", "0104"),
            pci("0000:05:00.0", "1234", "5678", "0106"),
            pci("0000:06:00.0", "1234", "5678", "0106"),
            Device { driver: Some("nvme".to_owned()), ..pci("0000:07:00.0", "1234", "1", "0108") },
        ];
        let expected = [
            "this device has no driver here: pci 1000:0097 class 0107 (SAS controller) at \
             0000:03:00.0; module mpt3sas of the build's kernel knows it and is not in the image",
            "this device has no driver here: pci 1000:0014 class 0104 (RAID controller) at \
             0000:04:00.0; module megaraid_sas is loaded, and has not taken it",
            "this device has no driver here: pci 1234:5678 class 0106 (SATA controller) at \
             0000:05:00.0 and 1 more like it; no module of the build's kernel knows it",
        ];
        assert_eq!(said(TABLE, &devices, ""), expected);
        let bare = said("turnout-drivers 1\n", &devices[..1], "");
        assert!(bare[0].ends_with("; no module in the image knows it"), "{bare:?}");
    }

    #[test]
    fn a_device_that_waits_is_told_with_what_is_missing_of_its_supplier() {
        let devices = [
            device("platform", "soc/fe340000.mmc", "of:NmmcT(null)Cbrcm,bcm2712-sdhci"),
            device("platform", "soc/1f00018000.clocks", "of:NclocksT(null)Craspberrypi,rp1-clocks"),
        ];
        let text = "fe340000.mmc\tplatform: wait for supplier 1f00018000.clocks\nspi0\t\n";
        let expected = [
            "its driver waits: fe340000.mmc (platform: wait for supplier 1f00018000.clocks); of \
             that module clk_rp1 of the build's kernel knows it and is not in the image",
            "its driver waits: spi0",
        ];
        assert_eq!(said(TABLE, &devices, text), expected);
    }

    #[test]
    fn empty_places_of_virtio_are_said_only_where_their_driver_is_missing() {
        let slot = device("platform", "a000000.virtio_mmio", "of:Nvirtio_mmioT(null)Cvirtio,mmio");
        let slots = [slot.clone(), slot];
        assert_eq!(said(TABLE, &slots, ""), [""; 0]);
        let known = [TABLE, "known virtio_mmio\nalias of:N*T*Cvirtio,mmio\n"].concat();
        assert_eq!(said(&known, &slots, "").len(), 1);
    }

    #[test]
    fn what_has_a_driver_or_may_be_empty_is_not_told_of() {
        let sas = pci("0000:03:00.0", "1000", "0097", "0107");
        let said = "pci 1000:0097 class 0107 (SAS controller) at 0000:03:00.0";
        assert_eq!(without_driver(&sas).as_deref(), Some(said));
        assert_eq!(without_driver(&Device { driver: Some("mpt3sas".to_owned()), ..sas }), None);
        let slot = device("platform", "a000000.virtio_mmio", "of:Nvirtio_mmioT(null)Cvirtio,mmio");
        assert_eq!(without_driver(&slot), None);
    }

    #[test]
    fn however_many_there_are_few_are_told() {
        let devices: Vec<Device> =
            (0..100).map(|at| pci("0000:03:00.0", "1000", &format!("{at:04}"), "0107")).collect();
        let told = said(TABLE, &devices, &"a\t\u{1b}[2J\n".repeat(100));
        assert_eq!(told.len(), MAX_TOLD + 1);
        assert!(told.last().unwrap().ends_with("more devices without a driver"));
        assert!(told.iter().all(|line| !line.contains('\u{1b}')));
    }
}
