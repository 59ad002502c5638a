// SPDX-License-Identifier: GPL-2.0

//! Whole tables, as they stand in memory.

use super::{
    Looked,
    Walk,
    LEAST_ROOM, //
};
use crate::{
    ffi::uapi::mmlens_table,
    mm::tables::{
        Scan,
        WINDOW, //
    },
    pt::{
        entry::Raw,
        facts::Facts,
        filter::Filter,
        level::Level,
        scan::Same, //
    },
    sys::scratch::zeroed, //
};
use kernel::prelude::*;

/// Words of the heading of a record.
const HEADING: usize = size_of::<mmlens_table>() / size_of::<u64>();
/// Bytes of the largest record.
pub(super) const RECORD: usize = (HEADING + WINDOW) * size_of::<u64>();
impl Walk<'_> {
    /// The level that the filter asks for, [`Level::Pte`] if none.
    ///
    /// Errors: `EINVAL` if it asks for anything else, or for a level that this machine does not have.
    fn table_level(&self) -> Result<Level> {
        let Facts(wanted) = self.filter.required;
        let level = match wanted {
            0 => Level::Pte,
            _ => Facts(wanted).level().ok_or(EINVAL)?,
        };
        let plain = Filter {
            required: Facts(wanted & Facts::of_level(level).0),
            ..Filter::ALL
        };
        if self.filter != plain || self.geometry.is_folded(level) {
            return Err(EINVAL);
        }
        Ok(level)
    }

    /// The form tables. `top` is the exclusive end of what is for user space.
    ///
    /// A table that serves several VMAs is there once; one of more than [`WINDOW`] entries in several
    /// records.
    pub(super) fn tables(&mut self, top: u64) -> Result {
        let level = self.table_level()?;
        let covered = self.geometry.size(level).saturating_mul(WINDOW as u64);
        let geometry = self.geometry;
        let scan = Scan::new(&self.masks());
        let mut words = zeroed::<Raw>(WINDOW)?;
        let mut same = zeroed::<Same>(LEAST_ROOM)?;
        while self.goes_on() && self.out.room() >= HEADING + WINDOW {
            let mut found = None;
            self.visit(|tables, va, end| {
                if found.is_some() {
                    return Ok(Looked::Full);
                }
                let start = va & !(covered - 1);
                let next = start.saturating_add(covered);
                let snapshot = tables.whole(start..next.min(top), va, level, &mut words)?;
                if snapshot.count > 0 {
                    found = Some((start, snapshot.address, snapshot.count));
                    return Ok(Looked::UpTo(next));
                }
                // The way ends above, maybe for its neighbours too.
                let (snapshot, _) = tables.scan(&scan, va, end, &mut same)?;
                let size = geometry.size(snapshot.reached);
                let passed = size.saturating_mul(snapshot.count as u64);
                let first = geometry.entry_start(va, snapshot.reached);
                Ok(Looked::UpTo(first.saturating_add(passed)))
            })?;
            if let Some((start, at, count)) = found {
                self.out.put(&[start, at, heading(level, count)])?;
                self.out.put_raws(words.get(..count).unwrap_or_default())?;
                self.records += 1;
            }
        }
        self.at = self.at.min(self.end);
        Ok(())
    }
}

/// The two halves of the last word of a heading, as they stand in memory.
fn heading(level: Level, count: usize) -> u64 {
    let [a, b, c, d] = u32::from(level.number()).to_ne_bytes();
    let [e, f, g, h] = (count as u32).to_ne_bytes();
    u64::from_ne_bytes([a, b, c, d, e, f, g, h])
}
