// SPDX-License-Identifier: GPL-2.0

//! The way down to one address: the entry of each level.

use super::{
    entry::{
        Entry,
        Raw, //
    },
    format::Format,
    level::{
        Geometry,
        Level,
        LEVELS, //
    },
    walk::{
        Found,
        Span,
        Step,
        Tables, //
    }, //
};
use core::ops::Range;

/// A way that changes while one goes down is gone again so often.
const TRIES: usize = 4;

/// The entries that translate an address, from the top table to where the way ends.
#[derive(Clone, Copy, Debug)]
pub struct Way {
    found: [Option<Found>; LEVELS],
    /// Whether all entries were there at one instant.
    pub is_steady: bool,
}

impl Way {
    /// Goes down to `va`, which is in `bounds`; entries are cut to these.
    ///
    /// Each level is looked at by itself, since only then it is known where the entry stands; the
    /// last look passes all of them again, and shows whether they are the same.
    pub fn down<T: Tables, F: Format>(
        geometry: &Geometry,
        format: &F,
        tables: &mut T,
        va: u64,
        bounds: &Range<u64>,
    ) -> Result<Self, T::Error> {
        let mut way = Self::once(geometry, format, tables, va, bounds)?;
        for _ in 1..TRIES {
            if way.is_steady {
                break;
            }
            way = Self::once(geometry, format, tables, va, bounds)?;
        }
        Ok(way)
    }

    fn once<T: Tables, F: Format>(
        geometry: &Geometry,
        format: &F,
        tables: &mut T,
        va: u64,
        bounds: &Range<u64>,
    ) -> Result<Self, T::Error> {
        let mut way = Self {
            found: [None; LEVELS],
            is_steady: false,
        };
        for level in geometry.levels() {
            let span = Span {
                level,
                start: geometry.entry_start(va, level).max(bounds.start),
                end: geometry.entry_end(va, level).min(bounds.end),
            };
            let mut entry = [Raw(0)];
            let step = Step::take(geometry, tables, span, &mut entry)?;
            let Some(found) = step.found(format, geometry, &entry).next() else {
                // What was a table above is none any more.
                way.is_steady = false;
                break;
            };
            let is_same = |above: &Found| {
                let now = step.above(above.level);
                format.decode(now, above.level) == above.entry
            };
            let is_steady = way.iter().all(is_same);
            way.is_steady = is_steady;
            if let Some(slot) = way.found.get_mut(usize::from(level.number())) {
                *slot = Some(found);
            }
            if !matches!(found.entry, Entry::Table { .. }) {
                break;
            }
        }
        Ok(way)
    }

    /// The entries from the top down.
    pub fn iter(&self) -> impl Iterator<Item = &Found> {
        self.found.iter().rev().flatten()
    }

    /// Where the way ends: the lowest entry.
    pub fn end(&self) -> Option<&Found> {
        self.found.iter().flatten().next()
    }

    /// The same, to note what page it maps.
    pub fn end_mut(&mut self) -> Option<&mut Found> {
        self.found.iter_mut().flatten().next()
    }

    /// The physical address of `va`, if it is mapped.
    pub fn physical(&self, geometry: &Geometry, va: u64) -> Option<u64> {
        let end = self.end()?;
        let Entry::Leaf { pfn } = end.entry else {
            return None;
        };
        let start = pfn.checked_mul(geometry.page_size())?;
        start.checked_add(va - geometry.entry_start(va, end.level))
    }

    /// The entry of `level`, if the way goes so far down.
    pub fn at(&self, level: Level) -> Option<&Found> {
        self.found.get(usize::from(level.number()))?.as_ref()
    }
}
