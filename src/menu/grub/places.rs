//! Where configurations of GRUB are found without being led to.

/// Where configurations are, below the root of a volume and below its `/boot`.
pub(super) const PLACES: [&str; 2] = ["/grub/grub.cfg", "/grub2/grub.cfg"];

/// Whether the configuration of a device at this path is read without being led to: in a
/// subvolume at the top of btrfs too.
pub(super) fn is_found(path: &str) -> bool {
    let is_place = |path: &str| PLACES.contains(&path.strip_prefix("/boot").unwrap_or(path));
    let below = path
        .get(1..)
        .and_then(|path| path.find('/'))
        .and_then(|at| path.get(at.saturating_add(1)..));
    is_place(path) || below.is_some_and(is_place)
}
