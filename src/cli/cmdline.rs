//! The next kernel's command line, from what was asked for, from what is in the
//! file of the kernel, and from the running kernel's.

use crate::plan::Slot;

/// Which command line the next kernel gets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cmdline {
    /// That of the unified kernel image; of another kernel none.
    Own,
    /// This one.
    Given(String),
    /// That of the unified kernel image, of another kernel the running kernel's,
    /// and this behind it.
    Append(String),
    /// The running kernel's.
    Reuse,
    /// The running kernel's, also of a unified kernel image, and this behind it.
    ReuseAnd(String),
}

impl Cmdline {
    /// The command line; `own` is that of a unified kernel image, `running` gives
    /// the running kernel's if it is needed.
    pub(super) fn resolve<E>(
        &self,
        own: Option<&str>,
        slot: Slot,
        running: impl FnOnce() -> Result<String, E>,
    ) -> Result<String, E> {
        Ok(match (self, own) {
            (Self::Own, own) => own.unwrap_or_default().to_owned(),
            (Self::Given(text), _) => text.clone(),
            (Self::Reuse, _) => reused(&running()?, slot),
            (Self::ReuseAnd(text), _) => append(&reused(&running()?, slot), text),
            (Self::Append(text), Some(own)) => append(own, text),
            (Self::Append(text), None) => append(&reused(&running()?, slot), text),
        })
    }
}

fn append(old: &str, text: &str) -> String {
    if old.is_empty() { text.to_owned() } else { format!("{old} {text}") }
}

/// The running kernel's command line without the words that boot loaders put
/// there about the image they loaded, and for a crash kernel without those that
/// reserve memory for one. What is left stays as it is, blanks in quotes too.
fn reused(running: &str, slot: Slot) -> String {
    let mut kept = words(running);
    kept.retain(|word| !is_stale(word, slot));
    kept.join(" ")
}

fn is_stale(word: &str, slot: Slot) -> bool {
    let crash = slot == Slot::Crash && word.starts_with("crashkernel=");
    word.starts_with("BOOT_IMAGE=") || word.starts_with("initrd=") || crash
}

/// Parts at blanks outside of double quotes, as the kernel does it
/// (next_arg in lib/cmdline.c).
fn words(line: &str) -> Vec<&str> {
    let mut quoted = false;
    let words = line.split(|c: char| {
        quoted ^= c == '"';
        !quoted && c.is_ascii_whitespace()
    });
    words.filter(|word| !word.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const RUNNING: &str = "BOOT_IMAGE=/vmlinuz initrd=\\initrd.img root=LABEL=root crashkernel=256M dyndbg=\"file a  +p\" quiet\n";

    fn resolve(cmdline: Cmdline, slot: Slot) -> String {
        cmdline.resolve(None, slot, || Ok::<_, ()>(RUNNING.to_owned())).unwrap()
    }

    #[test]
    fn a_given_command_line_is_taken_as_it_is() {
        let given = Cmdline::Given(" a  \"b c\" ".into());
        assert_eq!(
            given.resolve(Some("own"), Slot::Normal, || Err("nobody asked")),
            Ok(" a  \"b c\" ".into())
        );
        assert_eq!(Cmdline::Own.resolve(None, Slot::Normal, || Err(())), Ok(String::new()));
    }

    #[test]
    fn a_reused_command_line_loses_what_was_about_the_old_image() {
        let expected = "root=LABEL=root crashkernel=256M dyndbg=\"file a  +p\" quiet";
        assert_eq!(resolve(Cmdline::Reuse, Slot::Normal), expected);
        assert_eq!(
            resolve(Cmdline::Append("single".into()), Slot::Crash),
            "root=LABEL=root dyndbg=\"file a  +p\" quiet single"
        );
    }

    #[test]
    fn what_is_reused_is_the_running_kernels_also_of_a_unified_kernel_image() {
        let both = Cmdline::ReuseAnd("single".into());
        let running = || Ok::<_, ()>("ro quiet\n".to_owned());
        let line = both.resolve(Some("root=own"), Slot::Normal, running);
        assert_eq!(line, Ok("ro quiet single".to_owned()));
    }

    #[test]
    fn a_unified_kernel_image_has_a_command_line_of_its_own() {
        let resolve = |cmdline: Cmdline| {
            cmdline.resolve(Some("root=own"), Slot::Normal, || Err("nobody asked")).unwrap()
        };
        assert_eq!(resolve(Cmdline::Own), "root=own");
        assert_eq!(resolve(Cmdline::Append("single".into())), "root=own single");
    }

    #[test]
    fn appending_to_nothing_leaves_no_blank() {
        let append = Cmdline::Append("single".into());
        assert_eq!(
            append.resolve(None, Slot::Normal, || Ok::<_, ()>("\n".into())),
            Ok("single".into())
        );
    }

    #[test]
    fn a_command_line_that_cannot_be_read_is_not_taken_for_an_empty_one() {
        assert_eq!(
            Cmdline::Reuse.resolve(Some("own"), Slot::Normal, || Err("no /proc")),
            Err("no /proc")
        );
    }
}
