// SPDX-License-Identifier: GPL-2.0

//! The table of a [`VmOperations`] type, and the functions in it: each lifts its pointers, calls the
//! trait, maps the result, and does nothing else.

use super::{
    around::{
        Around,
        AroundFault, //
    },
    fault::{
        MkwriteFault,
        Outcome,
        PfnMkwrite,
        VmFault,
        VmFaultT, //
    },
    huge::{
        HugeFault,
        HugeOutcome, //
    },
    ops::{
        Access,
        VmOperations, //
    },
    vma::DriverVma, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull,
    slice, //
};
use kernel::{
    bindings,
    error::from_result,
    ffi::{
        c_char,
        c_int,
        c_uint,
        c_ulong,
        c_void, //
    },
    mm::virt::flags,
    prelude::*,
    sync::Arc,
    types::ForeignOwnable, //
};

const DONE: VmFaultT = 0;
const LOCKED: VmFaultT = bindings::vm_fault_reason_VM_FAULT_LOCKED;
const NOPAGE: VmFaultT = bindings::vm_fault_reason_VM_FAULT_NOPAGE;
const SIGBUS: VmFaultT = bindings::vm_fault_reason_VM_FAULT_SIGBUS;
const HWPOISON: VmFaultT = bindings::vm_fault_reason_VM_FAULT_HWPOISON;
const FALLBACK: VmFaultT = bindings::vm_fault_reason_VM_FAULT_FALLBACK;

/// The table of a [`VmOperations`] type.
///
/// # Invariants
///
/// The functions in `ops` are `T`'s.
#[repr(transparent)]
pub(crate) struct VmOperationsTable<T> {
    ops: bindings::vm_operations_struct,
    _type: PhantomData<fn(&T)>,
}

// SAFETY: The table is never written.
unsafe impl<T> Sync for VmOperationsTable<T> {}

/// `Some(function)` if the implementor of a `#[vtable]` has overridden the method.
macro_rules! if_has {
    ($has:expr, $function:expr) => {
        if $has {
            Some($function)
        } else {
            None
        }
    };
}
pub(crate) use if_has;

impl<T: VmOperations> VmOperationsTable<T> {
    /// The table; make it a `static`.
    ///
    /// What depends on the kernel's configuration (policies, userfaultfd) is left `NULL`.
    pub(crate) const fn new() -> Self {
        // INVARIANT: All functions are of this `impl`.
        Self {
            ops: bindings::vm_operations_struct {
                // Always there: they keep the count of the owner.
                open: Some(Self::open),
                close: Some(Self::close),
                may_split: if_has!(T::HAS_MAY_SPLIT, Self::may_split),
                mremap: if_has!(T::HAS_MREMAP, Self::mremap),
                mprotect: if_has!(T::HAS_MPROTECT, Self::mprotect),
                fault: if_has!(T::HAS_FAULT, Self::fault),
                huge_fault: if_has!(T::HAS_HUGE_FAULT, Self::huge_fault),
                // Always there: without it the core gives up the lock of the VMA and begins anew
                // with the mmap lock, before it calls any handler (`vmf_can_call_fault()`,
                // mm/memory.c).
                map_pages: Some(if T::HAS_MAP_PAGES {
                    Self::map_pages
                } else {
                    Self::map_nothing
                }),
                page_mkwrite: if_has!(T::HAS_PAGE_MKWRITE, Self::page_mkwrite),
                pfn_mkwrite: if_has!(T::HAS_PFN_MKWRITE, Self::pfn_mkwrite),
                access: if_has!(T::HAS_ACCESS, Self::access),
                name: if_has!(T::HAS_NAME, Self::name),
                pagesize: if_has!(T::HAS_PAGESIZE, Self::pagesize),
                ..pin_init::zeroed()
            },
            _type: PhantomData,
        }
    }

    pub(super) fn as_ptr(&self) -> *const bindings::vm_operations_struct {
        &raw const self.ops
    }

    /// # Safety
    ///
    /// `vma` has this table, is a copy of another VMA with it, and is locked for writing.
    unsafe extern "C" fn open(vma: *mut bindings::vm_area_struct) {
        // SAFETY: The caller's promise; the copy has the owner of the original, which has a
        // reference to it.
        let vma = unsafe { DriverVma::<T>::from_raw(vma) };
        // The copy's own reference.
        let _ = vma.clone_owner().into_foreign();
        if T::HAS_OPEN {
            T::open(vma.owner(), vma);
        }
    }

