//! A choice for one boot that was used up, as it is remembered where its own place
//! cannot be written: nothing here ever writes to a boot partition, so `next_entry`
//! of an environment block of GRUB stays there after the boot that it was for.

use super::digest::Digest;

/// Most that are remembered.
pub const MAX: usize = 8;
/// Longest identifier of a device that is remembered, in bytes: no PARTUUID or UUID is
/// longer.
pub const MAX_DEVICE: usize = 64;

/// A choice that was used up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Used {
    /// What the device is known by ([`key`]), in small letters.
    pub device: String,
    /// SHA-256 of the value.
    pub value: Digest,
}

impl Used {
    /// This value on this device; `None` where the device has nothing to be known by.
    #[must_use]
    pub fn new(device: Option<&str>, value: &str) -> Option<Self> {
        let device = device.filter(|device| (1..=MAX_DEVICE).contains(&device.len()))?;
        Some(Self { device: device.to_ascii_lowercase(), value: Digest::of(value.as_bytes()) })
    }
}

/// What a device is known by: the partition's UUID, which a copy of its file system does
/// not have, or else that of the file system.
#[must_use]
pub fn key<'a>(partuuid: Option<&'a str>, uuid: Option<&'a str>) -> Option<&'a str> {
    partuuid.or(uuid)
}

/// Whether this value on the device was used before.
#[must_use]
pub fn is_used(list: &[Used], device: Option<&str>, value: &str) -> bool {
    Used::new(device, value).is_some_and(|used| list.contains(&used))
}

/// The list, the newest first, once this one was used too. Of one device only the last
/// counts: what was replaced by something else and came back was set again.
#[must_use]
pub fn with(list: &[Used], used: Used) -> Vec<Used> {
    let others = without(list, &used.device);
    core::iter::once(used).chain(others).take(MAX).collect()
}

/// The same where the device may not be the only one that is known so: what was used of
/// it before stays.
#[must_use]
pub fn beside(list: &[Used], used: Used) -> Vec<Used> {
    core::iter::once(used).chain(list.iter().cloned()).take(MAX).collect()
}

/// The list without what was used of a device.
#[must_use]
pub fn without(list: &[Used], device: &str) -> Vec<Used> {
    let others = list.iter().filter(|used| !used.device.eq_ignore_ascii_case(device));
    others.cloned().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn used(device: &str, value: &str) -> Used {
        Used::new(Some(device), value).unwrap()
    }

    #[test]
    fn a_device_is_known_by_its_partition_before_its_file_system() {
        assert_eq!(key(Some("p"), Some("f")), Some("p"));
        assert_eq!(key(None, Some("f")), Some("f"));
        assert_eq!(Used::new(key(None, None), "2"), None);
        assert_eq!(Used::new(Some(""), "2"), None);
        assert_eq!(Used::new(Some(&"a".repeat(MAX_DEVICE + 1)), "2"), None);
    }

    #[test]
    fn only_the_same_value_of_the_same_device_was_used() {
        let list = [used("12AB-01", "2")];
        assert!(is_used(&list, Some("12ab-01"), "2"));
        assert!(!is_used(&list, Some("12ab-01"), "3"));
        assert!(!is_used(&list, Some("12ab-02"), "2"));
        assert!(!is_used(&list, None, "2"));
        assert!(!is_used(&[], Some("12ab-01"), "2"));
    }

    #[test]
    fn the_last_value_of_each_of_the_last_devices_is_kept() {
        let mut list = Vec::new();
        for number in 0..=MAX {
            list = with(&list, used(&number.to_string(), "a"));
        }
        assert_eq!(list.len(), MAX);
        assert!(!is_used(&list, Some("0"), "a"), "the oldest is forgotten");
        list = with(&list, used("3", "b"));
        assert!(is_used(&list, Some("3"), "b") && !is_used(&list, Some("3"), "a"));
        assert_eq!(list.len(), MAX);
        let both = beside(&list, used("3", "c"));
        assert!(is_used(&both, Some("3"), "b") && is_used(&both, Some("3"), "c"));
        assert_eq!(both.len(), MAX);
        list = without(&list, "3");
        assert!(!is_used(&list, Some("3"), "b") && is_used(&list, Some("4"), "a"));
    }
}
