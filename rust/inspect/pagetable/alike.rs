// SPDX-License-Identifier: GPL-2.0

//! Runs of anonymous memory without a look at each page.
//!
//! What a page is that a leaf maps takes a look at its `struct page`, and that is most of the work. In
//! anonymous memory that KSM may not merge the entry alone says it.

use super::Walker;
use crate::{
    mm::{
        tables::{
            breathe,
            Scan,
            VmaTables, //
        },
        vmas::MmapReadLock, //
    },
    pt::{
        coalesce::Coalesce,
        entry::Entry,
        format::Format,
        level::{
            Geometry,
            Level, //
        },
        page::PageKind,
        scan::{
            Above,
            Look,
            Masks,
            Same, //
        },
        walk::{
            Found,
            Snapshot, //
        },
        Native, //
    },
    sys::scratch::zeroed, //
};
use kernel::{
    mm::MmWithUser,
    prelude::*, //
};

/// Tables under one hold of the mmap lock, if nobody waits for it.
const LOOKS_PER_LOCK: usize = 32;

/// Runs that are noted of a table at one time. It is a line for each in the end, so that to look again
/// for the next ones is nothing.
const RUNS: usize = 64;

/// The last look at a table.
pub(super) struct Alike {
    scan: Scan,
    same: KVec<Same>,
    above: Above,
    /// What was looked at, and how many of `same` it fills.
    seen: Option<(Look, usize)>,
}

impl Alike {
    /// `masks` has the bits in which entries are alike.
    pub(super) fn new(masks: &Masks) -> Result<Self> {
        Ok(Self {
            scan: Scan::new(masks),
            same: zeroed(RUNS)?,
            above: Above::new(),
            seen: None,
        })
    }

    /// What was seen may be old.
    pub(super) fn forget(&mut self) {
        self.seen = None;
    }

    /// Whether the last look was at `at`.
    pub(super) fn has_seen(&self, at: u64) -> bool {
        let seen = self.seen.as_ref();
        seen.is_some_and(|(look, _)| look.start <= at && at < look.end)
    }

    /// Adds what was seen from `at` on to `run`. Returns how far it got, and whether the run ends there.
    fn add_to(
        &self,
        format: &Native,
        geometry: &Geometry,
        at: u64,
        run: &mut Coalesce<Native>,
    ) -> (u64, bool) {
        let Some((look, runs)) = self.seen.as_ref() else {
            return (at, false);
        };
        if look.level > Level::Pte {
            return (look.end, false);
        }
        let size = geometry.size(look.level);
        let mut start = look.start;
        for same in self.same.iter().take(*runs) {
            let first = geometry.entry_start(start, look.level);
            let end = first.saturating_add(u64::from(same.count).saturating_mul(size));
            let end = end.min(look.end);
            let (count, in_order) = (same.count.into(), same.is_in_order());
            let page = PageKind::of_anonymous(format.is_special(same.raw));
            if end > at && !run.extend(&(start..end), same.raw, look.limits, page, count, in_order)
            {
                let entry = format.decode(same.raw, look.level);
                let found = Found {
                    start,
                    end,
                    level: look.level,
                    raw: same.raw,
                    entry,
                    at: 0,
                    limits: look.limits,
                    page: match entry {
                        Entry::Leaf { .. } => page,
                        _ => PageKind::Unknown,
                    },
                };
                if !run.add_alike(&found, count, in_order) {
                    return (start, true);
                }
            }
            start = end;
        }
        (look.end, false)
    }
}

impl Walker {
    /// Looks at the entries of `level` from `va` on, which is not done if it was the last look. Returns
    /// whether this is memory for that, and a level.
    ///
    /// Errors: `EINTR` if this task is being killed.
    pub(super) fn look_alike(&mut self, mm: &MmWithUser, va: u64, level: Level) -> Result<bool> {
        if !self.is_plain(level) {
            return Ok(false);
        }
        if self.alike.has_seen(va) {
            return Ok(true);
        }
        breathe()?;
        let geometry = self.geometry;
        let lock = MmapReadLock::lock(mm)?;
        match VmaTables::find(&lock, va, &geometry) {
            Some(tables) => self.scan(&tables, va),
            None => Ok(false),
        }
    }

    /// Adds entries of `level` from `va` on to the run. Returns how far it got, and whether the run ends
    /// there; `None` if this is no memory for that, or no level.
    ///
    /// Errors: `EINTR` if this task is being killed.
    pub(super) fn add_alike(
        &mut self,
        mm: &MmWithUser,
        va: u64,
        level: Level,
    ) -> Result<Option<(u64, bool)>> {
        if !self.is_plain(level) {
            return Ok(None);
        }
        if self.alike.has_seen(va) {
            return Ok(Some(self.add_seen(va)));
        }
        breathe()?;
        let geometry = self.geometry;
        let lock = MmapReadLock::lock(mm)?;
        let Some(tables) = VmaTables::find(&lock, va, &geometry) else {
            return Ok(None);
        };
        let end = tables.end().min(self.section.end);
        let mut added = None;
        let mut at = va;
        for _ in 0..LOOKS_PER_LOCK {
            if !self.scan(&tables, at)? {
                break;
            }
            let (reached, is_over) = self.add_seen(at);
            at = reached;
            added = Some((reached, is_over));
            if is_over || at >= end || lock.is_contended() {
                break;
            }
        }
        Ok(added)
    }

    fn add_seen(&mut self, at: u64) -> (u64, bool) {
        self.alike
            .add_to(&self.format, &self.geometry, at, &mut self.run)
    }

    /// Whether the VMA of the section was one whose entries say all, and `level` is one to look at.
    pub(super) fn is_plain(&self, level: Level) -> bool {
        let context = &self.section.context;
        level == Level::Pte && context.is_anonymous && !context.flags.is_mergeable()
    }

    /// Looks at the entries from `va` on. Returns whether they say all there is to say.
    fn scan(&mut self, tables: &VmaTables<'_>, va: u64) -> Result<bool> {
        let end = self.section.end;
        self.alike.seen = None;
        if tables.start() > va || !tables.is_anonymous() || tables.flags().is_mergeable() {
            return Ok(false);
        }
        let (snapshot, runs) = tables.scan(&self.alike.scan, va, end, &mut self.alike.same)?;
        let vma_end = tables.end().min(end);
        let limits = self
            .alike
            .above
            .limits(&self.format, &self.geometry, &snapshot);
        let look = Look::new(&self.geometry, &snapshot, limits, va, vma_end, 0);
        let first = self.alike.same.first().copied().unwrap_or_default();
        let mut seen = self.alike.same.iter().take(runs);
        // What the hardware notes in one entry of a contiguous range is to be told of all.
        if first.became_table(&self.format, snapshot.reached)
            || seen.any(|same| self.format.is_contiguous(same.raw))
        {
            return Ok(false);
        }
        self.alike.seen = Some((look, runs));
        let is_way = self.section.lowest == Level::Pte && self.section.is_in(tables);
        // What the way down ended at above is part of it.
        let way = Snapshot {
            count: match snapshot.reached {
                Level::Pte => snapshot.count,
                _ => 0,
            },
            ..snapshot
        };
        self.way = Some(way).filter(|_| is_way);
        Ok(true)
    }
}
