// SPDX-License-Identifier: GPL-2.0

//! The kernel's page tables: `own`, the ranges of this module, and `pagetable`, all of them as well
//! as one can without a lock.
//!
//! Section by section, and in each level by level from the top, as for a process. A section is a
//! range of this module, or a region of the layout.

use super::{
    Kernel,
    Picture, //
};
use crate::{
    mm::{
        kernel_tables::{
            KernelTables,
            OwnTables, //
        },
        tables::{
            self,
            WINDOW, //
        }, //
    },
    pt::{
        coalesce::{
            Coalesce,
            Run, //
        },
        entry::{
            Entry,
            Raw, //
        },
        format::Format,
        kernel::Kernel as KernelFormat,
        level::{
            Geometry,
            Level, //
        },
        position::Position,
        seam::Seam,
        show::{
            self,
            Context, //
        },
        walk::{
            Span,
            Step, //
        },
        Native, //
    },
    rights::may_show_addresses,
    sys::{
        debugfs::Records,
        machine::own::Own,
        seq::SeqWriter, //
    },
    text::Size, //
};
use core::fmt::Write;
use kernel::{
    prelude::*,
    sync::ArcBorrow, //
};

/// Kernel addresses have all upper bits set. A position is below `i64::MAX`, so it leaves out the
/// first of them.
const TOP: u64 = 1 << 63;
/// No region goes on to the last page, whose end could not be written.
const END: u64 = u64::MAX - LAST_BYTE;
/// The last byte of the smallest page.
const LAST_BYTE: u64 = 0xfff;

/// What is shown under one heading.
#[derive(Clone, Copy)]
pub(in crate::inspect) struct Section {
    start: u64,
    end: u64,
    name: &'static str,
    /// Why it is not walked.
    excuse: Option<&'static str>,
}

/// A source of sections and of their tables.
pub(in crate::inspect) trait Source: Sized + Send {
    /// Headings of its own.
    const HEADING: &'static str;

    fn open() -> Result<Self>;

    /// The first section that ends above `va`.
    fn section(&self, va: u64) -> Result<Option<Section>>;

    /// Looks at the entries at the start of `span`, which is in one section. `None` if that is no
    /// longer there.
    fn step(
        &self,
        window: &mut [Raw],
        geometry: &Geometry,
        format: KernelFormat<Native>,
        span: Span,
    ) -> Result<Option<Step>>;
}

/// The ranges of this module.
pub(in crate::inspect) struct OwnRanges;

impl Source for OwnRanges {
    const HEADING: &'static str = "";

    fn open() -> Result<Self> {
        Ok(Self)
    }

    fn section(&self, va: u64) -> Result<Option<Section>> {
        let range = Own::lock()?.find(va);
        Ok(range.map(|r| Section {
            start: r.start.max(va),
            end: r.end,
            name: r.name,
            excuse: None,
        }))
    }

    fn step(
        &self,
        window: &mut [Raw],
        geometry: &Geometry,
        format: KernelFormat<Native>,
        span: Span,
    ) -> Result<Option<Step>> {
        let own = Own::lock()?;
        // A buffer that was freed meanwhile.
        let Some(range) = own.find(span.start).filter(|r| r.start <= span.start) else {
            return Ok(None);
        };
        let mut tables = OwnTables::new(&own, geometry, format);
        let end = span.end.min(range.end);
        Step::take(geometry, &mut tables, Span { end, ..span }, window).map(Some)
    }
}

/// All regions above user space.
pub(in crate::inspect) struct Everything(KVec<Section>);

/// Regions in which the same tables serve again and again: the whole is far larger than what is
/// there.
const SHARED: [(&str, &str); 2] = [
    ("kasan", "one page of zeros is mapped almost everywhere"),
    ("espfix", "each of its pages is mapped many times"),
];

impl Source for Everything {
    const HEADING: &'static str =
        "# WARNING: no lock protects this. Lines may be stale, or wrong where tables change.\n";

