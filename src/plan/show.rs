//! Plans as people read them.

use core::fmt;

use super::{Check, Engine, Plan, Segment};

impl fmt::Debug for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (loaded, size) = (self.bytes.len(), self.range.len());
        let range = self.range.to_string();
        write!(f, "{:<9} {range:<25} {loaded} of {size} bytes loaded", self.name)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<9} sha256:{} of", self.name, self.digest)?;
        self.regions.iter().try_for_each(|range| write!(f, " {range}"))
    }
}

impl fmt::Display for Plan<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {}, because {}", self.engine, self.arch, self.reason)?;
        self.segments.iter().try_for_each(|segment| writeln!(f, "segment {segment}"))?;
        self.checks.iter().try_for_each(|check| writeln!(f, "check   {check}"))?;
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))?;
        if self.engine == Engine::Segments {
            writeln!(f, "entry   {:#x}", self.entry)?;
        }
        write!(f, "options {:?}", self.cmdline)
    }
}
