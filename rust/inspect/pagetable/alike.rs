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
            VmaTables,
            WINDOW, //
        },
        vmas::MmapReadLock, //
    },
    pt::{
        coalesce::Coalesce,
        entry::Entry,
        format::Format,
        level::Level,
        page::PageKind,
        scan::{
            Look,
            Masks,
            Same, //
        },
        walk::Found,
        Native, //
    },
    sys::scratch::zeroed, //
};
use kernel::{
    mm::MmWithUser,
    prelude::*, //
};

/// The last look at a table.
pub(super) struct Alike {
    scan: Scan,
    same: KVec<Same>,
    /// What was looked at, and how many of `same` it fills.
    seen: Option<(Look, usize)>,
}

impl Alike {
    pub(super) fn new(format: &Native) -> Result<Self> {
        Ok(Self {
            scan: Scan::new(&Masks::new(format, 0)),
            same: zeroed(WINDOW)?,
            seen: None,
        })
    }

    /// What was seen may be old.
    pub(super) fn forget(&mut self) {
        self.seen = None;
    }

    /// Adds what was seen from `at` on to `run`. Returns where something begins that is not part of
    /// it, if there is such.
    pub(super) fn add_to(
        &self,
        walker: &Walker,
        at: u64,
        run: &mut Coalesce<Native>,
    ) -> Option<u64> {
        let (look, runs) = self.seen.as_ref()?;
        let Walker {
            geometry, format, ..
        } = walker;
        let size = geometry.size(look.level);
        let mut start = look.start;
        for same in self.same.iter().take(*runs) {
            let first = geometry.entry_start(start, look.level);
            let end = first.saturating_add(u64::from(same.count).saturating_mul(size));
            let end = end.min(look.end);
            if end > at && look.level == Level::Pte {
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
                        Entry::Leaf { .. } => PageKind::of_anonymous(format.is_special(same.raw)),
                        _ => PageKind::Unknown,
                    },
                };
                let in_order = same.count == 1 || same.in_order != 0;
                if !run.add_alike(&found, same.count.into(), in_order) {
                    return Some(start);
                }
            }
            start = end;
        }
        None
    }
}

impl Walker {
    /// Looks at the entries of `level` from `va` on, and returns where the next look begins; `None` if
    /// this is no memory for that, or no level.
    ///
    /// Errors: `EINTR` if this task is being killed.
    pub(super) fn look_alike(
        &mut self,
        mm: &MmWithUser,
        va: u64,
        level: Level,
    ) -> Result<Option<u64>> {
        let is_plain = |is_anonymous: bool, is_mergeable: bool| is_anonymous && !is_mergeable;
        let context = &self.section.context;
        if level != Level::Pte || !is_plain(context.is_anonymous, context.flags.is_mergeable()) {
            return Ok(None);
        }
        if let Some((look, _)) = &self.alike.seen {
            if look.start == va || look.start < va && va < look.end {
                return Ok(Some(look.end));
            }
        }
        breathe()?;
        let end = self.section.end;
        let lock = MmapReadLock::lock(mm)?;
        let Some(tables) = VmaTables::find(&lock, va, &self.geometry) else {
            return Ok(None);
        };
        if tables.start() > va || !is_plain(tables.is_anonymous(), tables.flags().is_mergeable()) {
            return Ok(None);
        }
        let (snapshot, runs) = tables.scan(&self.alike.scan, va, end, &mut self.alike.same)?;
        let vma_end = tables.end().min(end);
        drop(lock);
        let limits = snapshot.limits(&self.format, &self.geometry, snapshot.reached);
        let look = Look::new(&self.geometry, &snapshot, limits, va, vma_end, 0);
        let first = self.alike.same.first().copied().unwrap_or_default();
        let mut seen = self.alike.same.iter().take(runs);
        // What the hardware notes in one entry of a contiguous range is to be told of all.
        if first.became_table(&self.format, snapshot.reached)
            || seen.any(|same| self.format.is_contiguous(same.raw))
        {
            return Ok(None);
        }
        self.alike.seen = Some((look, runs));
        Ok(Some(look.end))
    }
}