    fn open() -> Result<Self> {
        let mut sections = KVec::new();
        Picture::take()?.for_each_section(|start, end, name| {
            let excuse = SHARED.iter().find(|&&(shared, _)| shared == name);
            // Positions are pages.
            let section = Section {
                start: start & !LAST_BYTE,
                end: (end.min(END) + LAST_BYTE) & !LAST_BYTE,
                name,
                excuse: excuse.map(|&(_, why)| why),
            };
            if start >= TOP && section.start < section.end {
                sections.push(section, GFP_KERNEL)?;
            }
            Ok(())
        })?;
        Ok(Self(sections))
    }

    fn section(&self, va: u64) -> Result<Option<Section>> {
        Ok(self.0.iter().copied().find(|s| s.end > va))
    }

    fn step(
        &self,
        window: &mut [Raw],
        geometry: &Geometry,
        format: KernelFormat<Native>,
        span: Span,
    ) -> Result<Option<Step>> {
        let mut tables = KernelTables::new(geometry, format);
        Step::take(geometry, &mut tables, span, window).map(Some)
    }
}

/// What is added up while the file is read from its beginning.
#[derive(Clone, Copy, Default)]
struct Sum {
    /// Pages that can be written and executed.
    pages: u64,
    /// Of the level that is shown.
    seam: Seam,
}

/// A [`Sum`], and whether it is one.
#[derive(Clone, Copy, Default)]
struct Account {
    /// The position that was asked for last.
    at: u64,
    /// The one that follows it.
    next: u64,
    /// Before the last position, and behind.
    before: Sum,
    sum: Sum,
    /// The reader has skipped something, or gone back.
    has_jumped: bool,
}

impl Account {
    /// The record at `pos` is asked for: the next one, the same once more, or another.
    fn begin(&mut self, pos: u64) {
        if pos == 0 {
            *self = Self::default();
        } else if pos == self.at {
            self.sum = self.before;
        } else {
            self.has_jumped |= pos != self.next;
            self.before = self.sum;
        }
        self.at = pos;
    }
}

/// A dump of the kernel's tables.
pub(in crate::inspect) struct Dump<S> {
    source: S,
    geometry: Geometry,
    format: KernelFormat<Native>,
    window: KVec<Raw>,
    /// What is in the window.
    last: Option<Step>,
    section: Section,
    account: Account,
}

impl<S: Source> Dump<S> {
    fn heading(&self, out: &mut SeqWriter<'_>) -> Result {
        out.write_str(S::HEADING)?;
        write!(out, "# levels:")?;
        for level in self.geometry.levels() {
            write!(out, " {}={}", level.name(), Size(self.geometry.size(level)))?;
        }
        writeln!(out)?;
        out.write_str(show::RUN_COLUMNS)?;
        Ok(())
    }

    /// The heading of the first section that ends above `va`, and what follows it; or the sum.
    fn section(&mut self, va: u64, out: &mut SeqWriter<'_>) -> Result<Option<Position>> {
        let Some(section) = self.source.section(va)? else {
            if self.account.has_jumped {
                writeln!(
                    out,
                    "w+x: not known: the file was not read from its beginning"
                )?;
            } else {
                writeln!(out, "w+x: {} pages", self.account.sum.pages)?;
            }
            return Ok(None);
        };
        self.section = section;
        self.last = None;
        let Section {
            start, end, name, ..
        } = section;
        self.account.sum.seam = Seam::new(&(start..end));
        writeln!(out, "region {start:016x}-{end:016x} {name}")?;
        Ok(Some(match section.excuse {
            Some(why) => {
                writeln!(out, "# not walked: {why}")?;
                Position::Vma(end)
            }
            None => Position::Entries(start, Level::Pgd),
        }))
    }

