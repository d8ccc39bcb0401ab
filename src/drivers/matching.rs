//! Which drivers are for a device, by the alias that the device goes by.
//!
//! A linear look over all patterns, of which nearly all differ within the first bytes.
//! What a device says of itself is a text to be compared, and nothing else.

use super::table::Driver;
use crate::base::glob;

/// Longest alias that is compared; the kernel's own are shorter than half of it.
pub const MAX_ALIAS: usize = 4096;

/// Places in the table of the drivers for `alias`.
pub fn drivers_for<'a>(
    drivers: &'a [Driver<'_>],
    alias: &'a str,
) -> impl Iterator<Item = usize> + 'a {
    let named = drivers.iter().enumerate().filter(|_| alias.len() <= MAX_ALIAS);
    let meant = named.filter(move |(_, driver)| is_for(driver, alias));
    meant.map(|(place, _)| place)
}

/// Whether one of a driver's patterns fits.
#[must_use]
pub fn is_for(driver: &Driver<'_>, alias: &str) -> bool {
    driver.aliases.iter().any(|pattern| fits(pattern, alias))
}

/// Whether a pattern fits: on the device, and where an image is built for it.
#[must_use]
pub fn fits(pattern: &str, alias: &str) -> bool {
    may_fit(pattern, alias) && glob::matches(pattern, alias)
}

/// Whether they do not differ before the first character with a meaning of its own.
fn may_fit(pattern: &str, alias: &str) -> bool {
    let mut alias = alias.bytes();
    for byte in pattern.bytes() {
        if matches!(byte, b'*' | b'?' | b'[' | b'\\') {
            return true;
        }
        if alias.next() != Some(byte) {
            return false;
        }
    }
    alias.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drivers::table::parse;

    const TABLE: &str = "turnout-drivers 1\n\
        driver ahci.ko\nalias pci:v*d*sv*sd*bc01sc06i01*\nalias pci:v00008086d00002922sv*sd*bc*sc*i*\n\
        driver mmc_block.ko\nalias mmc:block\n\
        driver dwc.ko\nalias of:N*T*Crockchip,rk3399-dwc3\nalias of:N*T*Crockchip,rk3399-dwc3C*\n\
        driver storage.ko\nalias usb:v*p*d[0-5]*dc*dsc*dp*ic08isc06ip50in*\n\
        known bfa\nalias pci:v00001657d00000013sv*sd*bc*sc*i*\n";

    fn names(alias: &str) -> Vec<String> {
        let drivers = parse(TABLE).unwrap();
        drivers_for(&drivers, alias).map(|place| drivers[place].name.clone()).collect()
    }

    #[test]
    fn a_device_finds_the_drivers_whose_patterns_fit() {
        for (alias, expected) in [
            ("pci:v00008086d00002922sv00001AF4sd00001100bc01sc06i01", "ahci"),
            ("pci:v0000144Dd0000A808sv00000000sd00000000bc01sc08i02", ""),
            ("pci:v00001657d00000013sv00000000sd00000000bc0Csc04i00", "bfa"),
            ("mmc:block", "mmc_block"),
            ("mmc:blocks", ""),
            ("mmc:bloc", ""),
            ("of:Nusb0T(null)Crockchip,rk3399-dwc3", "dwc"),
            ("of:Nusb0T(null)Crockchip,rk3399-dwc3Csnps,dwc3", "dwc"),
            ("usb:v1234p0001d0500dc00dsc00dp00ic08isc06ip50in00", "storage"),
            ("usb:v1234p0001d9500dc00dsc00dp00ic08isc06ip50in00", ""),
            ("", ""),
        ] {
            assert_eq!(names(alias).join(" "), expected, "{alias}");
        }
    }

    #[test]
    fn whatever_a_device_says_chooses_among_what_was_packed_and_ends_soon() {
        let stars = "*".repeat(MAX_ALIAS);
        let wide = format!("pci:{}", "v".repeat(MAX_ALIAS - 4));
        for alias in [&*stars, &*wide, "[", "\\", "pci:\u{1}\u{7f}\u{fffd}", "pci:v*", "*"] {
            assert!(names(alias).is_empty(), "{alias}");
        }
        let long = format!("pci:v1d1sv{}bc01sc06i01", "0".repeat(MAX_ALIAS));
        assert!(names(&long).is_empty(), "longer than any that the kernel makes");
    }
}
