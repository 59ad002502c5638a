// SPDX-License-Identifier: GPL-2.0

//! The files `pagetable` (runs of equal entries) and `entries` (one by one).
//!
//! Both go VMA by VMA, and in each VMA level by level from the top, so that one sees which tables
//! serve it and then what they map. Between two windows of a table nothing is locked.

use super::{
    target::{
        Subject,
        Target, //
    },
    vmas::write_name, //
};
use crate::{
    debugfs::Records,
    mm::{
        tables::{
            self,
            VmaTables,
            WINDOW, //
        },
        vmas::{
            MmapReadLock,
            VmaInfo, //
        },
    },
    pt::{
        coalesce::Coalesce,
        entry::{
            Entry,
            Raw, //
        },
        level::{
            Geometry,
            Level, //
        },
        position::Position,
        show,
        walk::{
            Found,
            Span,
            Step, //
        },
        Native, //
    },
    seq::SeqWriter,
    text::Size, //
};
use core::fmt::Write;
use kernel::{
    mm::MmWithUser,
    prelude::*,
    sync::ArcBorrow, //
};

/// What both files need: whose tables, in which format, and room for a window of them.
struct Walker {
    subject: Subject,
    geometry: Geometry,
    format: Native,
    window: KBox<[Raw; WINDOW]>,
}

/// One step in a VMA, and the bounds of the VMA then.
struct VmaStep {
    step: Step,
    start: u64,
    end: u64,
}

impl Walker {
    fn open(target: &Target) -> Result<Self> {
        let (geometry, format) = tables::native()?;
        Ok(Self {
            subject: target.subject()?,
            geometry,
            format,
            window: KBox::new([Raw(0); WINDOW], GFP_KERNEL)?,
        })
    }

    /// Looks at the entries of `level` from `va` on, at most `max` and not beyond the VMA that
    /// contains `va`.
    ///
    /// Returns `None` if no VMA contains `va`. The entries are decoded afterwards, with nothing
    /// locked.
    fn step(
        &mut self,
        mm: &MmWithUser,
        va: u64,
        level: Level,
        max: usize,
    ) -> Result<Option<VmaStep>> {
        tables::breathe()?;
        let lock = MmapReadLock::lock(mm)?;
        let Some(vma) = lock.find_vma(va).filter(|vma| vma.start() as u64 <= va) else {
            return Ok(None);
        };
        let (start, end) = (vma.start() as u64, vma.end() as u64);
        let mut tables = VmaTables::new(&lock, vma, &self.geometry);
        let span = Span {
            level,
            start: va,
            end,
        };
        let window = self.window.get_mut(..max.min(WINDOW)).ok_or(EINVAL)?;
        let step = Step::take(&self.geometry, &mut tables, span, window)?;
        Ok(Some(VmaStep { step, start, end }))
    }

    /// The entries of `step`.
    fn found(&self, step: &Step) -> impl Iterator<Item = Found> + '_ {
        step.found(&self.format, &self.geometry, &*self.window)
    }

    /// Shows the heading of the first VMA that ends above `va`, and returns where its entries
    /// begin.
    fn vma(&self, mm: &MmWithUser, va: u64, out: &mut SeqWriter<'_>) -> Result<Option<Position>> {
        let lock = MmapReadLock::lock(mm)?;
        let vma = lock.find_vma(va).map(|vma| VmaInfo::read(&lock, vma));
        drop(lock);
        let Some(vma) = vma else {
            return Ok(None);
        };
        write!(
            out,
            "vma {:016x}-{:016x} {}",
            vma.start,
            vma.end,
            vma.flags.perms()
        )?;
        write_name(out, &vma)?;
        writeln!(out)?;
        Ok(Some(Position::Entries(vma.start, Level::Pgd)))
    }

    fn heading(&self, columns: &str, out: &mut SeqWriter<'_>) -> Result<Option<Position>> {
        write!(out, "# levels:")?;
        for level in self.geometry.levels() {
            write!(out, " {}={}", level.name(), Size(self.geometry.size(level)))?;
        }
        writeln!(out)?;
        out.write_str(columns)?;
        Ok(Some(Position::Vma(0)))
    }
}

/// `pagetable`: runs of equal entries.
pub(super) struct Runs(Walker);

impl Records for Runs {
    type Data = Target;

    fn open(target: ArcBorrow<'_, Target>) -> Result<Self> {
        Ok(Self(Walker::open(&target)?))
    }

    fn emit(&mut self, pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        let Some(mm) = self.0.subject.memory() else {
            return Ok(None);
        };
        let next = match Position::from_number(pos) {
            Position::Heading => self.0.heading(show::RUN_COLUMNS, out)?,
            Position::Vma(va) => self.0.vma(&mm, va, out)?,
            Position::Entries(va, level) => Some(self.run(&mm, va, level, out)?),
        };
        Ok(next.map(Position::number))
    }
}

impl Runs {
    /// Shows the first run of `level` at or above `va` in its VMA, if there is one.
    ///
    /// A VMA that changes meanwhile is followed as it is at each step.
    fn run(
        &mut self,
        mm: &MmWithUser,
        va: u64,
        level: Level,
        out: &mut SeqWriter<'_>,
    ) -> Result<Position> {
        let walker = &mut self.0;
        let mut run = Coalesce::new(walker.format, walker.geometry.page_size());
        let mut at = va;
        let next = loop {
            let Some(VmaStep { step, start, end }) = walker.step(mm, at, level, WINDOW)? else {
                break Position::Vma(at);
            };
            let other = walker.found(&step).find(|found| !run.add(found));
            at = other.map_or(step.next, |found| found.start);
            if other.is_some() || at >= end {
                break Position::after(&walker.geometry, level, at, start, end);
            }
        };
        if let Some(run) = run.run() {
            show::write_run(out, &walker.format, run)?;
        }
        Ok(next)
    }
}

/// `entries`: every entry that is not empty.
pub(super) struct Entries(Walker);

impl Records for Entries {
    type Data = Target;

    fn open(target: ArcBorrow<'_, Target>) -> Result<Self> {
        Ok(Self(Walker::open(&target)?))
    }

    fn emit(&mut self, pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        let Some(mm) = self.0.subject.memory() else {
            return Ok(None);
        };
        let next = match Position::from_number(pos) {
            Position::Heading => self.0.heading(show::ENTRY_COLUMNS, out)?,
            Position::Vma(va) => self.0.vma(&mm, va, out)?,
            Position::Entries(va, level) => Some(self.window(&mm, va, level, out)?),
        };
        Ok(next.map(Position::number))
    }
}

impl Entries {
    /// Shows entries of `level` from `va` on in its VMA, as many as fit.
    fn window(
        &mut self,
        mm: &MmWithUser,
        va: u64,
        level: Level,
        out: &mut SeqWriter<'_>,
    ) -> Result<Position> {
        let walker = &mut self.0;
        let max = (out.room() / show::MAX_LINE).max(1);
        let Some(VmaStep { step, start, end }) = walker.step(mm, va, level, max)? else {
            return Ok(Position::Vma(va));
        };
        for found in walker
            .found(&step)
            .filter(|found| found.entry != Entry::None)
        {
            show::write_entry(out, &walker.format, &found)?;
        }
        Ok(Position::after(
            &walker.geometry,
            level,
            step.next,
            start,
            end,
        ))
    }
}