    /// Looks at the entries of `level` from `va` on, as many as the window holds. What is in the
    /// window already is not read again. `None` if the section is no longer there.
    fn step(&mut self, va: u64, level: Level) -> Result<Option<Step>> {
        let last = self.last.and_then(|s| s.from(&self.geometry, level, va));
        if last.is_some() {
            return Ok(last);
        }
        tables::breathe()?;
        self.last = None;
        let Self {
            source,
            geometry,
            format,
            window,
            ..
        } = self;
        let span = Span {
            level,
            start: va,
            end: self.section.end,
        };
        let step = source.step(window, geometry, *format, span)?;
        if let Some(step) = &step {
            let entries = window.get_mut(step.range()).unwrap_or_default();
            format.gather_contiguous(entries, step.index(geometry), level);
        }
        self.last = step;
        Ok(step)
    }

    /// The next run of `level` from `va` on, and where it ends.
    fn run(&mut self, va: u64, level: Level) -> Result<(Option<Run>, u64)> {
        let mut run = Coalesce::new(self.format, self.geometry);
        let end = self.section.end;
        let mut at = va;
        while at < end {
            let Some(step) = self.step(at, level)? else {
                return Ok((run.run().copied(), end));
            };
            let seam = &mut self.account.sum.seam;
            let mut found = step.found(&self.format, &self.geometry, &self.window);
            let other = found.find(|found| {
                // Holes are not shown: what is no run is one.
                let is_other = match found.entry {
                    Entry::None => run.run().is_some(),
                    _ => !run.add(found),
                };
                if !is_other && matches!(found.entry, Entry::Table { .. }) {
                    seam.lead(&(found.start..found.end));
                }
                is_other
            });
            let reached = other.as_ref().map_or(step.next, |other| other.start);
            if step.reached() == level {
                seam.look(&(at..reached));
            }
            at = reached;
            if other.is_some() {
                break;
            }
        }
        Ok((run.run().copied(), at))
    }

    /// Shows a run of `level` from `va` on, and returns how far it got.
    fn show(&mut self, va: u64, level: Level, out: &mut SeqWriter<'_>) -> Result<u64> {
        let (run, reached) = self.run(va, level)?;
        if let Some(run) = run {
            show::write_run(out, &self.format, &Context::default(), &run)?;
            let effective = run.first.effective(&self.format);
            let is_leaf = matches!(run.first.entry, Entry::Leaf { .. });
            if is_leaf && effective.write && effective.exec {
                let bytes = run.first.end - run.first.start;
                self.account.sum.pages += bytes / self.geometry.page_size();
            }
        }
        let is_done = reached >= self.section.end;
        if is_done && !self.account.sum.seam.descend() && !self.account.has_jumped {
            writeln!(
                out,
                "# {}: not of the tables above: they were changed meanwhile, or cannot be read",
                level.name()
            )?;
        }
        Ok(reached)
    }
}

impl<S: Source> Records for Dump<S> {
    type Data = Kernel;

    fn open(_kernel: ArcBorrow<'_, Kernel>) -> Result<Self> {
        may_show_addresses()?;
        let (geometry, format) = tables::native()?;
        Ok(Self {
            source: S::open()?,
            geometry,
            format: KernelFormat(format),
            window: KVec::from_elem(Raw(0), WINDOW, GFP_KERNEL)?,
            last: None,
            section: Section {
                start: 0,
                end: 0,
                name: "",
                excuse: None,
            },
            account: Account::default(),
        })
    }

    fn begin(&mut self) {
        // Between two reads any time may pass.
        self.last = None;
    }

    fn emit(&mut self, pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        self.account.begin(pos);
        let position = match pos {
            0 => Position::Heading,
            _ => Position::from_number(pos | TOP),
        };
        let next = match position {
            Position::Heading => {
                self.heading(out)?;
                Some(Position::Vma(TOP))
            }
            Position::Vma(va) => self.section(va, out)?,
            Position::Entries(va, level) => {
                let reached = if va < self.section.end {
                    self.show(va, level, out)?
                } else {
                    va
                };
                let Section { start, end, .. } = self.section;
                Some(Position::after(&self.geometry, level, reached, start, end))
            }
        };
        let next = next.map(|p| p.number() & !TOP);
        self.account.next = next.unwrap_or(0);
        Ok(next)
    }
}
