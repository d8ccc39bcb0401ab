//! The order of entries in the menu (Boot Loader Specification, "Sorting"):
//! what to boot first comes first, what has used up its boot counter last.

use core::cmp::Ordering;

use crate::menu::Entry;
use crate::menu::text::version::compare;

/// Where `a` stands relative to `b`. A total order; equal only for entries
/// with one id and one counter.
#[must_use]
pub fn order(a: &Entry, b: &Entry) -> Ordering {
    a.is_bad()
        .cmp(&b.is_bad())
        .then_with(|| by_sort_key(a, b))
        .then_with(|| compare(file(b), file(a)))
        .then_with(|| file(a).cmp(file(b)))
        .then_with(|| a.profile.cmp(&b.profile))
        .then_with(|| by_counter(a, b))
}

/// Entries with a sort-key come before those without. The version decides only
/// among the former.
fn by_sort_key(a: &Entry, b: &Entry) -> Ordering {
    match (&a.sort_key, &b.sort_key) {
        (Some(key_a), Some(key_b)) => key_a
            .cmp(key_b)
            .then_with(|| a.machine_id.cmp(&b.machine_id))
            .then_with(|| compare(version(b), version(a))),
        (a, b) => b.is_some().cmp(&a.is_some()),
    }
}

/// The id without the profile of a unified kernel image.
fn file(entry: &Entry) -> &str {
    entry.id.split('@').next().unwrap_or_default()
}

fn version(entry: &Entry) -> &str {
    entry.version.as_deref().unwrap_or_default()
}

/// More attempts left first, then fewer made.
fn by_counter(a: &Entry, b: &Entry) -> Ordering {
    let left = b.counter.map(|counter| counter.left).cmp(&a.counter.map(|counter| counter.left));
    left.then(a.counter.map(|counter| counter.done).cmp(&b.counter.map(|counter| counter.done)))
}

#[cfg(test)]
mod tests {
    use crate::base::arch::Arch;
    use crate::menu::{Memory, Target, read_volume};

    fn sorted(texts: &[(&str, &str)]) -> Vec<String> {
        let files: Memory = texts
            .iter()
            .map(|(name, text)| {
                (format!("/loader/entries/{name}.conf"), format!("linux /a\n{text}"))
            })
            .collect();
        let menu = read_volume(&files, &Target::new(Arch::X86_64, &[]));
        menu.entries.into_iter().map(|entry| entry.id).collect()
    }

    #[test]
    fn sort_keys_rise_then_machine_ids_rise_then_versions_fall() {
        let order = sorted(&[
            ("z", ""),
            ("a", "sort-key b\nmachine-id 1\nversion 1.9"),
            ("b", "sort-key b\nmachine-id 1\nversion 1.10"),
            ("c", "sort-key b\nmachine-id 0\nversion 1"),
            ("d", "sort-key a\nmachine-id 2"),
            ("e", "sort-key b\nmachine-id 1"),
            ("f", "sort-key b\nversion 9"),
        ]);
        assert_eq!(order, ["d", "f", "c", "b", "a", "e", "z"]);
    }

    #[test]
    fn without_sort_key_the_newest_file_name_comes_first() {
        let order = sorted(&[("a-5.10", "version 9"), ("a-5.9", "version 10"), ("b-1", "")]);
        assert_eq!(order, ["b-1", "a-5.10", "a-5.9"]);
    }

    #[test]
    fn an_entry_whose_counter_ran_out_comes_last() {
        assert_eq!(sorted(&[("b+0-3", "sort-key a"), ("a+1", ""), ("c", "")]), ["c", "a", "b"]);
    }

    #[test]
    fn names_that_compare_equal_still_have_one_order() {
        let forward = sorted(&[("a_1", ""), ("a1", ""), ("a01", "")]);
        assert_eq!(forward, ["a01", "a1", "a_1"]);
        assert_eq!(sorted(&[("a01", ""), ("a_1", ""), ("a1", "")]), forward);
    }
}
