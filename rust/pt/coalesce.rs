// SPDX-License-Identifier: GPL-2.0

//! Runs of equal entries, as `note_page()` of `mm/ptdump.c` makes them.

use super::{
    entry::Entry,
    format::Format,
    level::Geometry,
    walk::Found, //
};

/// Neighbouring entries of one level that differ in nothing but what they point to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// The first entry, but with the `end` of the run.
    pub first: Found,
    /// How many entries.
    pub entries: u64,
    /// Whether the page frames, or the slots of a swap area, follow one another too.
    pub contiguous: bool,
}

impl Run {
    fn new(found: &Found, entries: u64, in_order: bool) -> Self {
        Self {
            first: *found,
            entries,
            contiguous: in_order,
        }
    }
}

/// Collects neighbouring entries into a run.
///
/// A run splits only on what its line shows: the kind, the bits of [`Format::flag_bits`], the rights
/// and the kind of page.
#[derive(Debug)]
pub struct Coalesce<F> {
    format: F,
    geometry: Geometry,
    run: Option<Run>,
    /// The flags of the first entry, worked out once.
    flag_bits: u64,
}

impl<F: Format> Coalesce<F> {
    /// An empty run.
    pub fn new(format: F, geometry: Geometry) -> Self {
        Self {
            format,
            geometry,
            run: None,
            flag_bits: 0,
        }
    }

    /// Adds `found` if it goes on where the run ends and is equal to it; returns whether it did.
    pub fn add(&mut self, found: &Found) -> bool {
        self.add_alike(found, 1, true)
    }

    /// The same of `entries` neighbours that are equal, the first of which is `found`, with the `end`
    /// of all of them; `in_order` says that what they point to follows one another.
    pub fn add_alike(&mut self, found: &Found, entries: u64, in_order: bool) -> bool {
        let Some(run) = &mut self.run else {
            let Found {
                raw, entry, level, ..
            } = found;
            self.flag_bits = self.format.flag_bits(*raw, entry, *level);
            self.run = Some(Run::new(found, entries, in_order));
            return true;
        };
        if found.start != run.first.end || !is_equal(&run.first, found, self.flag_bits) {
            return false;
        }
        // The first entry may begin before the walk does; what it points to, with it.
        let first = self.geometry.entry_start(run.first.start, run.first.level);
        let pages = (found.start - first) / self.geometry.page_size();
        let expected = match run.first.entry {
            Entry::Table { pfn } => Some(pfn + run.entries),
            entry => place(&entry).map(|place| place + pages),
        };
        run.contiguous &= in_order && place(&found.entry) == expected;
        run.first.end = found.end;
        run.entries += entries;
        true
    }

    /// The run so far, if it has begun.
    pub fn run(&self) -> Option<&Run> {
        self.run.as_ref()
    }
}

/// What an entry points to: a page frame or a slot of a swap area.
fn place(entry: &Entry) -> Option<u64> {
    match entry {
        Entry::NonPresent(soft) => soft.place,
        other => other.pfn(),
    }
}

/// Whether the lines of the two entries look the same, page frames aside. `flag_bits` are those of
/// `a`.
fn is_equal(a: &Found, b: &Found, flag_bits: u64) -> bool {
    let same_kind = match (&a.entry, &b.entry) {
        (Entry::Leaf { .. }, Entry::Leaf { .. }) => true,
        (Entry::Table { .. }, Entry::Table { .. }) => true,
        (Entry::NonPresent(a), Entry::NonPresent(b)) => a.is_like(b),
        (Entry::None, Entry::None) => return a.level == b.level,
        (Entry::Bad, Entry::Bad) => true,
        _ => false,
    };
    same_kind
        && (a.raw.0 ^ b.raw.0) & flag_bits == 0
        && (a.level, a.limits, a.page) == (b.level, b.limits, b.page)
}
