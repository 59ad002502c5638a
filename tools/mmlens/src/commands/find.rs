// SPDX-License-Identifier: GPL-2.0

//! `mmlens find`: which VMA.

use crate::{
    context::Context,
    error::{Error, Outcome, Result},
    output::table::Table,
    parse, space,
    target::Place,
};
use mmlens_device::{Machine, Vma};
use serde::Serialize;

/// Finds the VMA with an address, or else the next one above
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
    /// The VMA below as well
    #[arg(long, conflicts_with = "until")]
    prev: bool,
    /// The first VMA with addresses from ADDR up to B, which is exclusive
    #[arg(long, value_name = "B", value_parser = parse::address)]
    until: Option<u64>,
}

#[derive(Serialize)]
struct Data {
    pid: i32,
    comm: String,
    vma: Option<space::VmaJson>,
    prev: Option<space::VmaJson>,
    /// Whether the address, or a part of the range, is in the VMA.
    contains: bool,
}

impl Args {
    pub fn run(&self, context: &mut Context) -> Result<Outcome> {
        let target = self.place.target()?;
        let explain = |error| Error::of_process(error, target.pid);
        let mut query = context.device()?.query(target.pid);
        let (vma, prev) = match self.until {
            Some(end) => {
                let length = end
                    .checked_sub(self.place.address)
                    .filter(|&length| length > 0);
                let length = length.ok_or_else(|| {
                    Error::usage("the range ends before it begins")
                        .hint("--until <an address above>")
                })?;
                (
                    query
                        .intersection(self.place.address, length)
                        .map_err(explain)?,
                    None,
                )
            }
            None if self.prev => query.find_vma_prev(self.place.address).map_err(explain)?,
            None => (query.find_vma(self.place.address).map_err(explain)?, None),
        };
        let named = |vma: Option<Vma>| vma.map(|vma| name(context, target.pid, vma)).transpose();
        let (vma, prev) = (named(vma)?, named(prev)?);
        let outcome = match (&vma, &prev) {
            (None, None) => Outcome::Found,
            _ => Outcome::Done,
        };
        let machine = context.machine()?.clone();
        let last = self.until.map_or(self.place.address, |end| end - 1);
        let contains = vma.as_ref().is_some_and(|vma| vma.start <= last);
        if context.json {
            let json = |vma: &Vma| space::VmaJson::new(&machine, vma);
            let data = Data {
                pid: target.pid,
                comm: target.comm,
                vma: vma.as_ref().map(json),
                prev: prev.as_ref().map(json),
                contains,
            };
            context.print_json("find", &data)?;
        } else {
            print(context, &machine, vma, prev, contains)?;
        }
        Ok(outcome)
    }
}

/// What the answer to a query leaves out.
fn name(context: &Context, pid: i32, mut vma: Vma) -> Result<Vma> {
    let mut records = context
        .device()?
        .walk(pid)
        .range(vma.start, vma.end)
        .names()
        .vmas();
    let same = records
        .next()
        .transpose()
        .map_err(|error| Error::of_process(error, pid))?;
    // It may have changed since; then it has no name here.
    if let Some(same) = same.filter(|same| same.start == vma.start) {
        vma.name = same.name;
    }
    Ok(vma)
}

fn print(
    context: &mut Context,
    machine: &Machine,
    vma: Option<Vma>,
    prev: Option<Vma>,
    contains: bool,
) -> Result<()> {
    if vma.is_none() && prev.is_none() {
        return context.out.line("none");
    }
    let mut table = Table::new(&["", "range", ">size", "rights", "name", "flags"]);
    for (what, vma) in [
        ("below", prev),
        (if contains { "here" } else { "above" }, vma),
    ] {
        if let Some(vma) = vma {
            let [range, size, rights, name, flags] = space::cells_of(machine, &vma);
            table.row([what.into(), range, size, rights, name, flags]);
        }
    }
    table.print(&mut context.out)
}
