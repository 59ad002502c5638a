// SPDX-License-Identifier: GPL-2.0

//! Runs and totals of entries that need not be looked at one by one.

use super::{
    sink::{
        Room,
        Sink, //
    },
    Form,
    Looked,
    Walk,
    LEAST_ROOM,
    LOOKS_PER_LOCK, //
};
use crate::{
    mm::tables::Scan,
    pt::{
        page::PageKind,
        scan::{
            Above,
            Look,
            Same, //
        }, //
    },
    sys::scratch::zeroed, //
};
use kernel::prelude::*;

/// Room for what is seen under one hold of the lock: most tables are one run or two.
const RUNS: usize = 128;

/// What was seen under one hold of the lock.
struct Seen {
    same: KVec<Same>,
    /// Each look, and how many of `same` are its own.
    looks: KVec<(Look, usize)>,
}

impl Walk<'_> {
    /// The forms runs and counts.
    pub(super) fn summary(&mut self, form: Form) -> Result {
        let scan = Scan::new(&self.masks());
        let mut reader = self.reader();
        let mut sink = Sink::new(form)?;
        let mut seen = Seen {
            same: zeroed(self.room().min(RUNS))?,
            looks: KVec::with_capacity(LOOKS_PER_LOCK, GFP_KERNEL)?,
        };
        while self.goes_on() {
            self.see_same(&scan, &mut seen)?;
            let mut all = seen.same.iter();
            for (look, runs) in &seen.looks {
                let mut va = look.start;
                for same in all.by_ref().take(*runs) {
                    let piece = reader.piece(look, va, same, PageKind::Unknown);
                    va = piece.end;
                    if !self.filter.passes(piece.facts, piece.raw) {
                        continue;
                    }
                    if let Room::None(at) = sink.take(self, &reader, piece)? {
                        self.at = at;
                        return Ok(());
                    }
                }
            }
        }
        if let Room::None(at) = sink.finish(self)? {
            self.at = at;
        }
        Ok(())
    }

    /// Looks at tables from where the walk is.
    fn see_same(&mut self, scan: &Scan, seen: &mut Seen) -> Result {
        let Seen { same, looks } = seen;
        let (format, geometry) = (self.format, self.geometry);
        let mut used = 0;
        let mut above = Above::new();
        looks.clear();
        self.visit(|tables, va, end| {
            let room = same.get_mut(used..).unwrap_or_default();
            if room.len() < LEAST_ROOM {
                return Ok(Looked::Full);
            }
            let (snapshot, runs) = tables.scan(scan, va, end, room)?;
            let first = room.first().copied().unwrap_or_default();
            if first.became_table(&format, snapshot.reached) {
                return Ok(Looked::UpTo(va));
            }
            let limits = above.limits(&format, &geometry, &snapshot);
            let look = Look::new(&geometry, &snapshot, limits, va, end, tables.start());
            looks.push((look, runs), GFP_KERNEL)?;
            used += runs;
            Ok(Looked::UpTo(look.end))
        })
    }
}
