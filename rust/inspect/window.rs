// SPDX-License-Identifier: GPL-2.0

//! A window of a page table: its entries, and the pages that they map.

use crate::{
    mm::tables::{
        page_kind,
        WINDOW, //
    },
    pt::{
        coalesce::neighbours,
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
        scan::{
            Masks,
            Same, //
        },
        walk::{
            Found,
            Span,
            Step,
            Tables, //
        }, //
    },
    sys::scratch::zeroed, //
};
use kernel::prelude::*;

/// Room for a window, used again and again.
pub(super) struct Window {
    entries: KVec<Raw>,
    /// The same, read once more after the look at the pages.
    again: KVec<Raw>,
    pages: KVec<PageKind>,
}

impl Window {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            entries: zeroed(WINDOW)?,
            again: zeroed(WINDOW)?,
            pages: zeroed(WINDOW)?,
        })
    }

    /// Looks at the entries at the start of `span`, as many as fit, and at the pages that they map.
    /// `is_anonymous` says that the span is of anonymous memory.
    pub(super) fn take<T: Tables, F: Format>(
        &mut self,
        format: &F,
        geometry: &Geometry,
        tables: &mut T,
        span: Span,
        is_anonymous: bool,
    ) -> Result<Step, T::Error> {
        let mut step = Step::take(geometry, tables, span, &mut self.entries)?;
        if step.reached() > span.level {
            // The way ends above, and probably for its neighbours too: on to the next table.
            let above = Span {
                level: step.reached(),
                ..span
            };
            let above = Step::take(geometry, tables, above, &mut self.again)?;
            let table = above
                .found(format, geometry, &self.again)
                .find(|found| matches!(found.entry, Entry::Table { .. }));
            step.next = step.next.max(table.map_or(above.next, |found| found.start));
            return Ok(step);
        }
        let entries = self.entries.get(step.range()).unwrap_or_default();
        let again = &mut self.again;
        look_at_pages(
            format,
            geometry,
            tables,
            span,
            entries,
            again,
            &mut self.pages,
            is_anonymous,
        )?;
        Ok(step)
    }

    /// Gives the entries of contiguous ranges what the hardware may note in any of them.
    pub(super) fn gather_contiguous<F: Format>(
        &mut self,
        format: &F,
        geometry: &Geometry,
        step: &Step,
    ) {
        let entries = self.entries.get_mut(step.range()).unwrap_or_default();
        format.gather_contiguous(entries, step.index(geometry), step.span().level);
    }

    /// The first entry of `step`, which was the last one taken or a part of it, and its neighbours that
    /// are alike: the first with the end of all of them. `masks` has the bits in which they agree.
    pub(super) fn first_alike<F: Format>(
        &self,
        format: &F,
        geometry: &Geometry,
        masks: &Masks,
        step: &Step,
    ) -> Option<(Found, Same)> {
        let found = self.found(format, geometry, step).next()?;
        let raws = self.entries.get(step.range()).unwrap_or_default();
        let pages = self.pages.get(step.range()).unwrap_or_default();
        let end = step.span().end;
        Some(neighbours(
            format, geometry, masks, &found, end, raws, pages,
        ))
    }

    /// The entries of `step`, which was the last one taken or a part of it, in address order, empty
    /// ones included.
    pub(super) fn found<'a, F: Format>(
        &'a self,
        format: &'a F,
        geometry: &Geometry,
        step: &Step,
    ) -> impl Iterator<Item = Found> + 'a {
        let pages = self.pages.get(step.range()).unwrap_or_default();
        let found = step.found(format, geometry, &self.entries);
        found
            .zip(pages)
            .map(|(found, &page)| Found { page, ..found })
    }
}

/// Looks at the pages that `entries` map, which are those at the start of `span`: `pages` gets their
/// kinds. `again` is room for the entries. `is_anonymous` says that the span is of anonymous memory.
///
/// A page is looked at without a reference, so the entries are read once more: what has changed
/// meanwhile stays [`PageKind::Unknown`].
#[allow(clippy::too_many_arguments)] // Each is a thing of its own.
pub(super) fn look_at_pages<T: Tables, F: Format>(
    format: &F,
    geometry: &Geometry,
    tables: &mut T,
    span: Span,
    entries: &[Raw],
    again: &mut [Raw],
    pages: &mut [PageKind],
    is_anonymous: bool,
) -> Result<(), T::Error> {
    let leaf_at = |raw: Raw| match format.decode(raw, span.level) {
        Entry::Leaf { pfn } => Some(pfn),
        _ => None,
    };
    let is_huge = span.level > Level::Pte;
    let mut any = false;
    for (&raw, page) in entries.iter().zip(pages.iter_mut()) {
        *page = PageKind::Unknown;
        if let Some(pfn) = leaf_at(raw) {
            *page = page_kind(pfn).seen(format.is_special(raw), is_huge && is_anonymous);
            any = true;
        }
    }
    if any {
        let step = Step::take(geometry, tables, span, again)?;
        let mut again = again.get(step.range()).unwrap_or_default().iter();
        for (&before, page) in entries.iter().zip(pages.iter_mut()) {
            let after = again.next().copied();
            if after.is_none_or(|after| before != after && leaf_at(before) != leaf_at(after)) {
                *page = PageKind::Unknown;
            }
        }
    }
    Ok(())
}
