// SPDX-License-Identifier: GPL-2.0

//! A look at one address: the VMA, the entries and the page.

use crate::{
    mm::{
        pages::{
            self,
            Look, //
        },
        search::Advice,
        tables::{
            self,
            page_kind,
            VmaTables,
            WINDOW, //
        },
        vmas::{
            MmapReadLock,
            VmaInfo, //
        }, //
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
        show::{
            self,
            Context, //
        },
        walk::{
            Span,
            Step, //
        },
        way::Way,
        Native, //
    },
    query::{
        huge::Mapped,
        reason, //
    },
    sys::seq::SeqWriter,
    text::vma_flags::VmaFlags, //
};
use core::ops::Range;
use kernel::{
    mm::MmWithUser,
    prelude::*, //
};

/// What is at an address: copies, all from under one hold of the mmap lock.
pub(super) struct Address {
    pub(super) va: u64,
    pub(super) geometry: Geometry,
    pub(super) format: Native,
    pub(super) vma: VmaInfo,
    /// What the VMA's operations and the process say of it.
    pub(super) advice: Advice,
    pub(super) way: Way,
    /// The page, if the way ends at one that may be looked at.
    pub(super) page: Option<Look>,
    /// The range of a huge page and how it is mapped by pages, if it is.
    pub(super) mapped: Option<Mapped>,
}

/// Looks at `va`; `None` if no VMA contains it.
pub(super) fn look(mm: &MmWithUser, va: u64) -> Result<Option<Address>> {
    let (geometry, format) = tables::native()?;
    let mut window = KBox::new([Raw(0); WINDOW], GFP_KERNEL)?;

    // Dropped after the lock, whatever fails.
    let info;
    let lock = MmapReadLock::lock(mm)?;
    let Some(vma) = lock.find_vma(va).filter(|vma| vma.start() as u64 <= va) else {
        return Ok(None);
    };
    let Some(mut tables) = VmaTables::find(&lock, va, &geometry) else {
        return Ok(None);
    };
    let advice = Advice::read(&lock, vma);
    info = VmaInfo::read(&lock, vma);
    let is_anonymous = info.vm_ops.is_null();
    let (way, page) = way(
        &geometry,
        &format,
        &mut tables,
        va,
        info.flags,
        is_anonymous,
    )?;
    let mapped = match way.at(Level::Pmd).map(|found| found.entry) {
        Some(Entry::Table { .. }) => {
            let bounds = info.start..info.end;
            Some(count(
                &geometry,
                &format,
                &mut tables,
                va,
                &bounds,
                &mut *window,
            )?)
        }
        _ => None,
    };
    drop(lock);
    Ok(Some(Address {
        va,
        geometry,
        format,
        vma: info,
        advice,
        way,
        page,
        mapped,
    }))
}

/// The way down to `va`, which is in the VMA of `tables`, with the kind of the page at its end; and
/// that page, if it may be looked at.
pub(in crate::inspect) fn way(
    geometry: &Geometry,
    format: &Native,
    tables: &mut VmaTables<'_>,
    va: u64,
    flags: VmaFlags,
    is_anonymous: bool,
) -> Result<(Way, Option<Look>)> {
    let bounds = tables.start()..tables.end();
    let mut way = Way::down(geometry, format, tables, va, &bounds)?;
    let Some(end) = way.end_mut() else {
        return Ok((way, None));
    };
    let Entry::Leaf { pfn } = end.entry else {
        return Ok((way, None));
    };
    let pfn = pfn + (va - geometry.entry_start(va, end.level)) / geometry.page_size();
    let is_special = format.is_special(end.raw);
    let is_huge = end.level > Level::Pte;
    end.page = page_kind(pfn).seen(is_special, is_huge && is_anonymous);
    if is_special || flags.is_pfnmap() {
        return Ok((way, None));
    }
    let look = pages::look(tables, va, end.level, &end.entry, format, pfn)?;
    match look {
        Look::Page(facts) => end.page = facts.kind,
        Look::NotOnline => end.page = PageKind::Device,
        Look::Changing => end.page = PageKind::Unknown,
    }
    Ok((way, Some(look)))
}

