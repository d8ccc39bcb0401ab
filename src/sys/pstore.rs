//! What kernels that ended left in persistent storage: where the kernel shows it, and
//! where systemd-pstore.service moves it to.
//!
//! Nothing is removed: that is somebody else's to do.

use std::fs::{self, Metadata};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use super::file;

/// How the kernel shows it, and systemd's archive.
const ROOTS: [&str; 2] = ["/sys/fs/pstore", "/var/lib/systemd/pstore"];
/// The archive has a folder for each end, and one more in it for each part.
const DEPTH: u32 = 3;
/// How much of each file is read, and of how many.
const MAX_TEXT: u64 = 64 << 10;
const MAX_FILES: usize = 64;

/// `readdir(3)`, `lstat(2)`: the logs that were left since then, in seconds since 1970.
#[must_use]
pub fn left_since(when: u64) -> Vec<String> {
    ROOTS.iter().flat_map(|root| left_in(Path::new(root), when)).take(MAX_FILES).collect()
}

fn left_in(root: &Path, when: u64) -> Vec<String> {
    let mut logs = Vec::new();
    gather(root, DEPTH, when, &mut logs);
    let texts = logs.iter().filter_map(|path| file::read_start(path, MAX_TEXT).ok());
    texts.collect()
}

/// Finds the logs in a folder and below it; what cannot be read is passed over.
fn gather(folder: &Path, depth: u32, when: u64, logs: &mut Vec<PathBuf>) {
    for name in file::names(folder).unwrap_or_default() {
        let path = folder.join(&name);
        let Ok(about) = fs::symlink_metadata(&path) else { continue };
        if about.is_dir() && depth > 1 {
            gather(&path, depth.saturating_sub(1), when, logs);
        }
        if about.is_file()
            && is_since(&about, when)
            && name.starts_with("dmesg")
            && logs.len() < MAX_FILES
        {
            logs.push(path);
        }
    }
}

fn is_since(about: &Metadata, when: u64) -> bool {
    let since = UNIX_EPOCH.checked_add(Duration::from_secs(when));
    about.modified().is_ok_and(|time| since.is_some_and(|since| time >= since))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

    fn write(path: &Path, text: &str, when: u64) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
        let file = File::options().write(true).open(path).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(when)).unwrap();
    }

    #[test]
    fn only_logs_that_were_left_since_are_read_in_folders_too() {
        let root = std::env::temp_dir().join(format!("turnout-pstore-{}", std::process::id()));
        write(&root.join("dmesg-erst-1"), "old", 99);
        write(&root.join("dmesg-erst-2"), "new", 100);
        write(&root.join("console-ramoops-0"), "console", 200);
        write(&root.join("17/001/dmesg.txt"), "archived", 101);
        write(&root.join("a/b/c/dmesg.txt"), "too deep", 101);
        let found = left_in(&root, 100);
        fs::remove_dir_all(&root).unwrap();
        assert_eq!(found, ["archived", "new"]);
        assert_eq!(left_in(&root, 100), [""; 0]);
        assert_eq!(left_in(&root, u64::MAX), [""; 0]);
    }
}
