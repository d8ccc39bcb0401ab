//! Overlays: fragments of a tree that are merged into another.
//!
//! Follows the format that dtc writes with `-@` and `/plugin/`, as the kernel's
//! Documentation/devicetree/dynamic-resolution-notes.rst and overlay-notes.rst
//! tell it: phandles are moved out of the way, `__local_fixups__` says where
//! the overlay uses its own, `__fixups__` where it uses labels of the tree.

use super::tree::{Node, PHANDLES, cell, string};
use super::{Error, Fdt};

const SYMBOLS: &[u8] = b"__symbols__";
const OVERLAY: &[u8] = b"__overlay__";

impl<'a> Fdt<'a> {
    /// Merges an overlay into the tree. Later ones may use its labels.
    ///
    /// # Errors
    /// The stub of a machine that ACPI describes, a label or a target that the tree does not have, or an overlay whose
    /// fix-ups point nowhere. The tree is then half changed: not to be used.
    pub fn apply(&mut self, overlay: Self) -> Result<(), Error> {
        if self.is_stub() {
            return Err(Error::Stub);
        }
        let mut overlay = overlay.root;
        let moved_by = self.root.highest_phandle();
        overlay.move_phandles(moved_by)?;
        if let Some(places) = overlay.take_child(b"__local_fixups__") {
            overlay.move_references(&places, moved_by)?;
        }
        if let Some(labels) = overlay.take_child(b"__fixups__") {
            self.resolve_labels(&labels, &mut overlay)?;
        }
        let symbols = overlay.take_child(SYMBOLS);
        for mut fragment in overlay.children {
            let Some(content) = fragment.take_child(OVERLAY) else { continue };
            let path = self.target(&fragment)?;
            let target = self.root.at_path_mut(&path).ok_or_else(|| lost(fragment.name))?;
            target.merge(content)?;
            if let Some(symbols) = &symbols {
                self.add_symbols(symbols, fragment.name, &path);
            }
        }
        Ok(())
    }

    /// `labels` has a property for each label that the overlay uses, with all
    /// places as strings `PATH:PROPERTY:OFFSET`.
    fn resolve_labels(&mut self, labels: &Node<'a>, overlay: &mut Node<'a>) -> Result<(), Error> {
        for (label, places) in &labels.properties {
            let phandle = self.phandle_of(label).ok_or_else(|| Error::Label(text(label)))?;
            for place in string(places).unwrap_or(places).split(|&byte| byte == 0) {
                overlay.point(place, phandle).ok_or_else(|| lost(place))?;
            }
        }
        Ok(())
    }

    fn phandle_of(&mut self, label: &[u8]) -> Option<u32> {
        let path = string(self.root.child(SYMBOLS)?.property(label)?)?.to_vec();
        self.root.at_path_mut(&path)?.phandle()
    }

    /// Path of the node that a fragment goes to.
    fn target(&self, fragment: &Node<'a>) -> Result<Vec<u8>, Error> {
        let path = match fragment.property(b"target") {
            Some(phandle) => cell(phandle, 0).and_then(|phandle| self.root.path_to(phandle)),
            None => fragment.property(b"target-path").and_then(string).map(<[u8]>::to_vec),
        };
        path.ok_or_else(|| lost(fragment.name))
    }

    /// Labels inside a fragment, under the paths that their nodes now have.
    fn add_symbols(&mut self, symbols: &Node<'a>, fragment: &[u8], target: &[u8]) {
        let inside = [b"/", fragment, b"/", OVERLAY].concat();
        let Some(own) = self.root.child_mut(SYMBOLS) else { return };
        let target = target.strip_suffix(b"/").unwrap_or(target);
        for (label, path) in &symbols.properties {
            if let Some(rest) = path.strip_prefix(inside.as_slice()) {
                own.set(label, [target, rest].concat().into());
            }
        }
    }
}

impl<'a> Node<'a> {
    fn highest_phandle(&self) -> u32 {
        let children = self.children.iter().map(Self::highest_phandle);
        children.chain(self.phandle()).max().unwrap_or(0)
    }

    fn move_phandles(&mut self, by: u32) -> Result<(), Error> {
        for name in PHANDLES {
            if self.property(name).is_some() {
                self.add_at(name, 0, by).ok_or_else(|| lost(self.name))?;
            }
        }
        self.children.iter_mut().try_for_each(|child| child.move_phandles(by))
    }

    /// `places` has this node's shape; each value lists offsets in the property
    /// of the same name.
    fn move_references(&mut self, places: &Node<'_>, by: u32) -> Result<(), Error> {
        for (name, offsets) in &places.properties {
            for offset in offsets.chunks(4) {
                let offset = cell(offset, 0).and_then(|offset| usize::try_from(offset).ok());
                let moved = offset.and_then(|offset| self.add_at(name, offset, by));
                moved.ok_or_else(|| lost(name))?;
            }
        }
        places.children.iter().try_for_each(|child| {
            let own = self.child_mut(child.name).ok_or_else(|| lost(child.name))?;
            own.move_references(child, by)
        })
    }

    fn add_at(&mut self, name: &[u8], offset: usize, by: u32) -> Option<()> {
        let value = self.property_mut(name)?.to_mut();
        let number = cell(value, offset)?.checked_add(by)?;
        write(value, offset, number)
    }

    /// Writes a phandle at the place `PATH:PROPERTY:OFFSET`.
    fn point(&mut self, place: &[u8], phandle: u32) -> Option<()> {
        let mut parts = place.splitn(3, |&byte| byte == b':');
        let path = parts.next()?;
        let name = parts.next()?;
        let offset = core::str::from_utf8(parts.next()?).ok()?.parse().ok()?;
        write(self.at_path_mut(path)?.property_mut(name)?.to_mut(), offset, phandle)
    }

    fn path_to(&self, phandle: u32) -> Option<Vec<u8>> {
        if self.phandle() == Some(phandle) {
            return Some(b"/".to_vec());
        }
        self.children.iter().find_map(|child| {
            let rest = child.path_to(phandle)?;
            let rest = rest.strip_suffix(b"/").unwrap_or(&rest);
            Some([b"/", child.name, rest].concat())
        })
    }

    /// A node keeps its number: others of its tree know it by that.
    fn merge(&mut self, content: Self) -> Result<(), Error> {
        for (name, value) in content.properties {
            if PHANDLES.contains(&name) && self.phandle().is_some() {
                return Err(lost(content.name));
            }
            self.set(name, value);
        }
        content.children.into_iter().try_for_each(|child| match self.child_mut(child.name) {
            Some(own) => own.merge(child),
            None => {
                self.children.push(child);
                Ok(())
            }
        })
    }
}

fn write(value: &mut [u8], offset: usize, number: u32) -> Option<()> {
    let place = value.get_mut(offset..)?.first_chunk_mut()?;
    *place = number.to_be_bytes();
    Some(())
}

fn lost(name: &[u8]) -> Error {
    Error::Overlay(text(name))
}

fn text(name: &[u8]) -> String {
    String::from_utf8_lossy(name).into_owned()
}
