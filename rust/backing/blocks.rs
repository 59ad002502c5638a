// SPDX-License-Identifier: GPL-2.0

//! Pages of the page allocator, and a `vmap()` over them.
//!
//! C header: [`include/linux/vmalloc.h`](srctree/include/linux/vmalloc.h)

use super::{
    areas::Listed,
    cache_number,
    Area, //
};
use crate::{
    ffi,
    setup::Cache,
    sys::scratch::accounted,
    vm::page::{
        PageList,
        PageRef, //
    }, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::to_result,
    ffi::{
        c_uint,
        c_void, //
    },
    page::PAGE_SIZE,
    prelude::*, //
};

/// Pages in the order of the buffer.
///
/// # Invariants
///
/// All are allocated. The first `compound` of them are whole compound pages of
/// [`ffi::mmlens_block_order`], with one reference of ours each, to its first page; of all others
/// each has one.
struct Pages {
    pages: KVVec<NonNull<bindings::page>>,
    compound: usize,
}

impl Pages {
    /// `count` pages, in blocks of `order` as long as there is so much left. Errors: `ENOMEM`.
    fn new(count: usize, order: u32, compound: bool) -> Result<Self> {
        // INVARIANT: No pages yet.
        let mut pages = Self {
            pages: accounted(count)?,
            compound: 0,
        };
        while pages.pages.len() < count {
            let left = count - pages.pages.len();
            let is_whole = left >= 1 << order;
            let fitting = left.next_power_of_two().trailing_zeros();
            let order = if is_whole { order } else { fitting };
            pages.add(order, left.min(1 << order), compound && is_whole)?;
            // SAFETY: Always fine where one may sleep.
            unsafe { ffi::mmlens_cond_resched() };
            // SAFETY: Always fine for the current task.
            if unsafe { ffi::mmlens_fatal_signal_pending() } {
                return Err(EINTR);
            }
        }
        Ok(pages)
    }

    /// For C: where they are listed, and how many they are.
    fn list(&mut self) -> (*mut *mut bindings::page, c_uint) {
        // CAST: `NonNull` is transparent. A buffer has less pages than that.
        (self.pages.as_mut_ptr().cast(), self.pages.len() as c_uint)
    }

    /// Adds `wanted` pages that follow each other, out of a block of `order`, which has as many or
    /// more. The rest of it is given back.
    fn add(&mut self, order: u32, wanted: usize, compound: bool) -> Result {
        // SAFETY: Any order may be asked for.
        let first = unsafe { ffi::mmlens_alloc_block(order, compound) };
        let first = NonNull::new(first).ok_or(ENOMEM)?;
        if compound {
            self.compound += 1 << order;
        }
        for index in 0..1usize << order {
            // SAFETY: The pages of a block have their `struct page` one after the other.
            let page = unsafe { first.add(index) };
            // INVARIANT: Allocated; there was room for all that are wanted.
            if index >= wanted || self.pages.push_within_capacity(page).is_err() {
                // SAFETY: The block was split, so that each page has its own reference, which is
                // given up here.
                drop(unsafe { PageRef::from_raw(page) });
            }
        }
        Ok(())
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: A constant.
        let block = 1usize << unsafe { ffi::mmlens_block_order() };
        for (index, &page) in self.pages.iter().enumerate() {
            if index < self.compound && index % block != 0 {
                continue;
            }
            // SAFETY: By the type invariants this reference is ours.
            drop(unsafe { PageRef::from_raw(page) });
        }
    }
}

/// Pages whose linear map has a cache type, as far as the architecture can do that.
///
/// # Invariants
///
/// [`ffi::mmlens_set_pages_cache`] was called for `pages` with `cache`.
struct CachedPages {
    pages: Pages,
    cache: Cache,
}

impl CachedPages {
    fn new(mut pages: Pages, cache: Cache) -> Result<Self> {
        let (list, count) = pages.list();
        // SAFETY: So many pages that are allocated and mapped nowhere else.
        to_result(unsafe { ffi::mmlens_set_pages_cache(list, count, cache_number(cache)) })?;
        // INVARIANT: Just done.
        Ok(Self { pages, cache })
    }
}

