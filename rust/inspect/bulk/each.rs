// SPDX-License-Identifier: GPL-2.0

//! Entries one by one: the form entries, and any other whose filter or flags ask for it.

use super::{
    super::window::look_at_pages,
    sink::{
        Room,
        Sink, //
    },
    Form,
    Looked,
    Walk,
    LOOKS_PER_LOCK, //
};
use crate::{
    mm::tables::{
        VmaTables,
        WINDOW, //
    },
    pt::{
        entry::{
            Entry,
            Raw, //
        },
        facts::Facts,
        format::Format,
        level::{
            Geometry,
            Level, //
        },
        page::PageKind,
        scan::{
            Look,
            Reader,
            Same, //
        },
        walk::{
            Snapshot,
            Span,
            Tables, //
        },
        Native, //
    },
};
use kernel::prelude::*;

/// Room for what is seen under one hold of the lock.
const ENTRIES: usize = 4 * WINDOW;

/// What was seen under one hold of the lock.
struct Seen {
    raws: KVec<Raw>,
    /// The same, read once more after the look at the pages.
    again: KVec<Raw>,
    pages: KVec<PageKind>,
    /// Each look, and how many of the entries are its own.
    looks: KVec<(Look, usize)>,
}

impl Walk<'_> {
    /// The forms entries, runs and counts.
    pub(super) fn each(&mut self, form: Form) -> Result {
        let mut reader = self.reader();
        let mut sink = Sink::new(form)?;
        let mut facts = KVec::from_elem(Facts(0), WINDOW, GFP_KERNEL)?;
        let mut seen = Seen {
            raws: KVec::from_elem(Raw(0), ENTRIES, GFP_KERNEL)?,
            again: KVec::from_elem(Raw(0), WINDOW, GFP_KERNEL)?,
            pages: KVec::from_elem(PageKind::Unknown, ENTRIES, GFP_KERNEL)?,
            looks: KVec::with_capacity(LOOKS_PER_LOCK, GFP_KERNEL)?,
        };
        while self.goes_on() {
            self.see_each(&mut seen)?;
            let mut used = 0;
            for (look, count) in &seen.looks {
                let range = used..used + count;
                used = range.end;
                let raws = seen.raws.get(range.clone()).unwrap_or_default();
                let pages = seen.pages.get(range).unwrap_or_default();
                let room = match form {
                    Form::Entries => self.entries(&mut reader, look, raws, pages, &mut facts)?,
                    _ => self.pieces(&mut reader, look, raws, pages, &mut sink)?,
                };
                if let Room::None(at) = room {
                    self.at = at;
                    return Ok(());
                }
            }
        }
        if let Room::None(at) = sink.finish(self)? {
            self.at = at;
        }
        Ok(())
    }

    /// Puts a record for each entry that passes.
    fn entries(
        &mut self,
        reader: &mut Reader<Native>,
        look: &Look,
        raws: &[Raw],
        pages: &[PageKind],
        facts: &mut [Facts],
    ) -> Result<Room> {
        let size = self.geometry.size(look.level);
        let first = self.geometry.entry_start(look.start, look.level);
        // As many as fit if they all pass.
        let count = raws.len().min(self.out.room() / 3);
        let raws_now = raws.get(..count).unwrap_or_default();
        let mut mask = 0;
        let mut last = (Raw(0), PageKind::Unknown, Facts(0));
        for ((&raw, &page), facts) in raws_now.iter().zip(pages).zip(facts.iter_mut()) {
            // Neighbours are alike, most often.
            if mask == 0 || (raw.0 ^ last.0 .0) & mask != 0 || page != last.1 {
                let known = reader.facts(look, raw, page);
                mask = if known.has(Facts::PRESENT) {
                    reader.mask(look.level)
                } else {
                    u64::MAX
                };
                last = (raw, page, known.when(self.filter.passes(known, raw)));
            }
            *facts = last.2;
        }
        if self.filter.is_of_places() {
            for (&raw, facts) in raws_now.iter().zip(facts.iter_mut()) {
                let place = physical(&self.format, &self.geometry, look.level, raw);
                *facts = facts.when(self.filter.passes_place(place, size));
            }
        }
        let facts = facts.get(..count).unwrap_or_default();
        self.records += self
            .out
            .put_entries(look.start, first, size, raws_now, facts)? as u64;
        Ok(if count == raws.len() {
            Room::Enough
        } else {
            Room::None((first + count as u64 * size).max(look.start))
        })
    }

    /// Gives the entries that pass to `sink`.
    fn pieces(
        &mut self,
        reader: &mut Reader<Native>,
        look: &Look,
        raws: &[Raw],
        pages: &[PageKind],
        sink: &mut Sink,
    ) -> Result<Room> {
        let size = self.geometry.size(look.level);
        let mut va = look.start;
        for (&raw, &page) in raws.iter().zip(pages) {
            let same = Same {
                raw,
                count: 1,
                in_order: 1,
            };
            let piece = reader.piece(look, va, &same, page);
            va = piece.end;
            let place = piece.physical(&self.geometry);
            if !self.filter.passes(piece.facts, raw) || !self.filter.passes_place(place, size) {
                continue;
            }
            if let Room::None(at) = sink.take(self, reader, piece)? {
                return Ok(Room::None(at));
            }
        }
        Ok(Room::Enough)
    }

    /// Looks at tables from where the walk is.
    fn see_each(&mut self, seen: &mut Seen) -> Result {
        let Seen {
            raws,
            again,
            pages,
            looks,
        } = seen;
        let (format, geometry) = (self.format, self.geometry);
        let wants_pages = self.pages;
        let mut used = 0;
        looks.clear();
        self.visit(|tables, va, end| {
            let room = raws.get_mut(used..).unwrap_or_default();
            if room.len() < WINDOW {
                return Ok(Looked::Full);
            }
            let Some((snapshot, look)) = lowest(&format, &geometry, tables, va, end, room)? else {
                return Ok(Looked::UpTo(va));
            };
            let range = used..used + snapshot.count;
            let pages = pages.get_mut(range.clone()).unwrap_or_default();
            pages.fill(PageKind::Unknown);
            if wants_pages {
                let span = Span {
                    level: look.level,
                    start: va,
                    end: look.end,
                };
                let entries = raws.get(range.clone()).unwrap_or_default();
                let is_anonymous = tables.is_anonymous();
                look_at_pages(
                    &format,
                    &geometry,
                    tables,
                    span,
                    entries,
                    again,
                    pages,
                    is_anonymous,
                )?;
            }
            looks.push((look, snapshot.count), GFP_KERNEL)?;
            used = range.end;
            Ok(Looked::UpTo(look.end))
        })
    }
}

