//! What somebody puts together by hand, word by word, until it can be booted. It must
//! never mix files of two devices, and never pass for an entry of a menu.

use crate::menu::{Entry, Format, MAX_INITRDS};

/// What it is called where an entry has an id.
pub const ID: &str = "by-hand";

/// A kernel, its initrds and its command line, all of one device.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Draft {
    /// What the device is called.
    device: Option<String>,
    linux: Option<String>,
    initrds: Vec<String>,
    options: String,
}

impl Draft {
    /// Takes files from this device from now on. Those of another one are forgotten:
    /// true if there were any.
    pub fn set_device(&mut self, name: &str) -> bool {
        if self.device.as_deref() == Some(name) {
            return false;
        }
        let had_files = self.linux.is_some() || !self.initrds.is_empty();
        self.device = Some(name.to_owned());
        self.linux = None;
        self.initrds.clear();
        had_files
    }

    /// The device is gone, and its files with it.
    pub fn lose_device(&mut self) {
        *self = Self { options: core::mem::take(&mut self.options), ..Self::default() };
    }

    /// The device.
    #[must_use]
    pub fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }

    /// Takes this kernel.
    pub fn set_linux(&mut self, path: &str) {
        self.linux = Some(absolute(path));
    }

    /// Takes one more initrd, or none any more where there is no path.
    ///
    /// # Errors
    /// There are too many.
    pub fn add_initrd(&mut self, path: &str) -> Result<(), String> {
        if path.is_empty() {
            self.initrds.clear();
        } else if self.initrds.len() >= MAX_INITRDS {
            return Err(format!(
                "{MAX_INITRDS} initrds are the most: \"initrd\" alone forgets all"
            ));
        } else {
            self.initrds.push(absolute(path));
        }
        Ok(())
    }

    /// Takes this command line.
    pub fn set_options(&mut self, text: &str) {
        text.clone_into(&mut self.options);
    }

    /// As an entry.
    ///
    /// # Errors
    /// What is missing, and which words say it.
    pub fn entry(&self) -> Result<Entry, String> {
        let Some(linux) = self.linux.clone() else { return Err(self.missing()) };
        Ok(Entry {
            id: ID.to_owned(),
            format: Format::BY_HAND,
            file: "the prompt".to_owned(),
            linux: Some(linux),
            initrds: self.initrds.clone(),
            options: self.options.clone(),
            ..Entry::default()
        })
    }

    fn missing(&self) -> String {
        let device = match self.device {
            None => "no device (\"from DEVICE\") and ",
            Some(_) => "",
        };
        ["it is not complete: there is ", device, "no kernel (\"linux FILE\")"].concat()
    }

    /// What there is so far, one line each. From outside: to be made printable.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines = vec![["from    ", self.device.as_deref().unwrap_or("-")].concat()];
        lines.push(["linux   ", self.linux.as_deref().unwrap_or("-")].concat());
        lines.extend(self.initrds.iter().map(|initrd| ["initrd  ", initrd].concat()));
        lines.push(["options ", &self.options].concat());
        lines.extend(self.entry().err());
        lines
    }
}

/// Whether a file is there; if not, a sentence that says so.
pub type IsThere<'f> = &'f dyn Fn(&str) -> Result<(), String>;

/// A kernel, and the command line where one stands behind it, as in GRUB.
///
/// # Errors
/// There is no such file.
pub fn kernel<'t>(text: &'t str, is_there: IsThere<'_>) -> Result<(&'t str, &'t str), String> {
    let Err(why) = is_there(text) else { return Ok((text, "")) };
    match text.split_once(' ') {
        Some((file, options)) if is_there(file).is_ok() => Ok((file, options.trim_start())),
        _ => Err(why),
    }
}

/// One initrd, or several with blanks between, as in GRUB.
///
/// # Errors
/// There is no such file.
pub fn initrds<'t>(text: &'t str, is_there: IsThere<'_>) -> Result<Vec<&'t str>, String> {
    let Err(why) = is_there(text) else { return Ok(vec![text]) };
    let files: Vec<_> = text.split_whitespace().collect();
    if files.len() < 2 {
        return Err(why);
    }
    files.iter().try_for_each(|file| is_there(file))?;
    Ok(files)
}

