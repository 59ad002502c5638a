// SPDX-License-Identifier: GPL-2.0

//! A window of a page table: its entries, and the pages that they map.

use crate::{
    mm::tables::{
        page_kind,
        WINDOW, //
    },
    pt::{
        entry::{
            Entry,
            Raw, //
        },
        format::Format,
        level::{
            Geometry,
            Level, //
        },
        page::PageKind,
        walk::{
            Found,
            Span,
            Step,
            Tables, //
        }, //
    },
};
use kernel::prelude::*;

/// Room for a window, used again and again.
pub(super) struct Window {
    entries: KBox<[Raw; WINDOW]>,
    /// The same, read once more after the look at the pages.
    again: KBox<[Raw; WINDOW]>,
    pages: KBox<[PageKind; WINDOW]>,
}

impl Window {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            entries: KBox::new([Raw(0); WINDOW], GFP_KERNEL)?,
            again: KBox::new([Raw(0); WINDOW], GFP_KERNEL)?,
            pages: KBox::new([PageKind::Unknown; WINDOW], GFP_KERNEL)?,
        })
    }

    /// Looks at the entries at the start of `span`, as many as fit.
    pub(super) fn take<T: Tables>(
        &mut self,
        geometry: &Geometry,
        tables: &mut T,
        span: Span,
    ) -> Result<Step, T::Error> {
        Step::take(geometry, tables, span, &mut *self.entries)
    }

    /// Looks at the pages that the entries of `step` map, which was just taken from the same
    /// `tables`. `is_anonymous` says that the span is of anonymous memory.
    ///
    /// A page is looked at without a reference, so the entries are read once more: what has changed
    /// meanwhile stays [`PageKind::Unknown`].
    pub(super) fn look_at_pages<T: Tables, F: Format>(
        &mut self,
        format: &F,
        geometry: &Geometry,
        tables: &mut T,
        step: &Step,
        is_anonymous: bool,
    ) -> Result<(), T::Error> {
        self.pages.fill(PageKind::Unknown);
        let mut any = false;
        for (found, page) in step
            .found(format, geometry, &*self.entries)
            .zip(self.pages.iter_mut())
        {
            if let Entry::Leaf { pfn } = found.entry {
                let is_huge = found.level > Level::Pte;
                *page = page_kind(pfn).seen(format.is_special(found.raw), is_huge && is_anonymous);
                any = true;
            }
        }
        if !any {
            return Ok(());
        }
        let again = Step::take(geometry, tables, step.span(), &mut *self.again)?;
        let mut again = again.found(format, geometry, &*self.again);
        for (found, page) in step
            .found(format, geometry, &*self.entries)
            .zip(self.pages.iter_mut())
        {
            if again.next().map(|f| f.entry) != Some(found.entry) {
                *page = PageKind::Unknown;
            }
        }
        Ok(())
    }

    /// Gives the entries of contiguous ranges what the hardware may note in any of them.
    pub(super) fn gather_contiguous<F: Format>(
        &mut self,
        format: &F,
        geometry: &Geometry,
        step: &Step,
    ) {
        let entries = self.entries.get_mut(..step.count()).unwrap_or_default();
        format.gather_contiguous(entries, step.index(geometry), step.span().level);
    }

    /// The entries of `step`, which was the last one taken, in address order, empty ones included.
    pub(super) fn found<'a, F: Format>(
        &'a self,
        format: &'a F,
        geometry: &Geometry,
        step: &Step,
    ) -> impl Iterator<Item = Found> + 'a {
        let found = step.found(format, geometry, &*self.entries);
        found
            .zip(self.pages.iter())
            .map(|(found, &page)| Found { page, ..found })
    }
}
