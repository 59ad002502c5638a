// SPDX-License-Identifier: GPL-2.0

//! The snapshot of a process, while it is taken.

use super::{Head, Source, TableUse, VERSION};
use crate::{
    error::{Error, Result},
    extent::{Extent, Joiner, Shape},
    matching::Lens,
    target::Target,
};
use mmlens_core::pt::{facts::Facts, filter::Filter, level::Level};
use mmlens_device::{Entry, Records, Table, Vma};
use std::{
    fs, io,
    time::{SystemTime, UNIX_EPOCH},
};

/// What is in a snapshot: all but holes and tables.
const WANTED: Filter = Filter {
    excluded: Facts(Facts::HOLE.0 | Facts::TABLE.0),
    ..Filter::ALL
};

/// A process that is being looked at. It is not stopped: what changes meanwhile is seen as it was at
/// one time or another.
pub struct Live<'a> {
    lens: &'a Lens,
    head: Head,
    vmas: Vec<Vma>,
    space: u64,
    entries: Records<'a, Entry>,
    joiner: Joiner,
    vma: usize,
    is_done: bool,
    /// The levels whose tables are still to come, and those of the present one.
    levels: Vec<Level>,
    tables: Option<Records<'a, Table>>,
}

impl<'a> Live<'a> {
    pub fn begin(lens: &'a Lens, target: &Target) -> Result<Self> {
        let pid = target.pid;
        let mut records = lens.device.walk(pid).names().vmas();
        let vmas = records.by_ref().collect::<io::Result<Vec<Vma>>>();
        let vmas = vmas.map_err(|error| Error::of_process(error, pid))?;
        let space = records.space();
        let walk = lens.device.walk(pid).in_space(space);
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let time = SystemTime::now().duration_since(UNIX_EPOCH);
        Ok(Self {
            lens,
            head: Head {
                version: VERSION,
                pid,
                comm: target.comm.clone(),
                kernel: kernel.trim_end().to_string(),
                time: time.map_or(0, |time| time.as_secs()),
                machine: lens.machine.clone(),
            },
            vmas,
            space,
            entries: walk.filter(&WANTED).pages().entries(),
            joiner: Joiner::new(lens.shape, true),
            vma: 0,
            is_done: false,
            levels: lens.machine.levels().collect(),
            tables: None,
        })
    }

    fn of_process<T>(&self, result: io::Result<T>) -> Result<T> {
        result.map_err(|error| Error::of_process(error, self.head.pid))
    }

    /// The VMA that an address is in, or that is next, and its end if it is that.
    fn place(&mut self, extent: &Extent) -> (usize, u64) {
        while let Some(vma) = self.vmas.get(self.vma) {
            if extent.start < vma.end {
                let is_in = vma.start <= extent.start;
                let limit = if is_in { vma.end } else { vma.start };
                return (2 * self.vma + usize::from(is_in), limit);
            }
            self.vma += 1;
        }
        (2 * self.vma, u64::MAX)
    }
}

impl Source for Live<'_> {
    fn head(&self) -> &Head {
        &self.head
    }

    fn vmas(&self) -> &[Vma] {
        &self.vmas
    }

    fn shape(&self) -> Shape {
        self.lens.shape
    }

    fn run(&mut self) -> Result<Option<Extent>> {
        while !self.is_done {
            let next = self.entries.next().transpose();
            let Some(entry) = self.of_process(next)? else {
                self.is_done = true;
                break;
            };
            let extent = self.lens.shape.extent_of(&entry);
            let (vma, limit) = self.place(&extent);
            let end = extent.end.min(limit);
            if let Some((_, complete)) = self.joiner.push(vma, Extent { end, ..extent }) {
                return Ok(Some(complete));
            }
        }
        Ok(self.joiner.finish().map(|(_, complete)| complete))
    }

    fn table(&mut self) -> Result<Option<TableUse>> {
        loop {
            if let Some(tables) = &mut self.tables {
                let next = tables.next().transpose();
                if let Some(table) = self.of_process(next)? {
                    let used = table.entries.iter().filter(|&&raw| raw != 0).count();
                    return Ok(Some(TableUse {
                        start: table.start,
                        at: table.at,
                        level: table.level,
                        entries: table.entries.len() as u32,
                        used: used as u32,
                    }));
                }
            }
            if self.levels.is_empty() {
                return Ok(None);
            }
            let filter = Filter {
                required: Facts::of_level(self.levels.remove(0)),
                ..Filter::ALL
            };
            let walk = self.lens.device.walk(self.head.pid).in_space(self.space);
            self.tables = Some(walk.filter(&filter).tables());
        }
    }
}
