// SPDX-License-Identifier: GPL-2.0

//! Runs of equal entries, as `note_page()` of `mm/ptdump.c` makes them.

use super::{
    entry::{
        Entry,
        Raw,
        Rights, //
    },
    format::Format,
    level::Geometry,
    page::PageKind,
    scan::{
        agree,
        Masks,
        Same, //
    },
    walk::Found, //
};
use core::ops::Range;

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

    /// Forgets the run.
    pub fn clear(&mut self) {
        self.run = None;
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

    /// The same of `entries` neighbours in `range` which are like `raw`, if they are leaves as those of the
    /// run and of its level, and map what `page` says. Returns whether they were added; if not, they may
    /// still belong to it.
    pub fn extend(
        &mut self,
        range: &Range<u64>,
        raw: Raw,
        limits: Rights,
        page: PageKind,
        entries: u64,
        in_order: bool,
    ) -> bool {
        let Some(run) = &mut self.run else {
            return false;
        };
        let first = &mut run.first;
        let Entry::Leaf { pfn } = first.entry else {
            return false;
        };
        let differ = (raw.0 ^ first.raw.0) & self.flag_bits;
        let is_one = range.start == first.end && (limits, page) == (first.limits, first.page);
        if differ != 0 || !is_one {
            return false;
        }
        if run.contiguous {
            let start = self.geometry.entry_start(first.start, first.level);
            let pages = (range.start - start) / self.geometry.page_size();
            let expected = Some(pfn + pages);
            let place = self.format.decode(raw, first.level).pfn();
            run.contiguous = in_order && place == expected;
        }
        first.end = range.end;
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

/// `found`, which is the first of `raws`, and its neighbours that are alike: the same with the end of all
/// of them, at most at `end`. `pages` is what they map, and `masks` has the bits in which they agree.
pub fn neighbours<F: Format>(
    format: &F,
    geometry: &Geometry,
    masks: &Masks,
    found: &Found,
    end: u64,
    raws: &[Raw],
    pages: &[PageKind],
) -> (Found, Same) {
    let level = found.level;
    let size = geometry.size(level);
    let start = geometry.entry_start(found.start, level);
    let wanted = usize::try_from((end - start).div_ceil(size)).unwrap_or(usize::MAX);
    let raws = raws.get(..wanted).unwrap_or(raws);
    let pfn_of = |raw: Raw| match format.decode(raw, level) {
        Entry::Leaf { pfn } => Some(pfn),
        _ => None,
    };
    let (count, in_order) = match found.entry {
        Entry::Leaf { pfn } => {
            let alike = pages.iter().take(agree(raws, masks.of(level)));
            let count = alike.take_while(|&&page| page == found.page).count();
            let step = size / geometry.page_size();
            let mut follow = (1u64..).zip(raws.iter().take(count).skip(1));
            let in_order = follow.all(|(i, &raw)| pfn_of(raw) == pfn.checked_add(i * step));
            (count.max(1), in_order)
        }
        // What has no place is in order.
        entry => (agree(raws, u64::MAX).max(1), place(&entry).is_none()),
    };
    let bytes = size.saturating_mul(count as u64);
    let found = Found {
        end: start.saturating_add(bytes).min(end),
        ..*found
    };
    let same = Same {
        raw: found.raw,
        count: count as u32,
        in_order: in_order.into(),
    };
    (found, same)
}
