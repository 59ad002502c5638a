// SPDX-License-Identifier: GPL-2.0

//! The files `pagetable` (runs of equal entries) and `entries` (one by one).
//!
//! Both go VMA by VMA, and in each VMA level by level from the top, so that one sees which tables
//! serve it and then what they map. Between two windows of a table nothing is locked.

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
        show::{
            self,
            Context, //
        },
        walk::{
            Found,
            Span,
            Step, //
        },
        Native, //
    },
    sys::{
        debugfs::Records,
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

/// What both files need: whose tables, in which format, and room for a window of them.
pub(super) struct Walker {
    subject: Subject,
    geometry: Geometry,
    format: Native,
    window: Window,
    /// What is in the window.
    last: Option<Step>,
    alike: Alike,
    section: Section,
}

/// The addresses under one heading: those of a VMA when the heading was written.
///
/// Each level is shown for all of them, whatever becomes of the VMA meanwhile: so nothing is left
/// out, nothing comes twice, and the dump has an end.
#[derive(Clone, Copy)]
struct Section {
    start: u64,
    end: u64,
    context: Context,
}

impl Walker {
    fn open(target: &Target) -> Result<Self> {
        let (geometry, format) = tables::native()?;
        Ok(Self {
            subject: target.subject()?,
            geometry,
            format,
            window: Window::new()?,
            last: None,
            alike: Alike::new(&format)?,
            section: Section {
                start: 0,
                end: 0,
                context: Context::default(),
            },
        })
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
        self.last = None;
        let step = window.take(format, geometry, &mut tables, span, is_anonymous)?;
        drop(lock);
        if gather {
            window.gather_contiguous(format, geometry, &step);
        }
        self.last = Some(step);
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
        let Some(mut vma) = vma else {
            return Ok(None);
        };
        // A VMA that has grown or merged since its first part was shown: this is the rest.
        vma.start = vma.start.max(va);
        write!(
            out,
            "vma {:016x}-{:016x} {}",
            vma.start,
            vma.end,
            vma.flags.perms()
        )?;
        write_name(out, &vma)?;
        writeln!(out)?;
        self.last = None;
        self.alike.forget();
        self.section = Section {
            start: vma.start,
            end: vma.end,
            context: Context {
                flags: vma.flags,
                is_anonymous: vma.vm_ops.is_null(),
                has_anon_vma: vma.has_anon_vma(),
            },
        };
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

/// How entries are shown.
pub(super) trait Style: Send {
    /// The heading.
    const COLUMNS: &'static str;

    /// Shows entries of `level` from `va` on, which is in the section; returns how far it got.
    fn show(
        walker: &mut Walker,
        mm: &MmWithUser,
        va: u64,
        level: Level,
        out: &mut SeqWriter<'_>,
    ) -> Result<u64>;
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
        // Between two reads any time may pass.
        self.walker.last = None;
        self.walker.alike.forget();
    }

    fn emit(&mut self, pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        let walker = &mut self.walker;
        let Some(mm) = walker.subject.memory() else {
            return Ok(None);
        };
        let next = match Position::from_number(pos) {
            Position::Heading => walker.heading(S::COLUMNS, out)?,
            Position::Vma(va) => walker.vma(&mm, va, out)?,
            Position::Entries(va, level) => {
                let reached = if va < walker.section.end {
                    S::show(walker, &mm, va, level, out)?
                } else {
                    va
                };
                let Section { start, end, .. } = walker.section;
                Some(Position::after(
                    &walker.geometry,
                    level,
                    reached,
                    start,
                    end,
                ))
            }
        };
        Ok(next.map(Position::number))
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
    ) -> Result<u64> {
        let mut run = Coalesce::new(walker.format, walker.geometry);
        let mut at = va;
        while at < walker.section.end {
            let (other, next) = match walker.look_alike(mm, at, level)? {
                Some(next) => (walker.alike.add_to(walker, at, &mut run), next),
                None => {
                    let (step, next) = walker.step(mm, at, level, true)?;
                    let mut found = step.iter().flat_map(|step| walker.found(step));
                    let other = found.find(|found| !run.add(found));
                    (other.map(|found| found.start), next)
                }
            };
            at = other.unwrap_or(next);
            if other.is_some() {
                break;
            }
        }
        if let Some(run) = run.run() {
            show::write_run(out, &walker.format, &walker.section.context, run)?;
        }
        Ok(at)
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
    ) -> Result<u64> {
        let (step, next) = walker.step(mm, va, level, false)?;
        let found = step.iter().flat_map(|step| walker.found(step));
        for found in found.filter(|found| found.entry != Entry::None) {
            // The first one always: if it does not fit, it is asked for again with more room.
            if found.start > va && out.room() < show::MAX_LINE {
                return Ok(found.start);
            }
            show::write_entry(out, &walker.format, &walker.section.context, &found)?;
        }
        Ok(next)
    }
}
