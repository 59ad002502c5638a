// SPDX-License-Identifier: GPL-2.0

//! One question about an address space.

use crate::{
    device::Device,
    raw::ioctl,
    record::Vma, //
    sys,
};
use mmlens_core::pt::{
    entry::Raw,
    facts::Facts,
    level::{Level, LEVELS}, //
};
use std::{io, os::fd::AsFd};

/// The entry of a level on the way to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// The level.
    pub level: Level,
    /// The entry.
    pub raw: Raw,
    /// Its physical address.
    pub at: u64,
    /// What can be said of it.
    pub facts: Facts,
}

/// How an address is translated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Translation {
    /// The VMA, if the address is in one.
    pub vma: Option<Vma>,
    /// From the top down.
    pub steps: Vec<Step>,
    /// The physical address, if the address is mapped.
    pub physical: Option<u64>,
}

/// Room for a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gap {
    /// The lowest room that is large enough.
    pub lowest: Option<(u64, u64)>,
    /// The highest one.
    pub highest: Option<(u64, u64)>,
    /// Where `mmap()` would put it, if that can be told.
    pub chosen: Option<u64>,
}

/// Asks about one address space.
#[derive(Clone, Debug)]
pub struct Query<'a> {
    device: &'a Device,
    pid: i32,
    space: u64,
}

impl Device {
    /// To ask about the address space of a process; 0 is the caller.
    pub fn query(&self, pid: i32) -> Query<'_> {
        Query {
            device: self,
            pid,
            space: 0,
        }
    }
}

/// `ENOENT` is an answer.
fn if_any<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Err(error) if error.raw_os_error() == Some(libc::ENOENT) => Ok(None),
        other => other.map(Some),
    }
}

impl Query<'_> {
    fn ask(&mut self, what: u32, address: u64, length: u64) -> io::Result<sys::mmlens_query> {
        let mut query = sys::mmlens_query {
            what,
            pid: self.pid,
            address,
            length,
            space: self.space,
            ..Default::default()
        };
        ioctl(self.device.as_fd(), sys::IOC_QUERY, &mut query)?;
        self.space = query.space;
        Ok(query)
    }

    /// The VMA with `address`, or else the next one above.
    pub fn find_vma(&mut self, address: u64) -> io::Result<Option<Vma>> {
        let found = if_any(self.ask(sys::MMLENS_QUERY_FIND_VMA, address, 0))?;
        Ok(found.map(|query| Vma::from_sys(&query.vma, &[])))
    }

    /// The same, and the one below `address`.
    pub fn find_vma_prev(&mut self, address: u64) -> io::Result<(Option<Vma>, Option<Vma>)> {
        let found = if_any(self.ask(sys::MMLENS_QUERY_FIND_VMA_PREV, address, 0))?;
        let vma = |vma: &sys::mmlens_vma| {
            Some(vma)
                .filter(|v| v.start != v.end)
                .map(|v| Vma::from_sys(v, &[]))
        };
        Ok(found.map_or((None, None), |query| (vma(&query.vma), vma(&query.prev))))
    }

    /// The first VMA that has a part in `address` to `address + length`.
    pub fn intersection(&mut self, address: u64, length: u64) -> io::Result<Option<Vma>> {
        let found = if_any(self.ask(sys::MMLENS_QUERY_INTERSECTION, address, length))?;
        Ok(found.map(|query| Vma::from_sys(&query.vma, &[])))
    }

    /// Where there is room.
    pub fn gap(&mut self, length: u64) -> io::Result<Gap> {
        let known = |address: u64| Some(address).filter(|&address| address != u64::MAX);
        let query = match if_any(self.ask(sys::MMLENS_QUERY_GAP, 0, length))? {
            Some(query) => query,
            None => {
                return Ok(Gap {
                    lowest: None,
                    highest: None,
                    chosen: None,
                })
            }
        };
        Ok(Gap {
            lowest: known(query.lowest).map(|start| (start, query.lowest_end)),
            highest: known(query.highest).map(|start| (start, query.highest_end)),
            chosen: known(query.chosen),
        })
    }

    /// The way down to `address`.
    pub fn translate(&mut self, address: u64) -> io::Result<Option<Translation>> {
        let found = if_any(self.ask(sys::MMLENS_QUERY_TRANSLATE, address, 0))?;
        Ok(found.map(|query| translation(&query)))
    }
}

pub(crate) fn translation(query: &sys::mmlens_query) -> Translation {
    let step = |level: Level| {
        let step = query.step.get(usize::from(level.number()) % LEVELS)?;
        (step.flags != 0).then_some(Step {
            level,
            raw: Raw(step.raw),
            at: step.at,
            facts: Facts(step.flags),
        })
    };
    Translation {
        vma: Some(&query.vma)
            .filter(|vma| vma.start != vma.end)
            .map(|vma| Vma::from_sys(vma, &[])),
        steps: Level::TOP_DOWN.into_iter().filter_map(step).collect(),
        physical: Some(query.physical).filter(|&physical| physical != u64::MAX),
    }
}
