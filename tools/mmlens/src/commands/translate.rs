// SPDX-License-Identifier: GPL-2.0

//! `mmlens translate`: the way from an address to memory.

use crate::{
    context::Context,
    error::{Error, Outcome, Result},
    output::json::{words, Hex},
    space,
    target::{Place, Target},
};
use mmlens_core::pt::show::ENTRY_COLUMNS;
use mmlens_device::{Entry, Machine, Step};
use serde::Serialize;

/// Shows the entry of each level for an address, and the physical address
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Data {
    pid: i32,
    comm: String,
    address: Hex,
    steps: Vec<StepJson>,
    physical: Option<Hex>,
}

#[derive(Serialize)]
struct StepJson {
    level: &'static str,
    /// Physical address of the entry.
    at: Hex,
    raw: Hex,
    facts: Vec<&'static str>,
    bits: Vec<String>,
}

impl StepJson {
    fn new(machine: &Machine, step: &Step) -> Self {
        Self {
            level: step.level.name(),
            at: Hex(step.at),
            raw: Hex(step.raw.0),
            facts: words(step.facts),
            bits: machine.format().flags(step.raw, step.level),
        }
    }
}

impl Args {
    pub fn run(&self, context: &mut Context) -> Result<Outcome> {
        let target = self.place.target()?;
        let machine = context.machine()?.clone();
        let geometry = machine.geometry().map_err(Error::of_ioctl)?;
        let mut query = context.device()?.query(target.pid);
        let explain = |error| Error::of_process(error, target.pid);
        let Some(way) = query.translate(self.place.address).map_err(explain)? else {
            return not_found(context, &target, self.place.address);
        };
        let outcome = match way.physical {
            Some(_) => Outcome::Done,
            None => Outcome::Found,
        };
        if context.json {
            let data = Data {
                pid: target.pid,
                comm: target.comm,
                address: Hex(self.place.address),
                steps: way
                    .steps
                    .iter()
                    .map(|step| StepJson::new(&machine, step))
                    .collect(),
                physical: way.physical.map(Hex),
            };
            context.print_json("translate", &data)?;
            return Ok(outcome);
        }
        let format = machine.format();
        let about = way.vma.as_ref().map(space::context_of).unwrap_or_default();
        context.out.text(ENTRY_COLUMNS)?;
        for step in &way.steps {
            let entry = Entry {
                address: self.place.address,
                raw: step.raw,
                facts: step.facts,
            };
            let mut line = String::new();
            format
                .write_entry(&mut line, &geometry, &about, step.at, &entry)
                .map_err(Error::other)?;
            context.out.text(&line)?;
        }
        match way.physical {
            Some(physical) => context.out.line(format_args!("physical:  {physical:#x}"))?,
            None => context.out.line("physical:  none")?,
        }
        Ok(outcome)
    }
}

/// An address in no VMA.
fn not_found(context: &mut Context, target: &Target, address: u64) -> Result<Outcome> {
    if context.json {
        let data = Data {
            pid: target.pid,
            comm: target.comm.clone(),
            address: Hex(address),
            steps: Vec::new(),
            physical: None,
        };
        context.print_json("translate", &data)?;
    } else {
        context
            .out
            .line(format_args!("none: no VMA contains {address:016x}"))?;
    }
    Ok(Outcome::Found)
}
