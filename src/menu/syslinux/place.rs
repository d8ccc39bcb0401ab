//! Where paths of a configuration lead.

/// Where pxelinux's configurations are, below its working directory.
const PXELINUX: &str = "/pxelinux.cfg";

/// The directory from which relative paths of the configuration at `path` count:
/// the file's own, and for pxelinux the one above. Empty for the root.
pub(super) fn working_directory(path: &str) -> &str {
    let directory = path.rsplit_once('/').map_or("", |(directory, _)| directory);
    directory.strip_suffix(PXELINUX).unwrap_or(directory)
}

/// The absolute form of a path. `..` is followed, as installations write
/// `../kernels/Image`; one that leads out of the volume stays in the path, for
/// which it is refused. `::` in front is pxelinux's root.
pub(super) fn absolute(directory: &str, path: &str) -> String {
    let path = path.strip_prefix("::").map_or_else(|| path.to_owned(), |rest| format!("/{rest}"));
    let path = if path.starts_with('/') { path } else { format!("{directory}/{path}") };
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != ".") {
        match parts.last() {
            Some(last) if part == ".." && *last != ".." => {
                parts.pop();
            }
            _ => parts.push(part),
        }
    }
    parts.into_iter().flat_map(|part| ["/", part]).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn relative_paths_count_from_the_file_and_for_pxelinux_from_above() {
        let cases = [
            ("/extlinux/extlinux.conf", "/extlinux"),
            ("/syslinux.cfg", ""),
            ("/tftp/pxelinux.cfg/default", "/tftp"),
            ("/pxelinux.cfg/default", ""),
        ];
        for (path, expected) in cases {
            assert_eq!(working_directory(path), expected);
        }
    }

    #[test]
    fn a_path_becomes_absolute() {
        let cases = [
            ("Image", "/boot/extlinux/Image"),
            ("./a//b", "/boot/extlinux/a/b"),
            ("../nixos/Image", "/boot/nixos/Image"),
            ("../../Image", "/Image"),
            ("../../../Image", "/../Image"),
            ("../../../../Image", "/../../Image"),
            ("/a/../b", "/b"),
            ("::images/Image", "/images/Image"),
            ("", "/boot/extlinux"),
            ("/", ""),
        ];
        for (path, expected) in cases {
            assert_eq!(absolute("/boot/extlinux", path), expected, "{path}");
        }
    }
}
