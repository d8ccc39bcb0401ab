//! A device tree as /proc/device-tree shows it, for machines whose kernel does
//! not show the blob it was started with.

use super::Fdt;
use super::tree::Node;

/// A node with everything below it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Live {
    /// The directory's name; empty for the root.
    pub name: String,
    /// The files: names and contents.
    pub properties: Vec<(String, Vec<u8>)>,
    /// The directories.
    pub children: Vec<Self>,
}

impl Live {
    /// The blob of this tree as the root. It reserves no memory: no file shows
    /// what the firmware's blob did.
    #[must_use]
    pub fn to_blob(&self) -> Vec<u8> {
        Fdt { boot_cpu: 0, reservations: Vec::new(), root: self.node() }.to_blob()
    }

    fn node(&self) -> Node<'_> {
        let mut node = Node::new(self.name.as_bytes());
        // The kernel makes up a property "name" for every node.
        let properties = self.properties.iter().filter(|(name, _)| name != "name");
        node.properties = properties.map(|(name, value)| (name.as_bytes(), value.into())).collect();
        node.children = self.children.iter().map(Self::node).collect();
        node
    }
}
