// SPDX-License-Identifier: GPL-2.0

//! Pages that are allocated when they are first used. The kernel has no mapping of them but the
//! linear map.

use crate::{
    ffi,
    sys::scratch::accounted,
    vm::page::{
        HeldPage,
        PageList,
        PageRef, //
    }, //
};
use core::ptr::NonNull;
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        new_mutex,
        Mutex,
        SetOnce, //
    },
};

/// A place for each page of a buffer.
pub(crate) struct Sparse {
    places: KVVec<SetOnce<PageRef>>,
    allocated: Atomic<usize>,
    /// Held while a page is put into its place.
    allocating: Pin<KBox<Mutex<()>>>,
}

impl Sparse {
    /// No pages yet. Errors: `ENOMEM`.
    pub(super) fn new(pages: usize) -> Result<Self> {
        let mut places = accounted(pages)?;
        for _ in 0..pages {
            places.push(SetOnce::new(), GFP_KERNEL_ACCOUNT)?;
        }
        Ok(Self {
            places,
            allocated: Atomic::new(0),
            allocating: KBox::pin_init(new_mutex!((), "mmlens_sparse"), GFP_KERNEL_ACCOUNT)?,
        })
    }

    /// How many places there are.
    pub(super) fn pages(&self) -> usize {
        self.places.len()
    }

    /// How many of them have a page.
    pub(super) fn allocated(&self) -> usize {
        self.allocated.load(Relaxed)
    }

    /// Whether page `index` is there.
    pub(super) fn has(&self, index: usize) -> bool {
        let place = self.places.get(index);
        place.is_some_and(|place| place.as_ref().is_some())
    }

    /// Page `index`, if it is there.
    pub(super) fn page(&self, index: usize) -> Option<HeldPage<'_>> {
        self.places.get(index)?.as_ref().map(PageRef::held)
    }

    /// The same, as a list of one.
    pub(super) fn list(&self, index: usize) -> Option<PageList<'_>> {
        self.places.get(index)?.as_ref().map(PageRef::list)
    }

    /// Page `index`, which is allocated if it is not there. Sleeps.
    ///
    /// Errors: `EFAULT` past the end; `ENOMEM`.
    pub(super) fn page_or_allocate(&self, index: usize) -> Result<HeldPage<'_>> {
        let place = self.places.get(index).ok_or(EFAULT)?;
        if let Some(page) = place.as_ref() {
            return Ok(page.held());
        }
        // SAFETY: Always fine where one may sleep.
        let page = unsafe { ffi::mmlens_alloc_page() };
        // SAFETY: The reference of the new page is ours.
        let page = unsafe { PageRef::from_raw(NonNull::new(page).ok_or(ENOMEM)?) };
        // Somebody else may be about to do the same.
        let _guard = self.allocating.lock();
        if place.populate(page) {
            self.allocated.fetch_add(1, Relaxed);
        }
        place.as_ref().map(PageRef::held).ok_or(ENOMEM)
    }

    /// Copies out of page `index`, or zeros if it is not there. What is wanted is in one page.
    pub(super) fn read(&self, index: usize, offset: usize, out: &mut [u8]) -> Result {
        let place = self.places.get(index).ok_or(EFAULT)?;
        let Some(page) = place.as_ref() else {
            out.fill(0);
            return Ok(());
        };
        // SAFETY: The page is there; its address is in the linear map.
        let from = unsafe { ffi::mmlens_page_address(page.held().as_ptr()) };
        let from = from.wrapping_byte_add(offset);
        // SAFETY: So many bytes are in the page, and there is room for them.
        unsafe { ffi::mmlens_memcpy(out.as_mut_ptr().cast(), from, out.len()) };
        Ok(())
    }

    /// Copies into page `index`, which is allocated if it is not there. All of it is in one page.
    ///
    /// Errors: `EFAULT` past the end; `ENOMEM`.
    pub(super) fn write(&self, index: usize, offset: usize, data: &[u8]) -> Result {
        let page = self.page_or_allocate(index)?;
        // SAFETY: The page is there; its address is in the linear map.
        let to = unsafe { ffi::mmlens_page_address(page.as_ptr()) };
        let to = to.wrapping_byte_add(offset);
        // SAFETY: So many bytes are in the page.
        unsafe { ffi::mmlens_memcpy(to, data.as_ptr().cast(), data.len()) };
        Ok(())
    }
}
