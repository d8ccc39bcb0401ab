//! Devices whose drivers wait for another device: what `devices_deferred` of debugfs
//! says of them. On boards it is the way in which a driver is missed: the clock or the
//! regulator of a disk has none.
//!
//! A line is a device's name, a tab, and what its driver or the kernel says of it, if
//! anything: Linux, drivers/base/dd.c (`deferred_devs_show`).

use crate::base::text::shown;

/// Longest excerpt of a name or a reason, in columns.
const MAX_SHOWN: usize = 96;
/// Most devices that are told of.
pub const MAX_DEVICES: usize = 64;

/// A device whose probe was put off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deferred {
    /// Its name on its bus.
    pub device: String,
    /// What it waits for, as the kernel says it; from outside, and often empty.
    pub reason: String,
}

impl Deferred {
    /// Device and reason, for a sentence.
    #[must_use]
    pub fn told(&self) -> String {
        let device = shown(&self.device, MAX_SHOWN);
        match self.reason.as_str() {
            "" => device,
            reason => [&device, " (", &shown(reason, MAX_SHOWN), ")"].concat(),
        }
    }

    /// The device that it waits for, where the reason ends with its name.
    #[must_use]
    pub fn supplier(&self) -> Option<&str> {
        // Not by a search from the end, which nothing else has need of.
        let supplier = self.reason.split("supplier ").skip(1).last()?;
        supplier.split(' ').next().filter(|name| !name.is_empty())
    }
}

/// Reads the file.
#[must_use]
pub fn parse(text: &str) -> Vec<Deferred> {
    text.lines().filter_map(deferred).take(MAX_DEVICES).collect()
}

fn deferred(line: &str) -> Option<Deferred> {
    let (device, reason) = line.split_once('\t').unwrap_or((line, ""));
    let device = device.trim();
    let reason = reason.trim().to_owned();
    (!device.is_empty()).then(|| Deferred { device: device.to_owned(), reason })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_told_with_the_supplier_that_it_waits_for() {
        let text = "fe340000.mmc\tplatform: wait for supplier fe200000.gpio\n\
                    3f300000.mmc\t\n\nspi0\tspi: supplier /soc/clk@1 not ready\n";
        let found = parse(text);
        let told: Vec<_> = found.iter().map(|one| (&*one.device, one.supplier())).collect();
        let expected = [
            ("fe340000.mmc", Some("fe200000.gpio")),
            ("3f300000.mmc", None),
            ("spi0", Some("/soc/clk@1")),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn no_text_gives_more_than_is_told() {
        assert_eq!(parse(&"a\tb\n".repeat(1000)).len(), MAX_DEVICES);
        assert_eq!(parse("\t\n\t\tsupplier \n"), []);
        assert_eq!(parse("x\tsupplier \n")[0].supplier(), None);
    }
}
