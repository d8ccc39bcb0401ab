//! What is started where a jump fails: can anybody be told that it is this kernel?

use crate::check::{Facts, Row, Said};

pub(super) const ROWS: &[Row] = &[Row::one("NO_FALLBACK", no_fallback)];

fn no_fallback(facts: &Facts) -> Option<Said> {
    // Boot files are often root's to read.
    let is_root = facts.rights.is_root != Some(false);
    if !is_root || facts.next_start.as_ref()?.keeper().is_some() {
        return None;
    }
    // No setting gives a boot loader what it lacks.
    Said::notes(
        "nobody can be told to start this kernel again where a jump fails: no GRUB that follows \
         next_entry, no loader with the Boot Loader Interface, no state area",
        "let the kernel that runs now stay the menu's default until the new one has proven itself",
    )
}

#[cfg(test)]
mod tests {
    use super::super::testing::said;
    use crate::check::facts::Rights;
    use crate::check::{Facts, Weight};
    use crate::host::next_start::Here;

    #[test]
    fn whoever_can_be_told_is_enough() {
        let of = |here| said("NO_FALLBACK", &Facts { next_start: Some(here), ..Facts::default() });
        assert_eq!(of(Here::default())[0].weight, Weight::Notes);
        assert_eq!(of(Here { loader: true, ..Here::default() }), []);
        assert_eq!(of(Here { area: Some("/dev/sda3".to_owned()), ..Here::default() }), []);
        assert_eq!(said("NO_FALLBACK", &Facts::default()), [], "nobody has looked");
        let rights = Rights { is_root: Some(false), ..Rights::default() };
        let facts = Facts { next_start: Some(Here::default()), rights, ..Facts::default() };
        assert_eq!(said("NO_FALLBACK", &facts), [], "nobody could look");
    }
}
