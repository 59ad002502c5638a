// SPDX-License-Identifier: GPL-2.0

//! The walk: from a source of table snapshots to a stream of entries.

use super::{
    entry::{
        Entry,
        Raw,
        Rights, //
    },
    format::Format,
    level::{
        Geometry,
        Level,
        LEVELS, //
    },
    page::PageKind, //
};
use core::ops::Range;

/// Bytes of an entry.
const ENTRY_SIZE: u64 = 8;

/// How a look at the tables went: the entries themselves are in the window that was given for them.
///
/// All values were read at one instant of the reader's choice, each exactly once; they may be stale
/// by now.
#[derive(Clone, Copy, Debug)]
pub struct Snapshot {
    /// The lowest level at which an entry was read.
    pub reached: Level,
    /// How many entries of the wanted level are in the window. 0 if the way down ended above.
    pub count: usize,
    /// Physical address of the first entry in the window.
    pub address: u64,
    /// The entries above the wanted level that were followed, and the one where the way ended if it did so
    /// above, by the number of their level.
    pub path: [Raw; LEVELS],
}

impl Snapshot {
    /// The entry of `level` that was followed, or where the way down ended, if that is above the
    /// entries that were copied. It is cut to `range`, which it translates; where it stands is not
    /// known.
    pub fn above<F: Format>(
        &self,
        format: &F,
        geometry: &Geometry,
        level: Level,
        range: &Range<u64>,
    ) -> Option<Found> {
        let is_copied = self.count > 0 && level <= self.reached;
        if is_copied || level < self.reached {
            return None;
        }
        let raw = self.path.get(usize::from(level.number())).copied()?;
        Some(Found {
            start: range.start,
            end: range.end,
            level,
            raw,
            entry: format.decode(raw, level),
            at: 0,
            limits: self.limits(format, geometry, level),
            page: PageKind::Unknown,
        })
    }

    /// What the tables above `level` leave to user space. They were followed, so they are tables.
    pub fn limits<F: Format>(&self, format: &F, geometry: &Geometry, level: Level) -> Rights {
        let mut limits = Rights::ALL;
        for (&above, &raw) in Level::TOP_DOWN.iter().zip(self.path.iter().rev()) {
            if above > level && !geometry.is_folded(above) {
                let table = Entry::Table { pfn: 0 };
                limits = limits.and(format.rights(raw, &table, above));
            }
        }
        limits
    }
}

/// A source of entries: the tables of a process in the kernel, tables in ordinary memory in the
/// tests.
pub trait Tables {
    /// Why the tables cannot be read.
    type Error;

    /// Reads the way down to the entries that translate `va`, and copies the entries of `level`
    /// from there on, as many as `window` holds, but none of another table.
    fn snapshot(
        &mut self,
        va: u64,
        level: Level,
        window: &mut [Raw],
    ) -> Result<Snapshot, Self::Error>;
}

/// One entry, where it was found and what it says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Found {
    /// First address that the entry translates, not below the start of the walk.
    pub start: u64,
    /// Exclusive end of what it translates, not above the end of the walk.
    pub end: u64,
    /// The level of its table.
    pub level: Level,
    /// The entry as it stands.
    pub raw: Raw,
    /// The same, decoded.
    pub entry: Entry,
    /// Physical address of the entry itself.
    pub at: u64,
    /// What the tables above leave to user space.
    pub limits: Rights,
    /// The page that a leaf maps, if somebody has looked.
    pub page: PageKind,
}

impl Found {
    /// What user space may do in the end, all levels considered.
    pub fn effective<F: Format>(&self, format: &F) -> Rights {
        let own = format.rights(self.raw, &self.entry, self.level);
        own.and(self.limits)
    }
}

/// Which entries to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The level of the entries.
    pub level: Level,
    /// First address of interest.
    pub start: u64,
    /// Exclusive end; greater than `start`.
    pub end: u64,
}

