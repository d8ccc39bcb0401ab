//! What an image for nearly every machine leaves out, by rules and by name, each with
//! its reason: with these in it, it would be twice as large.

use std::collections::BTreeSet;

use anyhow::Result;
use turnout::drivers::class::Class;

use crate::image::facts::Facts;
use crate::image::modules::Tree;
use crate::image::suffix::canonical;

use super::rules::is_for;

/// A reason, and the beginnings of symbols by which it is told.
type Symbols = (&'static str, &'static [&'static str]);

const BY_SYMBOL: [Symbols; 2] = [
    ("disks of a storage network", &["fc_", "fcoe_", "iscsi_", "cxgbi_"]),
    ("SAS adapters without RAID", &["sas_domain_attach_transport"]),
];

const OLD_REASON: &str = "older and rarer controllers and card readers";

/// Controllers of machines that were new before 2008, card readers of cameras, and
/// boards with a microcontroller of their own.
const OLD: &[&str] = &[
    "rtsx_pci_sdmmc",
    "arcmsr",
    "BusLogic",
    "ie6xx_wdt",
    "tpm_tis_i2c_cr50",
    "sata_mv",
    "3w_9xxx",
    "3w_sas",
    "3w_xxxx",
    "a100u2w",
    "acard_ahci",
    "advansys",
    "aic79xx",
    "aic7xxx",
    "alim1535_wdt",
    "alim7101_wdt",
    "alcor",
    "atp870u",
    "cb710_mmc",
    "dc395x",
    "dmx3191d",
    "esas2r",
    "hptiop",
    "initio",
    "ipr",
    "ips",
    "megaraid",
    "megaraid_mbox",
    "menf21bmc_wdt",
    "mtip32xx",
    "mvumi",
    "myrb",
    "myrs",
    "ni903x_wdt",
    "nic7018_wdt",
    "pcwd_pci",
    "pdc_adma",
    "pmcraid",
    "qla1280",
    "rtsx_usb_sdmmc",
    "sata_promise",
    "sata_qstor",
    "sata_sis",
    "sata_svw",
    "sata_sx4",
    "sata_uli",
    "sata_vsc",
    "simatic_ipc_wdt",
    "sl811_hcd",
    "snic",
    "stex",
    "toshsd",
    "tpm_i2c_infineon",
    "tpm_infineon",
    "tpm_st33zp24_i2c",
    "ushc",
    "via_sdmmc",
    "vub300",
    "wbsd",
    "wd719x",
    "wdt_pci",
];

/// PATA is old as a whole, but for what machines with SATA have as well.
const PATA: &[&str] =
    &["pata_amd", "pata_atiixp", "pata_jmicron", "pata_via", "pata_acpi", "pata_platform"];

/// Makers of chips in telephones and Chromebooks: many drivers for few machines with a
/// boot menu.
const MAKERS: [&str; 7] = ["qcom", "mediatek", "samsung", "nvidia", "hisilicon", "apm", "cavium"];

/// Parts of a chip that no disk needs, by words in file names.
const NO_DISK: [&str; 12] = [
    "camcc", "dispcc", "gpucc", "videocc", "lpass", "audio", "mipi", "dphy", "hdmi", "edp", "venc",
    "vdec",
];

/// Why an image for nearly every machine does without the module, if it does.
pub(super) fn reason(module: &Facts) -> Option<&'static str> {
    if let Some((reason, _)) = BY_SYMBOL.iter().find(|(_, symbols)| imports(module, symbols)) {
        return Some(*reason);
    }
    let name = module.name.as_str();
    let is_pata = name.starts_with("pata_") && !PATA.contains(&name);
    if is_pata || OLD.contains(&name) || is_for_old_readers(module) {
        return Some(OLD_REASON);
    }
    is_for_left_out_makers(module).then_some("chips of telephones and Chromebooks")
}

/// USB ports of few boards: an image for one of them (`--dtb`) has what drives them.
const FEW_BOARDS: [&str; 5] =
    ["/drivers/extcon/", "/usb/cdns3/", "/usb/common/", "/usb/misc/", "/usb/musb/"];

/// Whether it drives a part of a chip that no disk needs, or that few boards have.
pub(super) fn is_idle_part(module: &Facts) -> bool {
    let is_part = matches!(module.class, Class::Platform);
    let file = module.path.rsplit('/').next().unwrap_or_default();
    is_part && NO_DISK.iter().any(|word| file.contains(word))
        || FEW_BOARDS.iter().any(|folder| module.path.contains(folder))
}

/// Whether the module is of one of the classes, or needs one that is.
pub(super) fn needs(tree: &Tree, name: &str, classes: &[Class]) -> Result<bool> {
    let mut open = vec![name.to_owned()];
    let mut seen = BTreeSet::new();
    while let Some(name) = open.pop() {
        if !tree.has_module(&name) || !seen.insert(name.clone()) {
            continue;
        }
        let module = tree.facts(&name)?;
        if classes.contains(&module.class) {
            return Ok(true);
        }
        open.extend(module.depends.iter().map(|name| canonical(name)));
    }
    Ok(false)
}

fn imports(module: &Facts, prefixes: &[&str]) -> bool {
    let mut symbols = module.imports.iter();
    symbols.any(|symbol| prefixes.iter().any(|prefix| symbol.starts_with(prefix)))
}

/// PC cards, and the readers of memory cards that USB storage has helpers for.
fn is_for_old_readers(module: &Facts) -> bool {
    module.name.starts_with("ums_") || is_for(module, &["pcmcia:"])
}

/// Whether all the boards that it is for have chips of these makers.
fn is_for_left_out_makers(module: &Facts) -> bool {
    let mut boards = module.aliases.iter().filter_map(|alias| alias.strip_prefix("of:"));
    let others = ["pci:", "acpi", "usb:", "virtio:"];
    is_for(module, &["of:"]) && !is_for(module, &others) && boards.all(is_of_left_out_maker)
}

/// Of an alias behind `of:`: `N*T*C<maker>,<chip>`.
fn is_of_left_out_maker(board: &str) -> bool {
    let maker = board.rsplit_once("*C").map_or(board, |(_, compatible)| compatible);
    MAKERS.contains(&maker.split(',').next().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::super::rules::tests::module;
    use super::*;

    #[test]
    fn reasons_are_told_by_symbols_names_and_makers() {
        let pci = ["pci:v00001077d00002100sv*sd*bc*sc*i*"];
        let qcom = ["of:N*T*Cqcom,sdhci-msm-v4", "of:N*T*Cqcom,sdhci-msm-v4C*"];
        let both = ["of:N*T*Cqcom,x", "of:N*T*Crockchip,x"];
        let (network, old) = (Some("disks of a storage network"), Some(OLD_REASON));
        for (path, imports, aliases, expected) in [
            ("qla2xxx", &["fc_attach_transport"][..], &pci[..], network),
            ("pata_sil680", &[], &pci, old),
            ("pata_jmicron", &[], &pci, None),
            ("aic7xxx", &[], &pci, old),
            ("ahci", &["ata_host_activate"], &pci, None),
            ("sdhci-msm", &[], &qcom, Some("chips of telephones and Chromebooks")),
            ("sdhci-x", &[], &both, None),
        ] {
            let path = format!("kernel/drivers/x/{path}.ko");
            assert_eq!(reason(&module(&path, imports, aliases)), expected, "{path}");
        }
    }

    #[test]
    fn a_part_of_a_chip_is_left_out_and_a_disk_of_like_name_is_not() {
        let mut clock = module("kernel/drivers/clk/qcom/dispcc-sm8250.ko", &[], &[]);
        clock.class = Class::Platform;
        assert!(is_idle_part(&clock));
        assert!(is_idle_part(&module("kernel/drivers/usb/musb/sunxi.ko", &[], &[])));
        let mut disk = module("kernel/drivers/scsi/hdmi_scsi.ko", &[], &[]);
        disk.class = Class::Storage;
        assert!(!is_idle_part(&disk));
    }
}
