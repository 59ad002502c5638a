// SPDX-License-Identifier: GPL-2.0

//! Looking for VMAs, and for room between them.
//!
//! C headers: [`include/linux/mm.h`](srctree/include/linux/mm.h),
//! [`include/linux/maple_tree.h`](srctree/include/linux/maple_tree.h)

use super::vmas::MmapReadLock;
use crate::{
    ffi,
    query::huge::Disabled, //
};
use core::{
    ops::Range,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    mm::virt::VmaRef, //
};

/// Where `mmap()` without a hint looks for room.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Placement {
    /// End of user addresses.
    pub(crate) task_size: u64,
    /// Where the search begins.
    pub(crate) mmap_base: u64,
    /// Whether it goes down from there, or up (`MMF_TOPDOWN`).
    pub(crate) is_top_down: bool,
}

/// What the owner of a VMA and its process say of how it is to be mapped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Advice {
    /// Whether its operations ask to be told of the first write to a page: `page_mkwrite` or
    /// `pfn_mkwrite`.
    pub(crate) wants_mkwrite: bool,
    /// Of a regular file, its size in bytes.
    pub(crate) file_size: Option<u64>,
    /// Whether the process has switched transparent huge pages off.
    pub(crate) disabled: Option<Disabled>,
}

/// Whether the kernel has transparent huge pages.
#[cfg(CONFIG_TRANSPARENT_HUGEPAGE)]
pub(crate) const HAS_HUGE_PAGES: bool = true;
/// Whether the kernel has transparent huge pages.
#[cfg(not(CONFIG_TRANSPARENT_HUGEPAGE))]
pub(crate) const HAS_HUGE_PAGES: bool = false;

impl Advice {
    /// Reads what there is.
    pub(crate) fn read(lock: &MmapReadLock<'_>, vma: &VmaRef) -> Self {
        // SAFETY: The VMA is locked; its operations belong to the kernel or to a module that the
        // VMA's file keeps loaded.
        let ops = unsafe { (*vma.as_ptr()).vm_ops.as_ref() };
        let completely = has_flag(lock, bindings::MMF_DISABLE_THP_COMPLETELY);
        let others = has_flag(lock, bindings::MMF_DISABLE_THP_EXCEPT_ADVISED);
        Self {
            file_size: file_size(vma),
            wants_mkwrite: ops
                .is_some_and(|ops| ops.page_mkwrite.is_some() || ops.pfn_mkwrite.is_some()),
            disabled: match (completely, others) {
                _ if !HAS_HUGE_PAGES => Some(Disabled::Kernel),
                (true, _) => Some(Disabled::Completely),
                (false, true) => Some(Disabled::ExceptAdvised),
                (false, false) => None,
            },
        }
    }
}

/// Whether the bit number `flag` of `mm->flags` is set.
fn has_flag(lock: &MmapReadLock<'_>, flag: u32) -> bool {
    // SAFETY: The mm is valid as long as its lock is held.
    let flags = unsafe { ffi::mmlens_mm_flags(lock.mm().as_raw()) };
    flags >> flag & 1 != 0
}

/// The size of the file that a VMA, which is locked, maps, if it is a regular one.
fn file_size(vma: &VmaRef) -> Option<u64> {
    // SAFETY: The VMA is locked; the field does not change.
    let file = NonNull::new(unsafe { (*vma.as_ptr()).vm_file })?;
    // SAFETY: The VMA has a reference, so the file is open. This is the inode below an overlay,
    // whose pages are mapped.
    let inode = unsafe { (*file.as_ptr()).f_inode };
    // SAFETY: The file is open and has an inode; its type does not change.
    let mode = u32::from(unsafe { (*inode).i_mode });
    // SAFETY: The same.
    let size = unsafe { ffi::mmlens_i_size_read(inode) };
    (mode & bindings::S_IFMT == bindings::S_IFREG).then_some(size.unsigned_abs())
}

impl MmapReadLock<'_> {
    /// The VMA below the one, or below the gap, that contains `addr`: what `find_vma_prev()` stores
    /// as `pprev`, which is not exported.
    pub(crate) fn vma_before(&self, addr: u64) -> Option<&VmaRef> {
        // SAFETY: The lock is held; any address will do.
        let vma = unsafe { ffi::mmlens_vma_prev(self.mm().as_raw(), addr as usize) };
        // SAFETY: The VMA stays as it is while the lock is held, thus while `self` is borrowed.
        (!vma.is_null()).then(|| unsafe { VmaRef::from_raw(vma) })
    }

    /// The first VMA that has addresses in `range`, which must not be empty.
    pub(crate) fn find_vma_intersection(&self, range: Range<u64>) -> Option<&VmaRef> {
        if range.is_empty() {
            return None;
        }
        // SAFETY: The lock is held, and the range is not empty.
        let vma = unsafe {
            bindings::find_vma_intersection(
                self.mm().as_raw(),
                range.start as usize,
                range.end as usize,
            )
        };
        // SAFETY: As in `vma_before`.
        (!vma.is_null()).then(|| unsafe { VmaRef::from_raw(vma) })
    }

    /// The lowest room for `len` bytes between VMAs and in `range`: all of it.
    ///
    /// Takes as long as the depth of the tree of VMAs.
    pub(crate) fn lowest_room(&self, range: Range<u64>, len: u64) -> Option<Range<u64>> {
        let mut first = 0;
        let last = range.end.checked_sub(1)?;
        // SAFETY: The lock is held; the function checks the numbers.
        let ret = unsafe {
            ffi::mmlens_empty_area(
                self.mm().as_raw(),
                range.start as usize,
                last as usize,
                len as usize,
                &raw mut first,
            )
        };
        let start = first as u64;
        let end = self.find_vma(start).map_or(range.end, |v| v.start() as u64);
        (ret == 0).then_some(start..end.min(range.end))
    }

    /// The highest room for `len` bytes between VMAs and in `range`: all of it.
    ///
    /// Takes as long as the depth of the tree of VMAs.
    pub(crate) fn highest_room(&self, range: Range<u64>, len: u64) -> Option<Range<u64>> {
        let mut last = 0;
        let max = range.end.checked_sub(1)?;
        // SAFETY: The lock is held; the function checks the numbers.
        let ret = unsafe {
            ffi::mmlens_empty_area_rev(
                self.mm().as_raw(),
                range.start as usize,
                max as usize,
                len as usize,
                &raw mut last,
            )
        };
        let end = (last as u64).checked_add(1)?;
        let start = self
            .vma_before(last as u64)
            .map_or(range.start, |v| v.end() as u64);
        (ret == 0).then_some(start.max(range.start)..end)
    }

    /// Where `mmap()` looks for room.
    pub(crate) fn placement(&self) -> Placement {
        let mm = self.mm().as_raw();
        // SAFETY: `mm` is valid; an exec makes a new one, so this stays.
        let task_size = unsafe { (*mm).__bindgen_anon_1.task_size };
        // SAFETY: The same.
        let mmap_base = unsafe { (*mm).__bindgen_anon_1.mmap_base };
        Placement {
            task_size: task_size as u64,
            mmap_base: mmap_base as u64,
            is_top_down: has_flag(self, bindings::MMF_TOPDOWN),
        }
    }
}
