// SPDX-License-Identifier: GPL-2.0

//! `mmlens maps`: the VMAs.

use crate::{
    context::Context,
    error::{Error, Outcome, Result},
    output::{
        color::QUIET,
        progress::Progress,
        table::{Cell, Table},
    },
    space,
    target::Target,
};
use mmlens_core::{pt::facts::Facts, text::About};
use mmlens_device::{Run, Vma};
use serde::Serialize;
use std::io;

/// Lists the VMAs: names, rights, flags, and what is mapped in them
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which process
    pid: String,
}

#[derive(Serialize)]
struct Data {
    pid: i32,
    comm: String,
    vmas: Vec<VmaData>,
}

#[derive(Serialize)]
struct VmaData {
    #[serde(flatten)]
    vma: space::VmaJson,
    #[serde(flatten)]
    tally: Tally,
}

/// What the tables have for a VMA, in bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Tally {
    mapped_bytes: u64,
    /// Of these in huge leaves.
    huge_bytes: u64,
    swapped_bytes: u64,
    /// Guards and other notes of the kernel.
    noted_bytes: u64,
}

impl Tally {
    fn add(&mut self, run: &Run) {
        let bytes = run.end - run.start;
        let facts = run.facts;
        if facts.has(Facts::PRESENT) {
            self.mapped_bytes += bytes;
            if !facts.has(Facts::PTE) {
                self.huge_bytes += bytes;
            }
        } else if facts.has(Facts::SWAP) {
            self.swapped_bytes += bytes;
        } else if facts.has(Facts::NONPRESENT) {
            self.noted_bytes += bytes;
        }
    }
}

/// What there is of each VMA. Runs in none of them came since, and are left out.
fn tallies(vmas: &[Vma], runs: impl Iterator<Item = io::Result<Run>>) -> io::Result<Vec<Tally>> {
    let mut tallies = vec![Tally::default(); vmas.len()];
    let mut progress = Progress::new("looking", vmas.len() as u64);
    for run in runs {
        let run = run?;
        let at = vmas.partition_point(|vma| vma.end <= run.start);
        let is_in = vmas.get(at).is_some_and(|vma| vma.start <= run.start);
        if let Some(tally) = tallies.get_mut(at).filter(|_| is_in) {
            tally.add(&run);
        }
        progress.at(at as u64);
    }
    Ok(tallies)
}

impl Args {
    pub fn run(&self, context: &mut Context) -> Result<Outcome> {
        let target = Target::find(&self.pid)?;
        let (vmas, space) = space::vmas(context, target.pid)?;
        let walk = context.device()?.walk(target.pid).in_space(space);
        let tallies = tallies(&vmas, walk.filter(&space::NO_HOLES).runs())
            .map_err(|error| Error::of_process(error, target.pid))?;
        let machine = context.machine()?.clone();
        if context.json {
            let each = vmas.iter().zip(tallies).map(|(vma, tally)| VmaData {
                vma: space::VmaJson::new(&machine, vma),
                tally,
            });
            let data = Data {
                pid: target.pid,
                comm: target.comm,
                vmas: each.collect(),
            };
            context.print_json("maps", &data)?;
            return Ok(Outcome::Done);
        }
        let mut table = Table::new(&[
            "range", ">size", "rights", ">mapped", ">huge", ">swap", ">notes", "name", "flags",
        ]);
        for (vma, tally) in vmas.iter().zip(tallies) {
            let [range, size, rights, name, flags] = space::cells_of(&machine, vma);
            let [mapped, huge, swap, notes] = [
                tally.mapped_bytes,
                tally.huge_bytes,
                tally.swapped_bytes,
                tally.noted_bytes,
            ]
            .map(bytes);
            table.row([range, size, rights, mapped, huge, swap, notes, name, flags]);
        }
        table.print(&mut context.out)?;
        Ok(Outcome::Done)
    }
}

fn bytes(bytes: u64) -> Cell {
    match bytes {
        0 => Cell::styled("-", QUIET),
        some => About(some).to_string().into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mmlens_core::pt::entry::Raw;

    #[test]
    fn runs_count_for_their_vma() {
        let vma = |start, end| Vma {
            start,
            end,
            ..Vma::default()
        };
        let run = |start, end, facts| {
            Ok(Run {
                start,
                end,
                raw: Raw(0),
                place: None,
                facts,
            })
        };
        let vmas = [vma(0x1000, 0x3000), vma(0x20_0000, 0x60_0000)];
        let runs = [
            run(0x1000, 0x2000, Facts::PTE.with(Facts::PRESENT)),
            run(
                0x2000,
                0x3000,
                Facts::PTE.with(Facts::NONPRESENT).with(Facts::GUARD),
            ),
            // Not of a VMA that is known.
            run(0x8000, 0x9000, Facts::PTE.with(Facts::PRESENT)),
            run(0x20_0000, 0x40_0000, Facts::PMD.with(Facts::PRESENT)),
            run(
                0x40_0000,
                0x40_1000,
                Facts::PTE.with(Facts::NONPRESENT).with(Facts::SWAP),
            ),
        ];
        let found = tallies(&vmas, runs.into_iter()).unwrap_or_default();
        let [first, second] = [
            Tally {
                mapped_bytes: 0x1000,
                noted_bytes: 0x1000,
                ..Tally::default()
            },
            Tally {
                mapped_bytes: 2 << 20,
                huge_bytes: 2 << 20,
                swapped_bytes: 0x1000,
                ..Tally::default()
            },
        ];
        assert_eq!(found, [first, second]);
    }
}