/// One step of a walk: a window of entries, or a hole.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    span: Span,
    snapshot: Snapshot,
    /// Where in the window its entries begin.
    offset: usize,
    /// Where the next step begins: behind the window or the hole, at most at the end of the span.
    pub next: u64,
}

impl Step {
    /// Looks at the entries at the start of `span`, as many as `window` holds.
    pub fn take<T: Tables>(
        geometry: &Geometry,
        tables: &mut T,
        span: Span,
        window: &mut [Raw],
    ) -> Result<Self, T::Error> {
        let Span { level, start, end } = span;
        let snapshot = tables.snapshot(start, level, window)?;
        let next = match snapshot.count as u64 {
            0 => geometry.entry_end(start, snapshot.reached),
            count => geometry
                .entry_start(start, level)
                .saturating_add(count.saturating_mul(geometry.size(level))),
        };
        Ok(Self {
            span,
            snapshot,
            offset: 0,
            next: next.min(end),
        })
    }

    /// The part of the step from `va` on, for as long as the window is as it is; `None` if the step
    /// is of another level or other addresses.
    pub fn from(&self, geometry: &Geometry, level: Level, va: u64) -> Option<Self> {
        let Span { start, .. } = self.span;
        if level != self.span.level || va < start || va >= self.next {
            return None;
        }
        let mut rest = *self;
        rest.span.start = va;
        if self.snapshot.count > 0 {
            let first = geometry.entry_start(start, level);
            let passed = (geometry.entry_start(va, level) - first) / geometry.size(level);
            let skipped = usize::try_from(passed).ok()?;
            rest.offset = self.offset.checked_add(skipped)?;
            rest.snapshot.count = self.snapshot.count.checked_sub(skipped)?;
            rest.snapshot.address += passed * ENTRY_SIZE;
        }
        Some(rest)
    }

    /// Where it looked.
    pub fn span(&self) -> Span {
        self.span
    }

    /// The lowest level of which an entry was read: that of the span, unless the way down ended above.
    pub fn reached(&self) -> Level {
        self.snapshot.reached
    }

    /// The look.
    pub fn snapshot(&self) -> &Snapshot {
        &self.snapshot
    }

    /// Which part of the window its entries are.
    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset.saturating_add(self.snapshot.count)
    }

    /// The entry of `level`, above those of the step, that was followed to get there.
    pub fn above(&self, level: Level) -> Raw {
        let raw = self.snapshot.path.get(usize::from(level.number()));
        raw.copied().unwrap_or_default()
    }

    /// The number of the first of them in its table, if a table holds a power of two of entries.
    pub fn index(&self, geometry: &Geometry) -> usize {
        let Span { level, start, .. } = self.span;
        let above = geometry.levels().take_while(|&l| l > level).last();
        let in_table = above.map_or(start, |l| start - geometry.entry_start(start, l));
        usize::try_from(in_table / geometry.size(level)).unwrap_or(0)
    }

    /// The entries that the step has put into `window`, in address order, [`Entry::None`] included.
    pub fn found<'a, F: Format>(
        &self,
        format: &'a F,
        geometry: &Geometry,
        window: &'a [Raw],
    ) -> impl Iterator<Item = Found> + 'a {
        let Span { level, start, end } = self.span;
        let size = geometry.size(level);
        let first = geometry.entry_start(start, level);
        let entries = window.get(self.range()).unwrap_or_default();
        let limits = self.snapshot.limits(format, geometry, level);
        let at = self.snapshot.address;
        let starts = (0u64..).map(move |i| (i, first.saturating_add(i.saturating_mul(size))));
        starts
            .zip(entries)
            .take_while(move |&((_, va), _)| va < end)
            .map(move |((i, va), &raw)| Found {
                start: va.max(start),
                end: va.saturating_add(size).min(end),
                level,
                raw,
                entry: format.decode(raw, level),
                at: at.saturating_add(i * ENTRY_SIZE),
                limits,
                page: PageKind::Unknown,
            })
    }
}
