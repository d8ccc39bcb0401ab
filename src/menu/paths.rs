//! Where a path of a menu leads on its volume.
//!
//! A menu may lie below the root of its volume: in `/boot` of a root file
//! system, in a subvolume of btrfs. Its paths may count from the volume's root
//! or from where the menu's own root was when it was written. A path never leads
//! out of the volume: `..` is refused.

/// Longest path, in bytes (Linux's PATH_MAX).
pub(super) const MAX_PATH: usize = 4096;

/// The absolute form of a path: one `/` before every part. A leading `/` is
/// optional in the file.
///
/// # Errors
/// Why it is no path of a file, to follow on its text.
pub(super) fn normalise(path: &str) -> Result<String, &'static str> {
    if path.len() > MAX_PATH {
        return Err("is too long for a path");
    }
    if has_control(path) {
        return Err("contains a control character");
    }
    let mut absolute = String::with_capacity(path.len().saturating_add(1));
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => return Err("must not contain \"..\""),
            part => {
                absolute.push('/');
                absolute.push_str(part);
            }
        }
    }
    if absolute.is_empty() { Err("is no path of a file") } else { Ok(absolute) }
}

/// Almost every path is ASCII, whose characters need no decoding.
fn has_control(path: &str) -> bool {
    if path.is_ascii() {
        return path.bytes().any(|byte| byte.is_ascii_control());
    }
    path.chars().any(char::is_control)
}

/// The place of a file that a menu found below `prefix` names by the normalised
/// `path`: as it stands, then below the prefix, then below each directory above
/// that. If it is nowhere, as it stands.
pub(super) fn locate(path: &str, prefix: &str, has: impl Fn(&str) -> bool) -> String {
    if prefix.is_empty() || has(path) {
        return path.to_owned();
    }
    let above = prefix.match_indices('/').filter_map(|(at, _)| prefix.get(..at));
    let mut prefixes: Vec<&str> = above.filter(|above| !above.is_empty()).collect();
    prefixes.push(prefix);
    let mut places = prefixes.into_iter().rev().map(|prefix| format!("{prefix}{path}"));
    places.find(|place| has(place)).unwrap_or_else(|| path.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_where_the_menu_was_written_for() {
        let cases = [
            // A separate /boot, or an ESP.
            ("", "/vmlinuz", "/vmlinuz", "/vmlinuz"),
            // /boot in a root file system, by paths of either kind.
            ("/boot", "/boot/vmlinuz", "/boot/vmlinuz", "/boot/vmlinuz"),
            ("/boot", "/vmlinuz", "/boot/vmlinuz", "/boot/vmlinuz"),
            // The top of btrfs, the menu in a subvolume.
            ("/@/boot", "/boot/vmlinuz", "/@/boot/vmlinuz", "/@/boot/vmlinuz"),
            ("/@/boot", "/vmlinuz", "/@/boot/vmlinuz", "/@/boot/vmlinuz"),
            ("/@/boot", "/@/boot/vmlinuz", "/@/boot/vmlinuz", "/@/boot/vmlinuz"),
            ("/root", "/vmlinuz", "/root/vmlinuz", "/root/vmlinuz"),
            // What is nowhere stays as it stands.
            ("/boot", "/vmlinuz", "/other", "/vmlinuz"),
        ];
        for (prefix, path, there, expected) in cases {
            assert_eq!(locate(path, prefix, |path| path == there), expected, "{prefix} {path}");
        }
        assert_eq!(locate("/vmlinuz", "/boot", |_| true), "/vmlinuz", "as it stands comes first");
        let twice = ["/@/vmlinuz", "/@/boot/vmlinuz"];
        let found = locate("/vmlinuz", "/@/boot", |path| twice.contains(&path));
        assert_eq!(found, "/@/boot/vmlinuz");
    }

    #[test]
    fn a_path_gets_one_slash_before_every_part() {
        for (path, expected) in [("a", "/a"), ("//a/./b/", "/a/b"), ("/a..b/...c", "/a..b/...c")] {
            assert_eq!(normalise(path).as_deref(), Ok(expected));
        }
        for path in ["/a/../b", "..", "a/.."] {
            assert_eq!(normalise(path), Err("must not contain \"..\""));
        }
        assert_eq!(normalise("/"), Err("is no path of a file"));
        assert_eq!(normalise("/a\u{1b}"), Err("contains a control character"));
        assert_eq!(normalise(&"a".repeat(4097)), Err("is too long for a path"));
    }
}
