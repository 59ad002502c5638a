// SPDX-License-Identifier: GPL-2.0

//! Counting what is in the tables.

use super::target::Subject;
use crate::{
    mm::{
        tables::{
            self,
            VmaTables,
            WINDOW, //
        },
        vmas::MmapReadLock,
    },
    pt::{
        count::{
            Count,
            Once, //
        },
        entry::{
            Entry,
            Raw, //
        },
        format::Format,
        level::{
            Geometry,
            Level,
            LEVELS, //
        },
        walk::{
            Found,
            Span,
            Step, //
        },
        Native, //
    },
};
use core::mem::take;
use kernel::prelude::*;

/// What it takes to count: the format of the entries, and room for a window of each level.
pub(super) struct Tally {
    pub(super) geometry: Geometry,
    pub(super) format: Native,
    windows: [KVec<Raw>; LEVELS],
}

/// A count that goes on.
struct Walk<'a> {
    subject: &'a Subject,
    count: Count,
    once: Option<&'a mut Once>,
}

impl Tally {
    pub(super) fn new() -> Result<Self> {
        let (geometry, format) = tables::native()?;
        let window = || KVec::from_elem(Raw(0), WINDOW, GFP_KERNEL);
        Ok(Self {
            geometry,
            format,
            windows: [window()?, window()?, window()?, window()?, window()?],
        })
    }

    /// Counts what serves the VMAs in `start..end`. With `once`, a table that was counted before is
    /// left out.
    ///
    /// Takes as long as there is memory mapped, and lets others run meanwhile. The memory of the
    /// subject is held for a window at a time: if the process exits, this ends.
    ///
    /// Errors: `EINTR` if this task is being killed.
    pub(super) fn count(
        &mut self,
        subject: &Subject,
        start: u64,
        end: u64,
        once: Option<&mut Once>,
    ) -> Result<Count> {
        let mut walk = Walk {
            subject,
            count: Count::default(),
            once,
        };
        let top = Span {
            level: Level::Pgd,
            start,
            end,
        };
        self.descend(&mut walk, top)?;
        Ok(walk.count)
    }

    /// Adds the entries of `span`, and what is below those that are tables. At most as deep as there
    /// are levels.
    fn descend(&mut self, walk: &mut Walk<'_>, span: Span) -> Result {
        let number = usize::from(span.level.number());
        // Those of the levels below are used meanwhile.
        let mut window = self.windows.get_mut(number).map(take).unwrap_or_default();
        let result = self.descend_with(walk, span, &mut window);
        if let Some(place) = self.windows.get_mut(number) {
            *place = window;
        }
        result
    }

    fn descend_with(
        &mut self,
        walk: &mut Walk<'_>,
        mut span: Span,
        window: &mut KVec<Raw>,
    ) -> Result {
        let Self {
            geometry, format, ..
        } = *self;
        let below = geometry.below(span.level);
        while span.start < span.end {
            let (step, next) = self.step(walk.subject, span, window)?;
            span.start = next;
            let Some(step) = step else {
                continue;
            };
            let entries = window.get_mut(step.range()).unwrap_or_default();
            format.gather_contiguous(entries, step.index(&geometry), span.level);
            for found in step.found(&format, &geometry, window) {
                let is_table = matches!(found.entry, Entry::Table { .. });
                let is_new = match &mut walk.once {
                    Some(once) if is_table => once.is_new(&geometry, &found),
                    _ => true,
                };
                if is_new {
                    walk.count.add(&format, &geometry, &found);
                }
                if let Some(level) = below.filter(|_| is_table) {
                    let Found { start, end, .. } = found;
                    self.descend(walk, Span { level, start, end })?;
                }
            }
        }
        Ok(())
    }

    /// Looks at the entries at the start of `span`, as many as fit: the step, `None` over addresses
    /// without a VMA, and where the next one begins.
    fn step(
        &self,
        subject: &Subject,
        span: Span,
        window: &mut [Raw],
    ) -> Result<(Option<Step>, u64)> {
        tables::breathe()?;
        let Span { start, end, .. } = span;
        let Some(mm) = subject.memory() else {
            return Ok((None, end));
        };
        let lock = MmapReadLock::lock(&mm)?;
        let Some(mut tables) = VmaTables::find(&lock, start, &self.geometry) else {
            return Ok((None, end));
        };
        if tables.start() > start {
            return Ok((None, tables.start().min(end)));
        }
        let span = Span {
            end: tables.end().min(end),
            ..span
        };
        let step = Step::take(&self.geometry, &mut tables, span, window)?;
        Ok((Some(step), step.next))
    }
}
