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
    LEAST_ROOM,
    LOOKS_PER_LOCK, //
};
use crate::{
    mm::tables::VmaTables,
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
            agree,
            Look,
            Reader,
            Same,
            Stretch, //
        },
        walk::{
            Snapshot,
            Span,
            Tables, //
        },
        Native, //
    },
    sys::{
        scratch::zeroed,
        uaccess::ENTRY_WORDS, //
    }, //
};
use kernel::prelude::*;

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
        let mut stretches = KVec::new();
        let room = self.room();
        let mut seen = Seen {
            raws: zeroed(room)?,
            again: zeroed(if self.pages { room } else { 0 })?,
            pages: zeroed(room)?,
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
                    Form::Entries => {
                        self.entries(&mut reader, look, raws, pages, &mut stretches)?
                    }
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
        stretches: &mut KVec<Stretch>,
    ) -> Result<Room> {
        let size = self.geometry.size(look.level);
        let mut first = self.geometry.entry_start(look.start, look.level);
        let (mut raws, mut pages) = (raws, pages);
        while !raws.is_empty() {
            // As many as fit if they all pass.
            let count = raws.len().min(self.out.room() / ENTRY_WORDS);
            if count == 0 {
                return Ok(Room::None(first.max(look.start)));
            }
            let now = raws.get(..count).unwrap_or_default();
            self.classify(reader, look, now, pages, stretches)?;
            let put = self
                .out
                .put_entries(look.start, first, size, now, stretches)?;
            self.records += put as u64;
            raws = raws.get(count..).unwrap_or_default();
            pages = pages.get(count..).unwrap_or_default();
            first = first.saturating_add(size.saturating_mul(count as u64));
        }
        Ok(Room::Enough)
    }

    /// Says of each of `raws` what there is to say of it, or nothing if it does not pass.
    fn classify(
        &self,
        reader: &mut Reader<Native>,
        look: &Look,
        raws: &[Raw],
        pages: &[PageKind],
        stretches: &mut KVec<Stretch>,
    ) -> Result {
        let size = self.geometry.size(look.level);
        let (mut rest, mut pages) = (raws, pages);
        stretches.clear();
        while let (Some(&raw), Some(&page)) = (rest.first(), pages.first()) {
            let facts = reader.facts(look, raw, page);
            let mask = if facts.has(Facts::PRESENT) && !self.filter.is_of_places() {
                reader.mask(look.level)
            } else {
                u64::MAX
            };
            let mut alike = agree(rest, mask);
            if self.pages {
                let same = pages.iter().take_while(|&&other| other == page);
                alike = same.take(alike).count();
            }
            let passes = self.filter.passes(facts, raw)
                && self.filter.passes_place(
                    physical(&self.format, &self.geometry, look.level, raw),
                    size,
                );
            let stretch = Stretch {
                facts: facts.when(passes),
                count: alike as u64,
            };
            stretches.push(stretch, GFP_KERNEL)?;
            rest = rest.get(alike..).unwrap_or_default();
            pages = pages.get(alike..).unwrap_or_default();
        }
        Ok(())
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
            if room.len() < LEAST_ROOM {
                return Ok(Looked::Full);
            }
            let Some((snapshot, look)) = lowest(&format, &geometry, tables, va, end, room)? else {
                return Ok(Looked::UpTo(va));
            };
            let range = used..used + snapshot.count;
            let pages = pages.get_mut(range.clone()).unwrap_or_default();
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
    let limits = snapshot.limits(format, geometry, snapshot.reached);
    let look = Look::new(geometry, &snapshot, limits, va, end, tables.start());
    Ok(Some((snapshot, look)))
}

/// Physical address of what `raw` maps, if it maps anything.
fn physical(format: &Native, geometry: &Geometry, level: Level, raw: Raw) -> Option<u64> {
    match format.decode(raw, level) {
        Entry::Leaf { pfn } => pfn.checked_mul(geometry.page_size()),
        _ => None,
    }
}
