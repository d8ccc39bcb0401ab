//! Further keys in the ring of a boot tree.

use super::boot_tree::TURNOUT_SIGN;
use super::common::{Scratch, run, text};

/// Makes a key `name` for `roles` and adds it to the tree's ring.
pub(crate) fn add_key(tree: &Scratch, name: &str, roles: &str) -> String {
    let key = text(&tree.path(name));
    let made = run(TURNOUT_SIGN, &["keygen", "-f", &key, "-C", name, "--role", roles]);
    made.expect(0, &[]);
    let line = made.text.lines().find(|line| line.starts_with(name)).unwrap();
    let ring = String::from_utf8(tree.read("ring")).unwrap();
    tree.write("ring", format!("{ring}{line}\n"));
    key
}