    /// # Safety
    ///
    /// `vma` has this table and is going away; this is called once.
    unsafe extern "C" fn close(vma: *mut bindings::vm_area_struct) {
        // SAFETY: The caller's promise.
        let area = unsafe { DriverVma::<T>::from_raw(vma) };
        if T::HAS_CLOSE {
            T::close(area.owner(), area);
        }
        // SAFETY: `vma` is valid, and nobody else uses the field of a VMA that goes away.
        let owner = unsafe { (*vma).vm_private_data };
        // SAFETY: The VMA owns this reference, and is closed once.
        drop(unsafe { Arc::<T::Owner>::from_foreign(owner) });
    }

    /// # Safety
    ///
    /// `vma` has this table and is locked for writing.
    unsafe extern "C" fn may_split(vma: *mut bindings::vm_area_struct, addr: c_ulong) -> c_int {
        // SAFETY: The caller's promise.
        let vma = unsafe { DriverVma::<T>::from_raw(vma) };
        from_result(|| T::may_split(vma.owner(), vma, addr).map(|()| 0))
    }

    /// # Safety
    ///
    /// `vma` has this table and is locked for writing.
    unsafe extern "C" fn mremap(vma: *mut bindings::vm_area_struct) -> c_int {
        // SAFETY: The caller's promise.
        let vma = unsafe { DriverVma::<T>::from_raw(vma) };
        from_result(|| T::mremap(vma.owner(), vma).map(|()| 0))
    }

    /// # Safety
    ///
    /// `vma` has this table and is locked for writing.
    unsafe extern "C" fn mprotect(
        vma: *mut bindings::vm_area_struct,
        start: c_ulong,
        end: c_ulong,
        flags: c_ulong,
    ) -> c_int {
        // SAFETY: The caller's promise.
        let vma = unsafe { DriverVma::<T>::from_raw(vma) };
        from_result(|| T::mprotect(vma.owner(), vma, start..end, flags).map(|()| 0))
    }

    /// # Safety
    ///
    /// `vmf` is a fault in a VMA with this table.
    unsafe extern "C" fn fault(vmf: *mut bindings::vm_fault) -> VmFaultT {
        let Some(vmf) = NonNull::new(vmf) else {
            return SIGBUS;
        };
        // SAFETY: The caller's promise, and `fault` does not outlive this function.
        let fault = unsafe { VmFault::<T>::from_raw(vmf) };
        match T::fault(fault.vma().owner(), &fault) {
            // Here, because the core wants to unmap a page that is locked and poisoned from
            // everywhere, by a mapping that pages of drivers do not have (`__do_fault()`,
            // mm/memory.c).
            Ok(Outcome::Locked(page)) if page.page().is_poisoned() => HWPOISON,
            Ok(Outcome::Page(page)) if page.held().is_poisoned() => HWPOISON,
            Ok(Outcome::Locked(page)) => {
                fault.set_page(page.into_raw());
                LOCKED
            }
            Ok(Outcome::Page(page)) => {
                fault.set_page(page.into_raw());
                DONE
            }
            Ok(Outcome::Installed(_)) => NOPAGE,
            Err(failure) => failure.to_raw(),
        }
    }

    /// # Safety
    ///
    /// `vmf` is a fault in a VMA with this table, at a level of this order.
    unsafe extern "C" fn huge_fault(vmf: *mut bindings::vm_fault, order: c_uint) -> VmFaultT {
        let Some(vmf) = NonNull::new(vmf) else {
            return SIGBUS;
        };
        // SAFETY: The caller's promise, and `fault` does not outlive this function.
        let Some(fault) = (unsafe { HugeFault::<T>::from_raw(vmf, order) }) else {
            return FALLBACK;
        };
        match T::huge_fault(fault.fault().vma().owner(), &fault) {
            Ok(HugeOutcome::Installed(_)) => NOPAGE,
            Ok(HugeOutcome::Fallback) => FALLBACK,
            Err(failure) => failure.to_raw(),
        }
    }