/// A path from the top of its device.
#[must_use]
pub fn absolute(path: &str) -> String {
    if path.starts_with('/') { path.to_owned() } else { ["/", path].concat() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_is_told_with_the_word_for_it() {
        let mut draft = Draft::default();
        assert_eq!(
            draft.entry().unwrap_err(),
            "it is not complete: there is no device (\"from DEVICE\") and no kernel (\"linux FILE\")"
        );
        assert!(!draft.set_device("vda2"));
        assert_eq!(
            draft.entry().unwrap_err(),
            "it is not complete: there is no kernel (\"linux FILE\")"
        );
        draft.set_linux("vmlinuz");
        draft.add_initrd("/i").unwrap();
        draft.add_initrd("j").unwrap();
        draft.set_options("root=/dev/vda3 ro");
        let entry = draft.entry().unwrap();
        assert_eq!((entry.id.as_str(), entry.loader_id().as_str()), ("by-hand", "by-hand"));
        assert_eq!(entry.files().collect::<Vec<_>>(), ["/vmlinuz", "/i", "/j"]);
        assert_eq!(entry.options, "root=/dev/vda3 ro");
        let lines = "from    vda2\nlinux   /vmlinuz\ninitrd  /i\ninitrd  /j\n\
                     options root=/dev/vda3 ro";
        assert_eq!(draft.lines().join("\n"), lines);
    }

    #[test]
    fn files_of_another_device_are_forgotten_and_the_options_stay() {
        let mut draft = Draft::default();
        draft.set_device("vda2");
        draft.set_linux("/k");
        draft.set_options("quiet");
        assert!(!draft.set_device("vda2"), "it is the same one");
        assert!(draft.entry().is_ok());
        assert!(draft.set_device("vdb1"));
        assert!(draft.entry().is_err());
        draft.set_linux("/k");
        assert_eq!(draft.entry().unwrap().options, "quiet");
        draft.lose_device();
        assert_eq!(draft.device(), None);
    }

    fn is_there(path: &str) -> Result<(), String> {
        let all = ["/k", "/a b", "/a", "/i"];
        if all.contains(&path) { Ok(()) } else { Err([path, ": no"].concat()) }
    }

    #[test]
    fn a_kernel_may_have_its_command_line_behind_it_and_a_name_its_blanks() {
        for (text, expected) in [
            ("/k", Ok(("/k", ""))),
            ("/a b", Ok(("/a b", ""))),
            ("/k root=/dev/sda2  ro", Ok(("/k", "root=/dev/sda2  ro"))),
            ("/x root=/dev/sda2 ro", Err("/x root=/dev/sda2 ro: no".to_owned())),
            ("/x", Err("/x: no".to_owned())),
        ] {
            assert_eq!(kernel(text, &is_there), expected, "{text}");
        }
    }

    #[test]
    fn several_initrds_are_taken_together_or_not_at_all() {
        for (text, expected) in [
            ("/i", Ok(vec!["/i"])),
            ("/a b", Ok(vec!["/a b"])),
            ("/i  /a", Ok(vec!["/i", "/a"])),
            ("/i /x", Err("/x: no".to_owned())),
            ("/x", Err("/x: no".to_owned())),
        ] {
            assert_eq!(initrds(text, &is_there), expected, "{text}");
        }
    }

    #[test]
    fn initrds_have_a_limit_and_are_forgotten_together() {
        let mut draft = Draft::default();
        draft.set_linux("/k");
        (0..MAX_INITRDS).for_each(|_| draft.add_initrd("/i").unwrap());
        let expected = "32 initrds are the most: \"initrd\" alone forgets all";
        assert_eq!(draft.add_initrd("/i").unwrap_err(), expected);
        draft.add_initrd("").unwrap();
        assert_eq!(draft.entry().unwrap().initrds, [""; 0]);
    }
}
