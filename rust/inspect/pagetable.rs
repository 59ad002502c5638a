// SPDX-License-Identifier: GPL-2.0

//! The files `pagetable` (runs of equal entries) and `entries` (one by one).
//!
//! Both go VMA by VMA, and in each VMA level by level from the top, so that one sees which tables
//! serve it and then what they map. Between two windows of a table nothing is locked.

mod above;
mod alike;

use super::{
    target::{
        Subject,
        Target, //
    },
    vmas::write_name,
    window::Window, //
};
use crate::{
    mm::{
        tables::{
            self,
            VmaTables, //
        },
        vmas::{
            MmapReadLock,
            VmaInfo, //
        }, //
    },
    pt::{
        coalesce::Coalesce,
        entry::Entry,
        format::Format,
        level::{
            Geometry,
            Level, //
        },
        position::Position,
        scan::Masks,
        show::{
            self,
            Context,
            Lines, //
        },
        walk::{
            Found,
            Snapshot,
            Span,
            Step, //
        },
        Native, //
    },
    sys::{
        debugfs::Records,
        scratch::zeroed_box,
        seq::SeqWriter, //
    },
    text::Size, //
};
use alike::Alike;
use core::{
    fmt::Write,
    marker::PhantomData, //
};
use kernel::{
    mm::MmWithUser,
    prelude::*,
    sync::ArcBorrow, //
};

/// What is shown at one time, for which the memory is kept from going away.
const LINES: usize = 16;

/// What both files need: whose tables, in which format, and room for a window of them.
pub(super) struct Walker {
    subject: Subject,
    geometry: Geometry,
    format: Native,
    window: Window,
    /// What is in the window.
    last: Option<Step>,
    alike: Alike,
    /// The last look at the lowest level of the section that serves all levels above.
    way: Option<Snapshot>,
    section: Section,
    masks: Masks,
    run: Coalesce<Native>,
    lines: KBox<Lines>,
}

/// The addresses under one heading: those of a VMA when the heading was written.
///
/// Each level is shown for all of them, whatever becomes of the VMA meanwhile: so nothing is left
/// out, nothing comes twice, and the dump has an end.
#[derive(Clone, Copy)]
struct Section {
    start: u64,
    end: u64,
    /// All of it lies within one entry of each level above this one.
    lowest: Level,
    context: Context,
}

impl Section {
    fn new(geometry: &Geometry, start: u64, end: u64, context: Context) -> Self {
        let is_one = |level: &Level| end <= geometry.entry_end(start, *level);
        let last = geometry.levels().take_while(is_one).last();
        let lowest = last.map_or(Some(Level::Pgd), |last| geometry.below(last));
        Self {
            start,
            end,
            lowest: lowest.unwrap_or(Level::Pte),
            context,
        }
    }

    /// Whether all of it is in the VMA of `tables`.
    fn is_in(&self, tables: &VmaTables<'_>) -> bool {
        tables.start() <= self.start && self.end <= tables.end()
    }
}

impl Walker {
    fn open(target: &Target) -> Result<Self> {
        let (geometry, format) = tables::native()?;
        let masks = Masks::new(&format, 0);
        Ok(Self {
            subject: target.subject()?,
            geometry,
            format,
            window: Window::new()?,
            last: None,
            alike: Alike::new(&masks)?,
            way: None,
            section: Section::new(&geometry, 0, 0, Context::default()),
            masks,
            run: Coalesce::new(format, geometry),
            lines: zeroed_box()?,
        })
    }

    /// Any time may have passed: what was seen is of no use any more.
    fn forget(&mut self) {
        self.last = None;
        self.way = None;
        self.alike.forget();
    }

