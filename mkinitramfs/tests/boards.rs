//! `--dtb` with device trees and modules of Debian 13's arm64 kernel, which the set-up
//! brings; without them the test says so and passes, unless TURNOUT_TOOLS says that they
//! should be there.

#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use mkinitramfs::image::modules::Tree;
use mkinitramfs::image::select::{self, Picks};

/// Device tree, and modules without which the board has no disk or no USB.
type Board = (&'static str, &'static [&'static str]);

const BOARDS: [Board; 6] = [
    (
        "broadcom/bcm2711-rpi-4-b",
        &["sdhci_iproc", "reset_raspberrypi", "gpio_regulator", "fixed", "dwc2", "xhci_pci"],
    ),
    (
        "rockchip/rk3399-rockpro64",
        &[
            "sdhci_of_arasan",
            "phy_rockchip_emmc",
            "dw_mmc_rockchip",
            "rk808_regulator",
            "fan53555",
            "pwm_regulator",
            "dwc3",
            "phy_rockchip_inno_usb2",
            "phy_rockchip_typec",
            "phy_rockchip_pcie",
            "dw_wdt",
        ],
    ),
    (
        "freescale/imx8mm-evk",
        &["sdhci_esdhc_imx", "imx_sdma", "i2c_imx", "rohm_bd718x7", "imx2_wdt", "ci_hdrc_imx"],
    ),
    (
        "allwinner/sun50i-a64-pine64-plus",
        &["sunxi_mmc", "axp20x_rsb", "axp20x_regulator", "sun6i_dma", "phy_sun4i_usb", "sunxi_wdt"],
    ),
    (
        "amlogic/meson-g12b-odroid-n2",
        &["meson_gx_mmc", "pwm_regulator", "pwm_meson", "dwc3_meson_g12a", "onboard_usb_dev"],
    ),
    (
        "marvell/armada-3720-espressobin",
        &["sdhci_xenon_driver", "ahci_mvebu", "phy_mvebu_a3700_comphy"],
    ),
];

/// What USB hangs on where another driver makes the device, or PCIe has it.
const HOSTS: [&str; 2] = ["xhci_pci", "xhci_plat_hcd"];

/// Where the kernel's package is unpacked, if it is.
fn package() -> Option<PathBuf> {
    let cache = std::env::var_os("TURNOUT_CACHE").map(PathBuf::from);
    let home = std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache/turnout"));
    let lib = cache.or(home).unwrap_or_default().join("aarch64/generic-13/usr/lib");
    let is_there = lib.join("modules").is_dir();
    assert!(
        is_there || std::env::var_os("TURNOUT_TOOLS").is_none(),
        "the set-up has brought no kernel to {}",
        lib.display()
    );
    if !is_there {
        eprintln!("there is no kernel of Debian 13 for arm64 in {}", lib.display());
    }
    is_there.then_some(lib)
}

fn dtbs(package: &Path) -> PathBuf {
    let mut folders = fs::read_dir(package).unwrap().filter_map(Result::ok);
    let found = folders.find(|one| one.file_name().to_string_lossy().starts_with("linux-image-"));
    found.unwrap().path()
}

fn picked(tree: &Tree, dtbs: &Path, name: &str) -> Picks {
    let bytes = fs::read(dtbs.join(format!("{name}.dtb"))).unwrap();
    select::board(tree, name, &bytes).unwrap()
}

#[test]
fn boards_get_what_their_disks_and_usb_hang_on() {
    let Some(package) = package() else { return };
    let tree = Tree::open(&package.join("modules"), None).unwrap();
    let dtbs = dtbs(&package);
    for (name, expected) in BOARDS {
        let picks = picked(&tree, &dtbs, name);
        let packed: BTreeSet<_> = picks.wanted.iter().map(|one| one.word.as_str()).collect();
        let missing: Vec<_> =
            expected.iter().chain(&HOSTS).filter(|one| !packed.contains(**one)).collect();
        assert!(missing.is_empty(), "{name} lacks {missing:?} of {packed:?}");
    }
    let notes = picked(&tree, &dtbs, "broadcom/bcm2712-rpi-5-b").notes;
    let names = |note: &&String| note.contains("Cbrcm,bcm2712-sdhci");
    let said = notes.iter().find(names).unwrap_or_else(|| panic!("{notes:?}"));
    assert!(said.contains("no driver of this kernel says that it is for this"), "{said}");
}
