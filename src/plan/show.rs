//! Plans as people read them.

use core::fmt;

use super::{Check, Placement, Plan, Segment};
use crate::base::addr::Range;
use crate::base::digest::Digest;
use crate::base::json::Object;
use crate::base::text::printable;

impl fmt::Debug for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Name, memory, and how much of it is loaded; the rest becomes zeros.
impl fmt::Display for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let range = self.range.to_string();
        write!(f, "{:<9} {range:<25} {} loaded, ", self.name, self.bytes.len())?;
        write!(f, "{} zero", self.zeros())
    }
}

impl Segment<'_> {
    /// How many bytes of the memory are not loaded and become zeros.
    #[must_use]
    pub fn zeros(&self) -> u64 {
        self.range.len().saturating_sub(self.bytes.len() as u64)
    }

    fn digest(&self) -> Digest {
        Digest::of(&self.bytes)
    }
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:<9} sha256:{} of", self.name, self.digest)?;
        self.regions.iter().try_for_each(|range| write!(f, " {range}"))
    }
}

/// Everything, with the digest of every segment: it is taken here, so a plan
/// is shown once and not on the way to the jump.
impl<B> fmt::Display for Plan<'_, B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} on {}, because {}", self.engine(), self.arch, self.reason)?;
        writeln!(f, "kernel  {}, because {}", self.kernel.name, self.kernel.why)?;
        let placement = self.placement();
        placement.iter().try_for_each(|placement| placement.fmt(f))?;
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))?;
        if let Some(Placement { entry, kernel_entry, argument, .. }) = placement {
            writeln!(f, "entry   {entry:#x}, then {kernel_entry:#x} with {argument:#x}")?;
        }
        write!(f, "options \"{}\"", printable(&self.cmdline))
    }
}

/// What lies where, and what is checked.
impl fmt::Display for Placement<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for segment in &self.segments {
            writeln!(f, "segment {segment}, sha256:{}", segment.digest())?;
        }
        self.windows.iter().try_for_each(|window| writeln!(f, "window  {window}"))?;
        self.checks.iter().try_for_each(|check| writeln!(f, "check   {check}"))
    }
}

impl<B> Plan<'_, B> {
    /// The same as JSON; docs/cli.md describes it.
    pub fn write_json(&self, out: &mut Object<'_>) {
        out.text("engine", self.engine().name());
        out.text("system_call", self.engine().system_call());
        out.text("reason", self.reason);
        out.text("arch", self.arch.name());
        out.text("kernel", self.kernel.name);
        out.text("kernel_reason", self.kernel.why);
        let placement = self.placement();
        out.array("segments", |list| {
            let segments = placement.into_iter().flat_map(|placement| &placement.segments);
            segments.for_each(|one| list.object(|out| one.write_json(out)));
        });
        out.array("checks", |list| {
            let checks = placement.into_iter().flat_map(|placement| &placement.checks);
            checks.for_each(|one| list.object(|out| one.write_json(out)));
        });
        out.array("windows", |list| {
            let windows = placement.into_iter().flat_map(|placement| &placement.windows);
            windows.for_each(|one| list.object(|out| write_range(*one, out)));
        });
        out.maybe_number("entry", placement.map(|placement| placement.entry));
        out.maybe_number("kernel_entry", placement.map(|placement| placement.kernel_entry));
        out.maybe_number("argument", placement.map(|placement| placement.argument));
        out.text("options", &self.cmdline);
        out.array("warnings", |list| self.warnings.iter().for_each(|one| list.text(one)));
    }
}

impl Segment<'_> {
    fn write_json(&self, out: &mut Object<'_>) {
        out.text("name", self.name);
        write_range(self.range, out);
        out.number("loaded", self.bytes.len() as u64);
        out.number("zero", self.zeros());
        out.text("sha256", &self.digest().to_string());
    }
}

impl Check {
    fn write_json(&self, out: &mut Object<'_>) {
        out.text("name", &self.name);
        out.text("sha256", &self.digest.to_string());
        out.array("regions", |list| {
            self.regions.iter().for_each(|range| list.object(|out| write_range(*range, out)));
        });
    }
}

fn write_range(range: Range, out: &mut Object<'_>) {
    out.number("start", range.start());
    out.number("size", range.len());
}
