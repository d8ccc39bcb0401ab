//! Finds the names that someone who mistyped may have meant.

use super::sort::sort;

/// Up to three of `names` that are close to `wanted`, the closest first.
pub fn similar<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut near: Vec<_> = names
        .map(|name| (score(wanted, name), name))
        .filter(|(score, _)| *score <= allowed(wanted))
        .collect();
    sort(&mut near);
    near.into_iter().take(3).map(|(_, name)| name).collect()
}

/// Whether few letters are wrong: one in three.
#[must_use]
pub fn is_close(wanted: &str, name: &str) -> bool {
    distance(wanted.as_bytes(), name.as_bytes()) <= allowed(wanted)
}

const fn allowed(wanted: &str) -> usize {
    wanted.len().div_ceil(3)
}

/// One that contains the other is as close as one with a letter changed.
fn score(wanted: &str, name: &str) -> usize {
    let contains = wanted.len() >= 3 && (name.contains(wanted) || wanted.contains(name));
    if contains { 1 } else { distance(wanted.as_bytes(), name.as_bytes()) }
}

/// Levenshtein's distance: insertions, deletions and replacements of a byte.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in (1..).zip(a) {
        let mut diagonal = std::mem::replace(row.first_mut().unwrap_or(&mut 0), i);
        let mut left = i;
        for (cell, y) in row.iter_mut().skip(1).zip(b) {
            let replace = diagonal.saturating_add(usize::from(x != y));
            diagonal = *cell;
            *cell = replace.min(cell.saturating_add(1)).min(left.saturating_add(1));
            left = *cell;
        }
    }
    row.last().copied().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances_are_levenshteins() {
        for (a, b, expected) in
            [("", "abc", 3), ("kitten", "sitting", 3), ("a", "", 1), ("nvme", "nvme", 0)]
        {
            assert_eq!(distance(a.as_bytes(), b.as_bytes()), expected);
            assert_eq!(distance(b.as_bytes(), a.as_bytes()), expected);
        }
    }

    #[test]
    fn the_nearest_names_come_first_and_far_ones_not_at_all() {
        let names = ["virtio_blk", "virtio_pci", "virtio_net", "ext4"];
        assert_eq!(similar("virtio_bkl", names.into_iter())[0], "virtio_blk");
        assert_eq!(similar("ext", names.into_iter()), ["ext4"]);
        assert_eq!(similar("zzzz", names.into_iter()), [""; 0]);
    }
}