    /// Looks at the entries of `level` from `va` on, as many as the window holds. What is in the
    /// window already is not read again.
    ///
    /// Returns the step, `None` if it goes over addresses that no VMA contains, and where the next
    /// one begins, at most at the end of the section. The entries are decoded afterwards, with
    /// nothing locked.
    fn step(
        &mut self,
        mm: &MmWithUser,
        va: u64,
        level: Level,
        gather: bool,
    ) -> Result<(Option<Step>, u64)> {
        let last = self.last.and_then(|s| s.from(&self.geometry, level, va));
        if let Some(step) = last {
            return Ok((last, step.next));
        }
        tables::breathe()?;
        let end = self.section.end;
        let Self {
            window,
            geometry,
            format,
            ..
        } = self;
        let lock = MmapReadLock::lock(mm)?;
        let Some(mut tables) = VmaTables::find(&lock, va, geometry) else {
            return Ok((None, end));
        };
        if tables.start() > va {
            return Ok((None, tables.start().min(end)));
        }
        // A contiguous range from its beginning, for what is noted there is so for all of it.
        let range = format.contiguous(level) as u64 * geometry.size(level);
        let start = if gather && range > geometry.size(level) {
            (va & !(range - 1))
                .max(tables.start())
                .max(self.section.start)
        } else {
            va
        };
        let span = Span {
            level,
            start,
            end: tables.end().min(end),
        };
        let is_anonymous = self.section.context.is_anonymous;
        let is_whole = self.section.is_in(&tables);
        self.last = None;
        let step = window.take(format, geometry, &mut tables, span, is_anonymous)?;
        drop(lock);
        if gather {
            window.gather_contiguous(format, geometry, &step);
        }
        self.last = Some(step);
        self.way = Some(*step.snapshot()).filter(|_| is_whole && level == self.section.lowest);
        // A range is in one table, so the step has got as far.
        let part = step.from(geometry, level, va);
        Ok((part, part.map_or(geometry.entry_end(va, level), |p| p.next)))
    }