    /// # Safety
    ///
    /// `vmf` is a read fault in a VMA with this table, which maps the pages from `first` to `last`
    /// by one table of entries; RCU is held.
    unsafe extern "C" fn map_pages(
        vmf: *mut bindings::vm_fault,
        first: c_ulong,
        last: c_ulong,
    ) -> VmFaultT {
        let Some(vmf) = NonNull::new(vmf) else {
            return SIGBUS;
        };
        // SAFETY: The caller's promise, and `fault` does not outlive this function.
        let Some(fault) = (unsafe { AroundFault::<T>::from_raw(vmf, first..=last) }) else {
            return DONE;
        };
        match T::map_pages(fault.vma().owner(), &fault) {
            Around::Installed(_) => NOPAGE,
            Around::Fault => DONE,
        }
    }

    /// `map_pages` of who maps no neighbours: `fault` is asked next.
    extern "C" fn map_nothing(
        _vmf: *mut bindings::vm_fault,
        _first: c_ulong,
        _last: c_ulong,
    ) -> VmFaultT {
        DONE
    }

    /// # Safety
    ///
    /// `vmf` is a write fault on a mapped page in a VMA with this table.
    unsafe extern "C" fn page_mkwrite(vmf: *mut bindings::vm_fault) -> VmFaultT {
        let Some(vmf) = NonNull::new(vmf) else {
            return SIGBUS;
        };
        // SAFETY: The caller's promise, this is `page_mkwrite`, and `fault` does not outlive it.
        let fault = unsafe { MkwriteFault::<T>::from_raw(vmf) };
        match T::page_mkwrite(fault.fault().vma().owner(), &fault) {
            Ok(page) => {
                page.leave_locked();
                LOCKED
            }
            Err(failure) => failure.to_raw(),
        }
    }

    /// # Safety
    ///
    /// `vmf` is a write fault on a frame in a VMA with this table.
    unsafe extern "C" fn pfn_mkwrite(vmf: *mut bindings::vm_fault) -> VmFaultT {
        let Some(vmf) = NonNull::new(vmf) else {
            return SIGBUS;
        };
        // SAFETY: The caller's promise, and `fault` does not outlive this function.
        let fault = unsafe { VmFault::<T>::from_raw(vmf) };
        match T::pfn_mkwrite(fault.vma().owner(), &fault) {
            Ok(PfnMkwrite::Writable) => DONE,
            Ok(PfnMkwrite::Installed(_)) => NOPAGE,
            Err(failure) => failure.to_raw(),
        }
    }

    /// # Safety
    ///
    /// `vma` has this table and is locked; there are `len` bytes at `buf`.
    unsafe extern "C" fn access(
        vma: *mut bindings::vm_area_struct,
        addr: c_ulong,
        buf: *mut c_void,
        len: c_int,
        write: c_int,
    ) -> c_int {
        // SAFETY: The caller's promise.
        let vma = unsafe { DriverVma::<T>::from_raw(vma) };
        from_result(|| {
            let offset = vma.offset_of(addr).ok_or(EFAULT)?;
            let len = usize::try_from(len)?.min(vma.end() - addr);
            let is_written = vma.is_shared() && vma.flags() & flags::WRITE != 0;
            if write != 0 && !is_written {
                return Err(EFAULT);
            }
            let access = if write != 0 {
                // SAFETY: There are so many bytes, which nobody writes to meanwhile.
                Access::Write(unsafe { slice::from_raw_parts(buf.cast(), len) })
            } else {
                // SAFETY: There are so many bytes, which nobody else uses.
                Access::Read(unsafe { slice::from_raw_parts_mut(buf.cast(), len) })
            };
            Ok(T::access(vma.owner(), vma, offset, access)? as c_int)
        })
    }

    /// # Safety
    ///
    /// `vma` has this table and is locked.
    unsafe extern "C" fn name(vma: *mut bindings::vm_area_struct) -> *const c_char {
        // SAFETY: The caller's promise.
        T::name(unsafe { DriverVma::<T>::from_raw(vma) }).as_char_ptr()
    }

    /// # Safety
    ///
    /// `vma` has this table and is locked.
    unsafe extern "C" fn pagesize(vma: *mut bindings::vm_area_struct) -> c_ulong {
        // SAFETY: The caller's promise.
        let vma = unsafe { DriverVma::<T>::from_raw(vma) };
        T::pagesize(vma.owner(), vma)
    }
}
