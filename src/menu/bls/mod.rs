//! Menus of the Boot Loader Specification (UAPI.1) and of systemd-boot: a file
//! an entry, and `loader.conf` beside them.

pub mod entry;
pub mod file_name;
pub mod loader_conf;
pub(super) mod reader;
pub mod sort;