impl Drop for CachedPages {
    fn drop(&mut self) {
        let (list, count) = self.pages.list();
        // SAFETY: By the type invariants; nothing maps the pages any more.
        unsafe { ffi::mmlens_reset_pages_cache(list, count, cache_number(self.cache)) };
    }
}

/// Pages, and the range of kernel addresses that maps them, with the same cache type.
///
/// # Invariants
///
/// `address` is the `vmap()` of `memory`, with `VM_USERMAP`.
struct Mapped {
    address: NonNull<c_void>,
    memory: CachedPages,
}

impl Mapped {
    fn new(mut memory: CachedPages) -> Result<Self> {
        let cache = cache_number(memory.cache);
        let (list, count) = memory.pages.list();
        // SAFETY: So many pages; the list is not needed afterwards.
        let address = unsafe { ffi::mmlens_vmap(list, count, cache) };
        // INVARIANT: Just mapped.
        Ok(Self {
            address: NonNull::new(address).ok_or(ENOMEM)?,
            memory,
        })
    }
}

impl Drop for Mapped {
    fn drop(&mut self) {
        // SAFETY: Mapped by the type invariants, and nobody else knows of it any more.
        unsafe { ffi::mmlens_vunmap(self.address.as_ptr()) };
    }
}

/// The memory of a buffer: pages with a `vmap()` over them.
pub(crate) struct Blocks {
    // Goes first: nobody looks at the tables of the range afterwards.
    _listed: Listed,
    mapped: Mapped,
}

// SAFETY: The memory may be freed by any thread.
unsafe impl Send for Blocks {}
// SAFETY: Nothing but page references and copies is handed out.
unsafe impl Sync for Blocks {}

impl Blocks {
    /// Single pages. Errors: `ENOMEM`.
    pub(super) fn single(pages: usize, cache: Cache) -> Result<Self> {
        Self::new(pages, 0, false, cache)
    }

    /// Blocks as large as they come: all of it is one, if it is not larger than a huge page.
    pub(super) fn contiguous(pages: usize, cache: Cache) -> Result<Self> {
        // SAFETY: A constant.
        Self::new(pages, unsafe { ffi::mmlens_block_order() }, false, cache)
    }

    /// Compound pages of the size of a huge page, and for the rest as [`contiguous`].
    ///
    /// [`contiguous`]: Self::contiguous
    pub(super) fn compound(pages: usize, cache: Cache) -> Result<Self> {
        // SAFETY: A constant.
        Self::new(pages, unsafe { ffi::mmlens_block_order() }, true, cache)
    }

    fn new(count: usize, order: u32, compound: bool, cache: Cache) -> Result<Self> {
        let pages = Pages::new(count, order, compound)?;
        let mapped = Mapped::new(CachedPages::new(pages, cache)?)?;
        let first = mapped.address.addr().get();
        let last = first + (count * PAGE_SIZE - 1);
        Ok(Self {
            _listed: Listed::new(first as u64, last as u64, "vmap")?,
            mapped,
        })
    }

    /// How many pages there are.
    pub(super) fn pages(&self) -> usize {
        self.mapped.memory.pages.pages.len()
    }

    /// The pages.
    #[inline]
    pub(super) fn list(&self) -> PageList<'_> {
        // SAFETY: They are allocated as long as `self` is there.
        unsafe { PageList::new(&self.mapped.memory.pages.pages) }
    }

    /// Where the kernel has it: an area with `VM_USERMAP`.
    pub(super) fn address(&self) -> NonNull<c_void> {
        self.mapped.address
    }

    /// The kernel's mapping.
    pub(super) fn area(&self) -> Area<'_> {
        // INVARIANT: The area has so many pages, and is there as long as `self`.
        Area::new(
            "vmap",
            self.address(),
            self.pages(),
            self.mapped.memory.cache,
        )
    }
}
