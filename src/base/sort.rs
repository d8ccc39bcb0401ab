//! Sorting, with one copy of the code for all types.
//!
//! The standard library's sort is compiled anew for every type and comparison,
//! at some 6 KiB each: more than most of what is sorted here. So only a list of
//! places is ever sorted, by merging, and the items are then moved to theirs.

use core::cmp::Ordering;

/// Sorts `items`; equal ones keep their order. Each is moved once.
pub fn sort_by<T>(items: &mut [T], compare: impl Fn(&T, &T) -> Ordering) {
    let mut order = places(items.len(), &|a, b| match (items.get(a), items.get(b)) {
        (Some(a), Some(b)) => compare(a, b),
        _ => Ordering::Equal,
    });
    for start in 0..items.len() {
        let mut at = start;
        while let Some(from) = take(&mut order, at).filter(|from| *from != start) {
            items.swap(at, from);
            at = from;
        }
    }
}

/// [`sort_by`] in the order of the items themselves.
pub fn sort<T: Ord>(items: &mut [T]) {
    sort_by(items, T::cmp);
}

/// [`sort_by`] in the order of the items' keys.
pub fn sort_by_key<T, K: Ord>(items: &mut [T], key: impl Fn(&T) -> K) {
    sort_by(items, |a, b| key(a).cmp(&key(b)));
}

/// Puts a name among sorted ones; whether it was not there.
pub fn insert(names: &mut Vec<String>, name: &str) -> bool {
    match names.binary_search_by(|known| known.as_str().cmp(name)) {
        Ok(_) => false,
        Err(at) => {
            names.insert(at, name.to_owned());
            true
        }
    }
}

type Compare<'a> = &'a dyn Fn(usize, usize) -> Ordering;

/// For each place, where its item comes from. What is sorted already takes one
/// comparison an item.
fn places(count: usize, compare: Compare<'_>) -> Vec<usize> {
    let mut order: Vec<usize> = (0..count).collect();
    let mut length = 1_usize;
    while length < count {
        let mut merged = Vec::with_capacity(count);
        for pair in order.chunks(length.saturating_mul(2)) {
            let (left, right) = pair.split_at_checked(length).unwrap_or((pair, &[]));
            merge(left, right, &mut merged, compare);
        }
        order = merged;
        length = length.saturating_mul(2);
    }
    order
}

/// Adds two sorted lists as one; of equal items those on the left come first.
fn merge(left: &[usize], right: &[usize], merged: &mut Vec<usize>, compare: Compare<'_>) {
    let mut left = left;
    let mut right = right;
    let follows = |first: &usize, last: &usize| compare(*first, *last) != Ordering::Less;
    if right.first().zip(left.last()).is_none_or(|(first, last)| follows(first, last)) {
        merged.extend_from_slice(left);
        left = &[];
    }
    while let ([first, others @ ..], [next, behind @ ..]) = (left, right) {
        if follows(next, first) {
            merged.push(*first);
            left = others;
        } else {
            merged.push(*next);
            right = behind;
        }
    }
    merged.extend_from_slice(left);
    merged.extend_from_slice(right);
}

/// Where the item for the place `at` comes from; from then on it is there.
fn take(order: &mut [usize], at: usize) -> Option<usize> {
    order.get_mut(at).map(|from| core::mem::replace(from, at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_list_is_sorted_as_the_standard_library_does_it() {
        let mut seed = 1_u32;
        for length in (0..200).chain([1000]) {
            let mut items: Vec<(u32, usize)> = (0..length)
                .map(|index| {
                    seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                    (seed >> 27, index)
                })
                .collect();
            let mut expected = items.clone();
            expected.sort_by_key(|item| item.0);
            sort_by_key(&mut items, |item| item.0);
            assert_eq!(items, expected, "equal keys keep their order");
        }
    }

    #[test]
    fn a_name_is_put_in_once_and_in_its_place() {
        let mut names = Vec::new();
        let added = ["b", "a", "c", "b", ""].map(|name| insert(&mut names, name));
        assert_eq!(added, [true, true, true, false, true]);
        assert_eq!(names, ["", "a", "b", "c"]);
    }

    #[test]
    fn words_are_sorted_by_their_bytes() {
        let mut words = ["b", "a", "", "ab", "B"];
        sort(&mut words);
        assert_eq!(words, ["", "B", "a", "ab", "b"]);
    }
}