    /// The entries of `step`.
    fn found(&self, step: &Step) -> impl Iterator<Item = Found> + '_ {
        self.window.found(&self.format, &self.geometry, step)
    }

    /// Shows the heading of the first VMA that ends above `va`, and returns where its entries
    /// begin.
    fn vma(
        &mut self,
        mm: &MmWithUser,
        va: u64,
        out: &mut SeqWriter<'_>,
    ) -> Result<Option<Position>> {
        tables::breathe()?;
        let lock = MmapReadLock::lock(mm)?;
        let vma = lock.find_vma(va).map(|vma| VmaInfo::read(&lock, vma));
        drop(lock);
        let Some(vma) = &vma else {
            return Ok(None);
        };
        // A VMA that has grown or merged since its first part was shown: this is the rest.
        let start = vma.start.max(va);
        out.write_bytes(self.lines.vma(start, vma.end, vma.flags)?.as_bytes())?;
        write_name(out, vma)?;
        writeln!(out)?;
        self.forget();
        let context = Context {
            flags: vma.flags,
            is_anonymous: vma.vm_ops.is_null(),
            has_anon_vma: vma.has_anon_vma(),
        };
        self.section = Section::new(&self.geometry, start, vma.end, context);
        Ok(Some(Position::Entries(start, Level::Pgd)))
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

/// How entries are shown.
pub(super) trait Style: Send {
    /// The heading.
    const COLUMNS: &'static str;

    /// Shows entries of `level` from `va` on, which is in the section; returns what comes next.
    fn show(
        walker: &mut Walker,
        mm: &MmWithUser,
        va: u64,
        level: Level,
        out: &mut SeqWriter<'_>,
    ) -> Result<Position>;
}

/// A dump of the tables of a target.
pub(super) struct Dump<S> {
    walker: Walker,
    _style: PhantomData<S>,
}

impl<S: Style> Records for Dump<S> {
    type Data = Target;

    fn open(target: ArcBorrow<'_, Target>) -> Result<Self> {
        Ok(Self {
            walker: Walker::open(&target)?,
            _style: PhantomData,
        })
    }

    fn begin(&mut self) {
        self.walker.forget();
    }

    fn emit(&mut self, pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        let walker = &mut self.walker;
        let Some(mm) = walker.subject.memory() else {
            return Ok(None);
        };
        let mut next = Position::from_number(pos);
        // Some of a section, as far as it surely fits: the heading before it is not made again.
        for _ in 0..LINES {
            let after = match next {
                Position::Heading => walker.heading(S::COLUMNS, out)?,
                Position::Vma(va) => walker.vma(&mm, va, out)?,
                Position::Entries(va, level) if va < walker.section.end => {
                    Some(S::show(walker, &mm, va, level, out)?)
                }
                Position::Entries(va, level) => Some(walker.after(level, va)),
            };
            match after {
                Some(entries @ Position::Entries(..)) if out.room() > show::MAX_LINE => {
                    next = entries;
                }
                _ => return Ok(after.map(Position::number)),
            }
        }
        Ok(Some(next.number()))
    }
}

/// `pagetable`: runs of equal entries.
pub(super) struct Runs;

impl Style for Runs {
    const COLUMNS: &'static str = show::RUN_COLUMNS;

    /// One run, if there is one before the end of the section.
    fn show(
        walker: &mut Walker,
        mm: &MmWithUser,
        va: u64,
        level: Level,
        out: &mut SeqWriter<'_>,
    ) -> Result<Position> {
        walker.run.clear();
        let end = walker.section.end;
        if let Some(found) = walker.above(mm, va, level)? {
            walker.run.add(&found);
            walker.write(out)?;
            return Ok(match found.entry {
                Entry::Table { .. } => walker.after(level, end),
                // The same look says that there is nothing below.
                _ => Position::Vma(end),
            });
        }
        let mut at = va;
        let mut is_over = false;
        while at < end && !is_over {
            (at, is_over) = match walker.add_alike(mm, at, level)? {
                Some(added) => added,
                None => walker.add(mm, at, level)?,
            };
        }
        walker.write(out)?;
        Ok(walker.after(level, at))
    }
}

impl Walker {
    /// Adds entries of `level` from `va` on to the run. Returns how far it got, and whether the run ends
    /// there.
    fn add(&mut self, mm: &MmWithUser, va: u64, level: Level) -> Result<(u64, bool)> {
        let (step, next) = self.step(mm, va, level, true)?;
        let Self {
            window,
            run,
            format,
            geometry,
            masks,
            ..
        } = self;
        let mut at = va;
        while let Some(rest) = step.and_then(|step| step.from(geometry, level, at)) {
            let Some((found, same)) = window.first_alike(format, geometry, masks, &rest) else {
                break;
            };
            if !run.add_alike(&found, same.count.into(), same.is_in_order()) {
                return Ok((at, true));
            }
            at = found.end;
        }
        Ok((next, false))
    }

    /// Writes the run, if there is one.
    fn write(&mut self, out: &mut SeqWriter<'_>) -> Result {
        if let Some(run) = self.run.run() {
            let line = self.lines.run(&self.format, &self.section.context, run)?;
            out.write_bytes(line.as_bytes())?;
        }
        Ok(())
    }

    /// What comes when the entries of `level` have been shown up to `reached`.
    fn after(&self, level: Level, reached: u64) -> Position {
        let Section { start, end, .. } = self.section;
        Position::after(&self.geometry, level, reached, start, end)
    }
}

/// `entries`: every entry that is not empty.
pub(super) struct Entries;

impl Style for Entries {
    const COLUMNS: &'static str = show::ENTRY_COLUMNS;

    /// A window, or as much of it as fits.
    fn show(
        walker: &mut Walker,
        mm: &MmWithUser,
        va: u64,
        level: Level,
        out: &mut SeqWriter<'_>,
    ) -> Result<Position> {
        let (step, next) = walker.step(mm, va, level, false)?;
        let found = step.iter().flat_map(|step| walker.found(step));
        for found in found.filter(|found| found.entry != Entry::None) {
            // The first one always: if it does not fit, it is asked for again with more room.
            if found.start > va && out.room() < show::MAX_LINE {
                return Ok(walker.after(level, found.start));
            }
            show::write_entry(out, &walker.format, &walker.section.context, &found)?;
        }
        Ok(walker.after(level, next))
    }
}
