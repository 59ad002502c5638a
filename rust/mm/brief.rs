// SPDX-License-Identifier: GPL-2.0

//! A VMA in numbers: what a bulk record says of it.

use super::vmas::VmaFile;
use crate::ffi::{
    self,
    uapi::mmlens_vma, //
};
use kernel::mm::virt::VmaRef;

/// The record of a VMA that is locked, as of one without a name.
pub(crate) fn brief(vma: &VmaRef) -> mmlens_vma {
    let raw = vma.as_ptr();
    // SAFETY: The lock keeps the VMA and this field as they are.
    let pgoff = unsafe { (*raw).vm_pgoff };
    // SAFETY: The same.
    let page_prot = unsafe { (*raw).vm_page_prot };
    // SAFETY: The same. The pointer is not followed.
    let is_anonymous = unsafe { (*raw).vm_ops.is_null() };
    // SAFETY: A page fault may be giving it one just now. The pointer is not followed.
    let anon_vma = unsafe { (&raw const (*raw).anon_vma).read_volatile() };
    // SAFETY: The VMA is locked.
    let is_heap = unsafe { ffi::mmlens_vma_is_initial_heap(raw) };
    // SAFETY: The VMA is locked.
    let is_stack = unsafe { ffi::mmlens_vma_is_initial_stack(raw) };
    let file = VmaFile::numbers(vma);
    let ((dev_major, dev_minor), ino) = file.unwrap_or_default();
    // As `/proc/PID/maps` decides: what has a file is no heap or stack.
    let has_no_file = file.is_none();
    let facts = [
        (is_anonymous, ffi::MMLENS_VMA_ANON),
        (is_heap && has_no_file, ffi::MMLENS_VMA_HEAP),
        (is_stack && has_no_file, ffi::MMLENS_VMA_STACK),
        (file.is_some(), ffi::MMLENS_VMA_FILE),
        (!anon_vma.is_null(), ffi::MMLENS_VMA_ANON_VMA),
    ];
    mmlens_vma {
        record_size: size_of::<mmlens_vma>() as u32,
        name_bytes: 0,
        start: vma.start() as u64,
        end: vma.end() as u64,
        vm_flags: vma.flags() as u64,
        pgoff: pgoff as u64,
        page_prot: page_prot.pgprot as u64,
        ino,
        dev_major,
        dev_minor,
        facts: facts.iter().filter(|f| f.0).fold(0, |all, f| all | f.1),
        reserved: 0,
    }
}
