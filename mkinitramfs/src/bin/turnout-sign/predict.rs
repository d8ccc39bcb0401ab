//! `turnout-sign predict`: what the PCRs hold in a system that Turnout has
//! started, from the same code that measures on the device.

use anyhow::{Context as _, Result};
use clap::Args;
use mkinitramfs::signing::entry;
use mkinitramfs::signing::sign::{self, Target};
use turnout::base::json;
use turnout::measure::{self, Boundary, Sections};
use turnout::tpm::log::{Event, replay};
use turnout::trust::Role;
use turnout::trust::allowed_signers::KeyRing;
use turnout::trust::policy::Policy;
use turnout::trust::verify::Mode;

use crate::Verdict;
use crate::files::Anchor;
use crate::select::Entries;

#[derive(Args)]
pub(crate) struct Predict {
    #[command(flatten)]
    anchor: Anchor,
    #[command(flatten)]
    entries: Entries,
    /// The image is in open mode
    #[arg(long)]
    open: bool,
    /// The image measures the sections of unified kernel images (measure-uki yes)
    #[arg(long)]
    measure_uki: bool,
    /// What the machine is compatible with first of all, for images with device
    /// trees of several boards
    #[arg(long, value_name = "NAME", requires = "measure_uki")]
    board: Option<String>,
    /// One JSON object a line
    #[arg(long)]
    json: bool,
}

impl Predict {
    pub(crate) fn run(&self) -> Result<Verdict> {
        let (ring, policy) = self.anchor.read()?;
        let mut verdict = Verdict::Good;
        for id in self.entries.ids()? {
            match self.events(&id, &ring, &policy).with_context(|| id.clone())? {
                Ok(events) if self.json => println!("{}", as_json(&id, &events)),
                Ok(events) => print(&id, &events),
                Err(refusal) => {
                    println!("{refusal}");
                    verdict = Verdict::Refused;
                }
            }
        }
        Ok(verdict)
    }

    /// All events of a boot of the entry, or why a device would not boot it.
    fn events(
        &self,
        id: &str,
        ring: &KeyRing,
        policy: &Policy,
    ) -> Result<Result<Vec<Event>, String>> {
        let boot = entry::read(&self.entries.roots()?, id, self.board.as_slice())?;
        let root = &boot.root.clone();
        let arch = boot.architecture(self.entries.architecture)?;
        let target = Target { arch, boards: Vec::new(), devices: Vec::new() };
        let (attested, bundle) = match sign::admit(root, boot, &target, ring, policy)? {
            Ok(admitted) => admitted,
            Err(refusal) => return Ok(Err(format!("refused {id}: {}: {refusal}", refusal.code()))),
        };
        let mode = if self.open { Mode::Open } else { Mode::Locked };
        let mut events = match attested.role() {
            Role::Boot => Vec::new(),
            Role::Recovery => Boundary::Recovery.events().to_vec(),
        };
        let sections = self.measure_uki.then_some(Sections { board: self.board.as_deref() });
        events.extend(measure::entry(mode, &attested, &bundle, sections)?);
        Ok(Ok(events))
    }
}

/// The PCRs that the events extend, in the order of their numbers.
fn pcrs(events: &[Event]) -> Vec<u32> {
    let all = [measure::DECISION, measure::FILES, measure::UKI];
    all.into_iter().filter(|pcr| events.iter().any(|event| event.pcr == *pcr)).collect()
}

fn print(id: &str, events: &[Event]) {
    for pcr in pcrs(events) {
        println!("{id}: PCR {pcr} sha256 {}", replay(events, pcr).0);
    }
}

fn as_json(id: &str, events: &[Event]) -> String {
    json::object(|object| {
        object.text("entry", id);
        object.text("bank", "sha256");
        object.array("pcrs", |array| {
            for pcr in pcrs(events) {
                array.object(|object| {
                    object.number("pcr", pcr.into());
                    object.text("value", &replay(events, pcr).0.to_string());
                });
            }
        });
        object.array("events", |array| {
            for event in events {
                array.object(|object| {
                    object.number("pcr", event.pcr.into());
                    object.number("type", event.kind.into());
                    object.text("digest", &event.digest.to_string());
                });
            }
        });
    })
}
