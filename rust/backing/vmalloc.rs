// SPDX-License-Identifier: GPL-2.0

//! Memory of `vmalloc()`.
//!
//! C header: [`include/linux/vmalloc.h`](srctree/include/linux/vmalloc.h)

use super::{
    areas::Listed,
    Area, //
};
use crate::{
    ffi,
    setup::Cache,
    vm::page::PageRef, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    ffi::c_void,
    page::PAGE_SIZE,
    prelude::*, //
};

/// A vmalloc area.
///
/// # Invariants
///
/// `address` is one that this object frees.
struct Allocation {
    address: NonNull<c_void>,
}

impl Drop for Allocation {
    fn drop(&mut self) {
        // SAFETY: Ours to free, by the type invariants.
        unsafe { ffi::mmlens_vfree(self.address.as_ptr()) };
    }
}

/// Zeroed pages that the kernel sees as one range (`vmalloc`), charged to the memory cgroup of the
/// caller.
///
/// Each page is counted by itself: one that user space maps outlives this object.
///
/// # Invariants
///
/// The area has `pages` pages.
pub(crate) struct Vmalloc {
    // Goes first: nobody looks at the tables of the range afterwards.
    _listed: Listed,
    area: Allocation,
    pages: usize,
}

// SAFETY: The memory may be freed by any thread.
unsafe impl Send for Vmalloc {}
// SAFETY: Nothing but page references and copies is handed out.
unsafe impl Sync for Vmalloc {}

impl Vmalloc {
    /// Allocates `pages` zeroed pages. Sleeps.
    ///
    /// Errors: `ENOMEM`; `EINVAL` for no pages.
    pub(crate) fn zeroed(pages: usize) -> Result<Self> {
        if pages == 0 {
            return Err(EINVAL);
        }
        let bytes = pages.checked_mul(PAGE_SIZE).ok_or(ENOMEM)?;
        // SAFETY: Any size but 0 may be asked for.
        let address = unsafe { ffi::mmlens_vzalloc_account(bytes) };
        // INVARIANT: Just allocated.
        let area = Allocation {
            address: NonNull::new(address).ok_or(ENOMEM)?,
        };
        let first = area.address.addr().get();
        // INVARIANT: It has so many.
        Ok(Self {
            _listed: Listed::new(first as u64, (first + (bytes - 1)) as u64, "vmalloc")?,
            area,
            pages,
        })
    }

    /// How many pages there are.
    pub(crate) fn pages(&self) -> usize {
        self.pages
    }

    /// The kernel's mapping.
    pub(super) fn area(&self) -> Area<'_> {
        // INVARIANT: The area has so many pages, and is there as long as `self`.
        Area::new("vmalloc", self.area.address, self.pages, Cache::Wb)
    }

    /// A reference to page `index`, or `None` past the end.
    pub(crate) fn page(&self, index: usize) -> Option<PageRef> {
        if index >= self.pages {
            return None;
        }
        let address = self
            .area
            .address
            .as_ptr()
            .wrapping_byte_add(index * PAGE_SIZE);
        // SAFETY: The address is inside of the area, by the check and the type invariants.
        let page = NonNull::new(unsafe { bindings::vmalloc_to_page(address) })?;
        // SAFETY: The area keeps its pages allocated.
        Some(unsafe { PageRef::get(page) })
    }
}
