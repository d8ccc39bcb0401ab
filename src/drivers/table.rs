//! The table of drivers that mkinitramfs writes into an image (docs/image.md): what
//! each module is called, what it needs, and which devices it is for. Written and
//! read here, so that both ends are one text.
//!
//! Lines of a word and a value; a driver begins with `driver PATH`, or with
//! `known NAME` if it was not packed and is only to be named where it is missed.
//! A later version of the format has another first line, and is refused.

use core::fmt;

use super::class::Class;

/// Where the table lies in an image.
pub const PATH: &str = "/etc/turnout/drivers";

/// Largest table, in bytes: one of nearly all drivers has a few hundred KiB.
pub const MAX: u64 = 4 << 20;

const HEADING: &str = "turnout-drivers 1";

/// A driver that was packed, or is known of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Driver<'t> {
    /// Name of its module, with `_`.
    pub name: String,
    /// Its file below `/lib/modules/RELEASE`; none where it was not packed. One that
    /// ends in `.zst` is compressed by itself.
    pub path: Option<&'t str>,
    /// What it is for.
    pub class: Class,
    /// Names of the modules that have to be loaded before, in this order.
    pub needs: Vec<&'t str>,
    /// Names of those that should be, if they are there.
    pub likes: Vec<&'t str>,
    /// Whether it is loaded at the start, whatever devices there are.
    pub always: bool,
    /// Whether its devices go on after a jump: it has no `.shutdown`.
    pub no_shutdown: bool,
    /// Patterns of the devices that it is for, and other names of it.
    pub aliases: Vec<&'t str>,
}

/// Why a table cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// Its line, counted from 1.
    pub line: usize,
    /// What is there.
    pub found: String,
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PATH}:{}: {:?} is not understood; build the image anew", self.line, self.found)
    }
}

impl core::error::Error for Error {}

/// Reads a table.
///
/// # Errors
/// The first line that is not of this format.
pub fn parse(text: &str) -> Result<Vec<Driver<'_>>, Error> {
    let mut drivers = Vec::new();
    for (line, found) in (1..).zip(text.lines()) {
        let understood = match line {
            1 => (found == HEADING).then_some(()),
            _ => read_line(found, &mut drivers),
        };
        understood.ok_or_else(|| Error { line, found: found.to_owned() })?;
    }
    Ok(drivers)
}

fn read_line<'t>(line: &'t str, drivers: &mut Vec<Driver<'t>>) -> Option<()> {
    let (word, value) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "driver" => drivers.push(begun(module_of(value), Some(value))),
        "known" => drivers.push(begun(value.to_owned(), None)),
        _ => drivers.last_mut()?.learn(word, value)?,
    }
    Some(())
}

const fn begun(name: String, path: Option<&str>) -> Driver<'_> {
    Driver {
        name,
        path,
        class: Class::Other,
        needs: Vec::new(),
        likes: Vec::new(),
        always: false,
        no_shutdown: false,
        aliases: Vec::new(),
    }
}

impl<'t> Driver<'t> {
    fn learn(&mut self, word: &str, value: &'t str) -> Option<()> {
        match word {
            "class" => self.class = Class::named(value)?,
            "needs" => self.needs.extend(value.split(' ')),
            "likes" => self.likes.extend(value.split(' ')),
            "always" => self.always = true,
            "no-shutdown" => self.no_shutdown = true,
            "alias" => self.aliases.push(value),
            _ => return None,
        }
        Some(())
    }
}

/// The name of the module in a file: `dm_mod` of `kernel/drivers/md/dm-mod.ko.zst`.
#[must_use]
pub fn module_of(path: &str) -> String {
    let file = path.rsplit('/').next().unwrap_or_default();
    file.split('.').next().unwrap_or_default().replace('-', "_")
}

/// Writes a table.
#[must_use]
pub fn write(drivers: &[Driver<'_>]) -> String {
    let mut text = format!("{HEADING}\n");
    for driver in drivers {
        match driver.path {
            Some(path) => add(&mut text, "driver", path),
            None => add(&mut text, "known", &driver.name),
        }
        add(&mut text, "class", driver.class.name());
        if !driver.needs.is_empty() {
            add(&mut text, "needs", &driver.needs.join(" "));
        }
        if !driver.likes.is_empty() {
            add(&mut text, "likes", &driver.likes.join(" "));
        }
        for (word, is_so) in [("always", driver.always), ("no-shutdown", driver.no_shutdown)] {
            if is_so {
                text.push_str(word);
                text.push('\n');
            }
        }
        driver.aliases.iter().for_each(|alias| add(&mut text, "alias", alias));
    }
    text
}

fn add(text: &mut String, word: &str, value: &str) {
    text.push_str(word);
    text.push(' ');
    text.push_str(value);
    text.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "turnout-drivers 1\n\
        driver kernel/drivers/scsi/sd_mod.ko\nclass storage\nneeds scsi_mod\n\
        alias scsi:t-0x00*\nalias scsi:t-0x07*\n\
        driver kernel/fs/fat/vfat.ko.zst\nclass filesystem\nneeds fat\n\
        likes nls_cp437 nls_ascii\nalias fs-vfat\n\
        driver kernel/drivers/watchdog/softdog.ko\nclass watchdog\nalways\n\
        driver kernel/drivers/ata/sata_sil24.ko\nclass storage\nneeds libata\nno-shutdown\n\
        known bfa\nclass storage\nalias pci:v00001657d00000013sv*sd*bc*sc*i*\n";

    #[test]
    fn what_is_written_is_what_was_read() {
        assert_eq!(write(&parse(TABLE).unwrap()), TABLE);
    }

    #[test]
    fn a_driver_has_what_follows_its_first_line() {
        let drivers = parse(TABLE).unwrap();
        assert_eq!(drivers[1].name, "vfat");
        assert_eq!(drivers[1].likes, ["nls_cp437", "nls_ascii"]);
        assert_eq!(drivers[0].aliases.len(), 2);
        assert!(drivers[2].always && drivers[3].no_shutdown);
        assert_eq!(drivers[4].path, None);
    }

    #[test]
    fn what_is_not_understood_is_named_with_its_line() {
        for (text, line, found) in [
            ("turnout-drivers 2\n", 1, "turnout-drivers 2"),
            ("turnout-drivers 1\nalias x\n", 2, "alias x"),
            ("turnout-drivers 1\nknown x\nclass disk\n", 3, "class disk"),
            ("turnout-drivers 1\nknown x\nodd\n", 3, "odd"),
        ] {
            assert_eq!(parse(text).unwrap_err(), Error { line, found: found.to_owned() });
        }
    }
}