/// Copies the entries that `va` ends at, up to `end` or to the next one that is a table. `None` if the
/// way down was changed meanwhile.
fn lowest(
    format: &Native,
    geometry: &Geometry,
    tables: &mut VmaTables<'_>,
    va: u64,
    end: u64,
    room: &mut [Raw],
) -> Result<Option<(Snapshot, Look)>> {
    let mut snapshot = tables.snapshot(va, Level::Pte, room)?;
    if snapshot.reached > Level::Pte {
        snapshot = tables.snapshot(va, snapshot.reached, room)?;
        let read = room.get(..snapshot.count).unwrap_or_default();
        let is_table =
            |raw: &Raw| matches!(format.decode(*raw, snapshot.reached), Entry::Table { .. });
        snapshot.count = read.iter().position(is_table).unwrap_or(snapshot.count);
    }
    let wanted = (end - geometry.entry_start(va, snapshot.reached))
        .div_ceil(geometry.size(snapshot.reached));
    snapshot.count = snapshot.count.min(usize::try_from(wanted)?);
    if snapshot.count == 0 {
        return Ok(None);
    }
    let look = Look::new(format, geometry, &snapshot, va, end, tables.start());
    Ok(Some((snapshot, look)))
}

/// Physical address of what `raw` maps, if it maps anything.
fn physical(format: &Native, geometry: &Geometry, level: Level, raw: Raw) -> Option<u64> {
    match format.decode(raw, level) {
        Entry::Leaf { pfn } => pfn.checked_mul(geometry.page_size()),
        _ => None,
    }
}
