//! `turnout-sign predict`: what the PCRs hold in a system that Turnout has
//! started, from the same code that measures on the device.

use crate::signing::entry::BootEntry;
use crate::signing::sign::{self, Admitted, Target};
use anyhow::{Context as _, Result};
use clap::Args;
use turnout::base::json;
use turnout::measure::{self, Boundary, Sections};
use turnout::tpm::log::{Event, replay};
use turnout::trust::Role;
use turnout::trust::allowed_signers::KeyRing;
use turnout::trust::manifest::System;
use turnout::trust::policy::Policy;
use turnout::trust::slots::{Slot, SlotValues};
use turnout::trust::verify::{Attested, Mode};

use super::Verdict;
use super::files::Anchor;
use super::select::Entries;

#[derive(Args)]
pub(super) struct Predict {
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
    pub(super) fn run(&self) -> Result<Verdict> {
        let (ring, policy) = self.anchor.read()?;
        let mut verdict = Verdict::Good;
        for id in self.entries.ids()? {
            match self.starts(&id, &ring, &policy).with_context(|| id.clone())? {
                Ok(starts) if self.json => {
                    starts.iter().for_each(|start| println!("{}", as_json(&id, start)));
                }
                Ok(starts) => starts.iter().for_each(|start| print(&id, start)),
                Err(refusal) => {
                    println!("{refusal}");
                    verdict = Verdict::Refused;
                }
            }
        }
        Ok(verdict)
    }

    /// A boot of the entry for each value that can be filled into its command line, or
    /// why a device would not boot it.
    fn starts(
        &self,
        id: &str,
        ring: &KeyRing,
        policy: &Policy,
    ) -> Result<Result<Vec<Start>, String>> {
        let boot = self.entries.read(id, self.board.as_slice())?;
        let arch = boot.architecture(self.entries.architecture)?;
        let target = Target { arch, boards: Vec::new(), devices: Vec::new() };
        let admit = |boot: BootEntry| {
            let root = boot.root.clone();
            let admitted = sign::admit(&root, boot, &target, ring, policy)?;
            anyhow::Ok(admitted.map_err(|why| format!("refused {id}: {}: {why}", why.code())))
        };
        let one = match admit(boot.clone())? {
            Ok(admitted) => admitted,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let declared = declared(&one.0);
        if !declared.iter().any(|slot| matches!(slot, Slot::Name | Slot::Tries)) {
            return Ok(Ok(vec![Start { values: Vec::new(), events: self.events(&one)? }]));
        }
        let mut starts = Vec::new();
        for values in self.entries.values(&boot, declared) {
            let filled = filled(&values, declared);
            match admit(BootEntry { values, ..boot.clone() })? {
                Ok(admitted) => {
                    starts.push(Start { values: filled, events: self.events(&admitted)? });
                }
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
        Ok(Ok(starts))
    }

    /// All events of a boot.
    fn events(&self, (attested, bundle): &Admitted) -> Result<Vec<Event>> {
        let mode = if self.open { Mode::Open } else { Mode::Locked };
        let mut events = match attested.role() {
            Role::Boot => Vec::new(),
            Role::Recovery => Boundary::Recovery.events().to_vec(),
        };
        let sections = self.measure_uki.then_some(Sections { board: self.board.as_deref() });
        events.extend(measure::entry(mode, attested, bundle, sections)?);
        Ok(events)
    }
}

/// A boot of an entry.
struct Start {
    /// What is filled into its command line and differs from one boot to another.
    values: Vec<(Slot, String)>,
    events: Vec<Event>,
}

/// What a manifest leaves open.
fn declared(attested: &Attested) -> &[Slot] {
    match attested {
        Attested::Signed(signed) => match &signed.manifest().system {
            System::Linux(linux) => &linux.slots,
            System::Uki(_) => &[],
        },
        Attested::Unsigned(_) => &[],
    }
}

fn filled(values: &SlotValues, declared: &[Slot]) -> Vec<(Slot, String)> {
    let value = |slot: Slot| match slot {
        // A device that measures has come by its menu.
        Slot::Entry | Slot::Boot => None,
        Slot::Tries => values.tries.map(|tries| tries.to_string()),
        Slot::Name => values.name.clone(),
    };
    declared.iter().filter_map(|slot| Some((*slot, value(*slot)?))).collect()
}

/// The PCRs that the events extend, in the order of their numbers.
fn pcrs(events: &[Event]) -> Vec<u32> {
    let all = [measure::DECISION, measure::FILES, measure::UKI];
    all.into_iter().filter(|pcr| events.iter().any(|event| event.pcr == *pcr)).collect()
}

fn print(id: &str, start: &Start) {
    let Start { values, events } = start;
    let told: String = values.iter().map(|(slot, value)| format!(" {slot}={value}")).collect();
    for pcr in pcrs(events) {
        println!("{id}{told}: PCR {pcr} sha256 {}", replay(events, pcr).0);
    }
}

fn as_json(id: &str, start: &Start) -> String {
    let Start { values, events } = start;
    json::object(|object| {
        object.text("entry", id);
        object.object("slots", |object| {
            values.iter().for_each(|(slot, value)| object.text(slot.name(), value));
        });
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
