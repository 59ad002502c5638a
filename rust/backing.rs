// SPDX-License-Identifier: GPL-2.0

//! The memory behind a buffer.
//!
//! C header: [`include/linux/vmalloc.h`](srctree/include/linux/vmalloc.h)

mod areas;

pub(crate) use areas::{
    init,
    Areas, //
};

use crate::{
    ffi,
    vm::fault::PageRef, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    ffi::c_void,
    page::PAGE_SIZE,
    prelude::*, //
};

/// Zeroed pages that the kernel sees as one range (`vmalloc`), charged to the memory cgroup of the
/// caller.
///
/// Each page is counted by itself: one that user space maps outlives this object.
///
/// # Invariants
///
/// `address` is a vmalloc area of `pages` pages that this object frees.
pub(crate) struct Vmalloc {
    address: NonNull<c_void>,
    pages: usize,
}

// SAFETY: The memory may be freed by any thread.
unsafe impl Send for Vmalloc {}
// SAFETY: Nothing but page references is handed out.
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
        let address = NonNull::new(address).ok_or(ENOMEM)?;
        let first = address.addr().get();
        if let Err(error) = areas::add(first as u64, (first + (bytes - 1)) as u64) {
            // SAFETY: Just allocated, and not yet handed out.
            unsafe { ffi::mmlens_vfree(address.as_ptr()) };
            return Err(error);
        }
        // INVARIANT: Just allocated.
        Ok(Self { address, pages })
    }

    /// Its last address.
    fn last(&self) -> u64 {
        (self.address.addr().get() + (self.pages * PAGE_SIZE - 1)) as u64
    }

    /// How many pages there are.
    pub(crate) fn pages(&self) -> usize {
        self.pages
    }

    /// A reference to page `index`, or `None` past the end.
    pub(crate) fn page(&self, index: usize) -> Option<PageRef> {
        if index >= self.pages {
            return None;
        }
        let address = self
            .address
            .as_ptr()
            .cast::<u8>()
            .wrapping_add(index * PAGE_SIZE);
        // SAFETY: The address is inside of the area, by the check and the type invariants.
        let page = NonNull::new(unsafe { bindings::vmalloc_to_page(address.cast()) })?;
        // SAFETY: The area keeps its pages allocated, and they are not compound.
        Some(unsafe { PageRef::get(page) })
    }
}

impl Drop for Vmalloc {
    fn drop(&mut self) {
        areas::remove(self.last());
        // SAFETY: Ours to free, by the type invariants.
        unsafe { ffi::mmlens_vfree(self.address.as_ptr()) };
    }
}