/// Counts what the table maps that serves `va`, in `bounds`.
fn count(
    geometry: &Geometry,
    format: &Native,
    tables: &mut VmaTables<'_>,
    va: u64,
    bounds: &Range<u64>,
    window: &mut [Raw],
) -> Result<Mapped> {
    let first = geometry.entry_start(va, Level::Pmd);
    let end = geometry.entry_end(va, Level::Pmd).min(bounds.end);
    let mut start = first.max(bounds.start);
    let mut mapped = Mapped {
        entries: geometry.size(Level::Pmd) / geometry.page_size(),
        ..Mapped::default()
    };
    let mut in_order = 0;
    let mut base = None;
    while start < end {
        let level = Level::Pte;
        let step = Step::take(geometry, tables, Span { level, start, end }, window)?;
        for found in step.found(format, geometry, window) {
            let Entry::Leaf { pfn } = found.entry else {
                continue;
            };
            let index = (found.start - first) / geometry.page_size();
            let this = pfn.wrapping_sub(index);
            mapped.present += 1;
            in_order += u64::from(*base.get_or_insert(this) == this);
        }
        start = step.next;
    }
    // As many as a power of two.
    let is_aligned = |first: u64| first & mapped.entries.wrapping_sub(1) == 0;
    mapped.is_contiguous = in_order == mapped.entries && base.is_some_and(is_aligned);
    Ok(mapped)
}

impl Address {
    /// What the lines of entries say of the VMA.
    fn context(&self) -> Context {
        Context {
            flags: self.vma.flags,
            is_anonymous: self.vma.vm_ops.is_null(),
            has_anon_vma: self.vma.has_anon_vma(),
        }
    }

    /// Writes a line for each entry, as in the file `entries`, and the physical address.
    pub(super) fn write_way(&self, out: &mut SeqWriter<'_>) -> Result {
        use core::fmt::Write;
        out.write_str(show::ENTRY_COLUMNS)?;
        for found in self.way.iter() {
            show::write_entry(out, &self.format, &self.context(), found)?;
        }
        match self.way.physical(&self.geometry, self.va) {
            Some(address) => writeln!(out, "physical:  {address:#x}")?,
            None => writeln!(out, "physical:  none")?,
        }
        if !self.way.is_steady {
            writeln!(out, "# the entries changed while they were looked at")?;
        }
        Ok(())
    }

    /// Whether the file ends before the page.
    fn is_past_end(&self) -> bool {
        let pages = (self.va - self.vma.start) / self.geometry.page_size();
        let offset = self.vma.pgoff.saturating_add(pages);
        self.advice
            .file_size
            .is_some_and(|size| offset >= size.div_ceil(self.geometry.page_size()))
    }

    /// Why the lowest entry is as it is.
    pub(super) fn reason(&self) -> Option<reason::Reason> {
        let end = self.way.end()?;
        let page = match self.page {
            Some(Look::Page(facts)) => Some(facts),
            _ => None,
        };
        let anon = page.filter(|facts| facts.flags.is_anon());
        let soft_dirty = Native::BITS.iter().find(|b| b.name == "soft-dirty");
        Some(reason::Reason::find(&reason::Facts {
            entry: end.entry,
            rights: end.effective(&self.format),
            is_protnone: self.format.is_protnone(end.raw),
            is_uffd: self.format.is_uffd(end.raw),
            is_soft_dirty: soft_dirty.is_some_and(|bit| end.raw.0 & bit.mask != 0),
            is_special: self.format.is_special(end.raw),
            page: end.page,
            is_exclusive: anon.map(|facts| facts.is_exclusive),
            map_count: page.and_then(|facts| facts.map_count.try_into().ok()),
            vma: reason::Vma {
                flags: self.vma.flags,
                is_anonymous: self.vma.vm_ops.is_null(),
                has_anon_vma: self.vma.has_anon_vma(),
                wants_mkwrite: self.advice.wants_mkwrite,
                is_past_end: self.is_past_end(),
                has_soft_dirty: soft_dirty.is_some(),
            },
        }))
    }
}
