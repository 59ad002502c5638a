// SPDX-License-Identifier: GPL-2.0

//! The kernel's own mapping of a buffer.

use crate::{
    ffi,
    setup::Cache,
    sys::seq::KernelAddress, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    ffi::c_void,
    page::PAGE_SIZE,
    prelude::*, //
};

/// A range of kernel addresses that maps a buffer.
///
/// User space may write to the same memory at any time, so it is only ever copied from and to.
///
/// # Invariants
///
/// There are `pages` pages at `address`, for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct Area<'a> {
    /// How it is made: `vmalloc`, `vmap` or `ioremap`.
    pub(crate) kind: &'static str,
    /// Its cache type.
    pub(crate) cache: Cache,
    address: NonNull<c_void>,
    pages: usize,
    _lifetime: PhantomData<&'a ()>,
}

impl Area<'_> {
    /// The caller has such an area, as the type invariants say.
    pub(super) fn new(
        kind: &'static str,
        address: NonNull<c_void>,
        pages: usize,
        cache: Cache,
    ) -> Self {
        Self {
            kind,
            cache,
            address,
            pages,
            _lifetime: PhantomData,
        }
    }

    /// Its address, to be shown.
    pub(crate) fn address(&self) -> KernelAddress {
        KernelAddress::of(self.address.as_ptr())
    }

    /// Its address as a number, for those who may see it.
    pub(crate) fn number(&self) -> u64 {
        self.address.addr().get() as u64
    }

    /// The place of `len` bytes in page `index`.
    fn at(&self, index: usize, offset: usize, len: usize) -> Result<*mut c_void> {
        let end = offset.checked_add(len).ok_or(EFAULT)?;
        if index >= self.pages || end > PAGE_SIZE {
            return Err(EFAULT);
        }
        let bytes = index * PAGE_SIZE + offset;
        Ok(self.address.as_ptr().wrapping_byte_add(bytes))
    }

    /// Copies out of page `index`. Errors: `EFAULT` if that is not inside of the page.
    pub(super) fn read(&self, index: usize, offset: usize, out: &mut [u8]) -> Result {
        let from = self.at(index, offset, out.len())?;
        if self.kind == "ioremap" {
            // SAFETY: The bytes are inside of the area, and there is room for them.
            unsafe { ffi::mmlens_memcpy_fromio(out.as_mut_ptr().cast(), from, out.len()) };
        } else {
            // SAFETY: The same.
            unsafe { ffi::mmlens_memcpy(out.as_mut_ptr().cast(), from, out.len()) };
        }
        Ok(())
    }

    /// Copies into page `index`. Errors: `EFAULT` if that is not inside of the page.
    pub(super) fn write(&self, index: usize, offset: usize, data: &[u8]) -> Result {
        let to = self.at(index, offset, data.len())?;
        if self.kind == "ioremap" {
            // SAFETY: The bytes are inside of the area.
            unsafe { ffi::mmlens_memcpy_toio(to, data.as_ptr().cast(), data.len()) };
        } else {
            // SAFETY: The same.
            unsafe { ffi::mmlens_memcpy(to, data.as_ptr().cast(), data.len()) };
        }
        Ok(())
    }
}
