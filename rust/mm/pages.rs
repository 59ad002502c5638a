// SPDX-License-Identifier: GPL-2.0

//! Facts of a page that is mapped.
//!
//! A page frame that was read from an entry may be somebody else's by now. So a reference is taken
//! as gup_fast takes it (`gup_fast_pte_range()`, mm/gup.c): try to get the folio, then see that the
//! entry still maps the page. From then on it is that page, until the reference is given back.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h),
//! [`include/linux/page_ref.h`](srctree/include/linux/page_ref.h)

use super::tables::{
    page_kind,
    VmaTables, //
};
use crate::{
    ffi,
    pt::{
        entry::{
            Entry,
            Raw, //
        },
        format::Format,
        level::Level,
        page::PageKind,
        walk::Tables,
        Native, //
    },
    text::page_flags::PageFlags,
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    prelude::*,
    sync::rcu, //
};

/// What there is to say of a page.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PageFacts {
    /// Its page frame.
    pub(crate) pfn: u64,
    /// What kind of page it is.
    pub(crate) kind: PageKind,
    /// Pages of its folio, as a power of two.
    pub(crate) order: u32,
    /// First page frame of its folio.
    pub(crate) folio_pfn: u64,
    /// Its flags.
    pub(crate) flags: PageFlags,
    /// References to the folio, ours aside.
    pub(crate) ref_count: i64,
    /// Entries that map the page, at whatever level.
    pub(crate) map_count: i64,
    /// Entries that map the folio or a part of it.
    pub(crate) folio_map_count: i64,
    /// Of anonymous memory, whether no other process can have it (`PageAnonExclusive`).
    pub(crate) is_exclusive: bool,
    /// NUMA node.
    pub(crate) node: i32,
    /// Inode of the memory cgroup that it is charged to, as a folder of cgroupfs; 0 without one.
    pub(crate) memcg: u64,
}

/// How a look at a page went.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Look {
    /// The page was held while these were read.
    Page(PageFacts),
    /// The memory has no `struct page`, or one that the buddy allocator has no say in.
    NotOnline,
    /// The entry was changing all the time, or nobody has the page.
    Changing,
}

/// An entry that changes is tried again so often.
const TRIES: usize = 4;

/// Looks at page `pfn`, which `leaf` at `level` maps at `va`, in the VMA of `tables`.
///
/// The caller knows that the entry is a present leaf and has no special bit, and that the VMA is no
/// PFN map: other entries name memory that may have no page, or nobody's.
pub(crate) fn look(
    tables: &mut VmaTables<'_>,
    va: u64,
    level: Level,
    leaf: &Entry,
    format: &Native,
    pfn: u64,
) -> Result<Look> {
    for _ in 0..TRIES {
        // The page does not go offline between the look at it and the reference.
        let _rcu = rcu::read_lock();
        // SAFETY: Any number will do.
        let page = unsafe { ffi::mmlens_pfn_to_online_page(pfn as usize) };
        let Some(page) = NonNull::new(page) else {
            return Ok(Look::NotOnline);
        };
        // SAFETY: The page is online.
        let Some(folio) = (unsafe { FolioRef::try_get(page) }) else {
            continue;
        };
        let mut again = [Raw(0)];
        let snapshot = tables.snapshot(va, level, &mut again)?;
        let [again] = again;
        // Its bits may have changed, but it maps the same.
        if snapshot.count == 1 && format.decode(again, level) == *leaf {
            return Ok(Look::Page(folio.facts(page, pfn)));
        }
    }
    Ok(Look::Changing)
}

/// A reference to a folio.
///
/// # Invariants
///
/// Owns one reference to `folio`.
struct FolioRef {
    folio: NonNull<bindings::folio>,
}

impl FolioRef {
    /// Takes a reference to the folio of `page`, unless it is free or frozen, or no longer that.
    ///
    /// # Safety
    ///
    /// `page` is the `struct page` of memory that is online.
    unsafe fn try_get(page: NonNull<bindings::page>) -> Option<Self> {
        // SAFETY: The caller's promise.
        let folio = NonNull::new(unsafe { ffi::mmlens_page_folio(page.as_ptr()) })?;
        // SAFETY: Whatever it is the head of now, it is a page with a count.
        if !unsafe { ffi::mmlens_folio_try_get(folio.as_ptr()) } {
            return None;
        }
        // INVARIANT: Just taken.
        let this = Self { folio };
        // SAFETY: As above. Now that it is held, the folio cannot be split or freed.
        let again = unsafe { ffi::mmlens_page_folio(page.as_ptr()) };
        (again == folio.as_ptr()).then_some(this)
    }

    /// Reads the facts of `page`, which is in the folio and has page frame `pfn`.
    fn facts(&self, page: NonNull<bindings::page>, pfn: u64) -> PageFacts {
        let folio = self.folio.as_ptr();
        let page = page.as_ptr();
        // SAFETY: The folio is held by the type invariants, and the page is in it; this only reads.
        let flags = PageFlags(unsafe { bindings::stable_page_flags(page) });
        // SAFETY: Held, by the type invariants.
        let order = unsafe { ffi::mmlens_folio_order(folio) };
        // SAFETY: The same.
        let folio_pfn = unsafe { ffi::mmlens_folio_pfn(folio) };
        // SAFETY: The same.
        let references = unsafe { ffi::mmlens_folio_ref_count(folio) };
        // SAFETY: The same, and the page is in the folio.
        let map_count = unsafe { ffi::mmlens_page_mapcount(folio, page) };
        // SAFETY: Held, by the type invariants.
        let folio_map_count = unsafe { ffi::mmlens_folio_mapcount(folio) };
        // SAFETY: The page is of a folio that is held, and anonymous as the function wants it.
        let is_exclusive = flags.is_anon() && unsafe { ffi::mmlens_page_anon_exclusive(page) };
        // SAFETY: Held, by the type invariants.
        let node = unsafe { ffi::mmlens_folio_nid(folio) };
        // SAFETY: The page is of a folio that is held.
        let memcg = unsafe { ffi::mmlens_page_cgroup_ino(page) };
        PageFacts {
            pfn,
            kind: page_kind(pfn),
            order,
            folio_pfn: folio_pfn as u64,
            flags,
            ref_count: i64::from(references) - 1,
            map_count: i64::from(map_count),
            folio_map_count: i64::from(folio_map_count),
            is_exclusive,
            node,
            memcg: memcg as u64,
        }
    }
}

impl Drop for FolioRef {
    fn drop(&mut self) {
        // SAFETY: `self` owns a reference. If it is the last one, the folio is freed here, which
        // does not sleep.
        unsafe { ffi::mmlens_folio_put(self.folio.as_ptr()) };
    }
}
