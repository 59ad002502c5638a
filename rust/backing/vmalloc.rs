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
    sys::scratch::accounted,
    vm::page::PageList, //
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
/// `pages` are the pages of the area.
pub(crate) struct Vmalloc {
    // Goes first: nobody looks at the tables of the range afterwards.
    _listed: Listed,
    area: Allocation,
    // Each fault wants one, and to look for it in the kernel's tables takes longer.
    pages: KVVec<NonNull<bindings::page>>,
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
        let mut list = accounted(pages)?;
        for index in 0..pages {
            let address = address.wrapping_byte_add(index * PAGE_SIZE);
            // SAFETY: The address is inside of the area.
            let page = NonNull::new(unsafe { bindings::vmalloc_to_page(address) });
            list.push(page.ok_or(ENOMEM)?, GFP_KERNEL_ACCOUNT)?;
        }
        // INVARIANT: Just listed.
        Ok(Self {
            _listed: Listed::new(first as u64, (first + (bytes - 1)) as u64, "vmalloc")?,
            area,
            pages: list,
        })
    }

    /// How many pages there are.
    pub(crate) fn pages(&self) -> usize {
        self.pages.len()
    }

    /// The kernel's mapping.
    pub(super) fn area(&self) -> Area<'_> {
        // INVARIANT: The area has so many pages, and is there as long as `self`.
        Area::new("vmalloc", self.area.address, self.pages.len(), Cache::Wb)
    }

    /// The pages.
    #[inline]
    pub(super) fn list(&self) -> PageList<'_> {
        // SAFETY: The area keeps its pages allocated.
        unsafe { PageList::new(&self.pages) }
    }
}
