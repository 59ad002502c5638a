// SPDX-License-Identifier: GPL-2.0

//! A page fault in progress, and the ways to end it.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h), `struct vm_fault`

use super::{
    huge,
    kind::{
        MixedFrames,
        MixedMap,
        Pfn,
        PfnMap, //
    },
    ops::VmOperations,
    page::{
        LockedPage,
        LockedRef,
        PageList,
        PageRef, //
    },
    vma::DriverVma, //
};
use crate::ffi;
use core::{
    marker::PhantomData,
    ops::Range,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    error::{
        code::*,
        Error,
        Result, //
    },
    page::PAGE_SIZE,
};

pub(super) type VmFaultT = bindings::vm_fault_t;

/// What kind of access faulted: `enum fault_flag`.
#[derive(Clone, Copy)]
pub(crate) struct FaultFlags(u32);

impl FaultFlags {
    /// A write.
    pub(crate) fn is_write(self) -> bool {
        self.0 & bindings::fault_flag_FAULT_FLAG_WRITE != 0
    }

    /// From user mode.
    pub(crate) fn is_user(self) -> bool {
        self.0 & bindings::fault_flag_FAULT_FLAG_USER != 0
    }

    /// By another process.
    pub(crate) fn is_remote(self) -> bool {
        self.0 & bindings::fault_flag_FAULT_FLAG_REMOTE != 0
    }

    /// The fetch of an instruction.
    pub(crate) fn is_instruction(self) -> bool {
        self.0 & bindings::fault_flag_FAULT_FLAG_INSTRUCTION != 0
    }

    /// Under the VMA's own lock, not the mmap lock.
    pub(crate) fn is_under_vma_lock(self) -> bool {
        self.0 & bindings::fault_flag_FAULT_FLAG_VMA_LOCK != 0
    }
}

/// A fault that a VMA of `T` has to serve.
///
/// # Invariants
///
/// `vmf` is valid for `'a`, its VMA has `T`'s table, and the mmap lock or the VMA's own lock is
/// held for reading.
pub(crate) struct VmFault<'a, T> {
    vmf: NonNull<bindings::vm_fault>,
    _vma: PhantomData<&'a DriverVma<T>>,
}

impl<'a, T: VmOperations> VmFault<'a, T> {
    /// # Safety
    ///
    /// `vmf` is the argument of a handler in `T`'s table, and `'a` ends before that handler does.
    pub(super) unsafe fn from_raw(vmf: NonNull<bindings::vm_fault>) -> Self {
        // INVARIANT: The caller's promise.
        Self {
            vmf,
            _vma: PhantomData,
        }
    }

    pub(super) fn as_ptr(&self) -> *mut bindings::vm_fault {
        self.vmf.as_ptr()
    }

    /// The VMA that the fault is in.
    pub(crate) fn vma(&self) -> &'a DriverVma<T> {
        // SAFETY: `vmf` is valid by the type invariants, and nobody writes these fields during the
        // fault.
        let vma = unsafe { (*self.vmf.as_ptr()).__bindgen_anon_1.vma };
        // SAFETY: By the type invariants the VMA has `T`'s table and is locked for `'a`.
        unsafe { DriverVma::from_raw(vma) }
    }

    /// The page of the object that is wanted, in pages from its start.
    pub(crate) fn pgoff(&self) -> usize {
        // SAFETY: As in `vma`.
        unsafe { (*self.vmf.as_ptr()).__bindgen_anon_1.pgoff }
    }

    /// The address that was touched, rounded down to a page.
    pub(crate) fn address(&self) -> usize {
        // SAFETY: As in `vma`.
        unsafe { (*self.vmf.as_ptr()).__bindgen_anon_1.address }
    }

    /// The pages of the object that the VMA maps by the same table of entries as the one that was
    /// touched.
    pub(crate) fn table(&self) -> Range<usize> {
        let vma = self.vma();
        let size = PAGE_SIZE << huge::PMD_ORDER;
        let start = (self.address() & !(size - 1)).max(vma.start());
        let end = (self.address() | (size - 1)).min(vma.end() - 1);
        let before = (self.address() - start) / PAGE_SIZE;
        let behind = (end - self.address()) / PAGE_SIZE;
        self.pgoff() - before..self.pgoff() + behind + 1
    }

    /// What kind of access it is.
    pub(crate) fn flags(&self) -> FaultFlags {
        // SAFETY: As in `vma`; the core writes this field between two handlers, not during one.
        FaultFlags(unsafe { (*self.vmf.as_ptr()).flags })
    }

    /// Whether it is a write.
    pub(crate) fn is_write(&self) -> bool {
        self.flags().is_write()
    }

    /// Hands `page` to the core, which takes over the reference.
    pub(super) fn set_page(&self, page: *mut bindings::page) {
        // SAFETY: `vmf` is valid, and during `fault` this field is the handler's to write.
        unsafe { (*self.vmf.as_ptr()).page = page };
    }
}

/// Something is mapped at the address of the fault: what was asked for, or what another fault has
/// put there in the meantime.
pub(crate) struct Installed(());

impl Installed {
    /// What an insert function returned.
    pub(super) fn from_raw(ret: VmFaultT) -> Result<Self, Failure> {
        if ret & bindings::vm_fault_reason_VM_FAULT_NOPAGE != 0 {
            Ok(Self(()))
        } else if ret & bindings::vm_fault_reason_VM_FAULT_OOM != 0 {
            Err(Failure::Oom)
        } else {
            Err(Failure::Sigbus)
        }
    }
}

impl<T: VmOperations<Kind = PfnMap>> VmFault<'_, T> {
    /// What another fault has put there, if the address of this one is mapped by an entry of a pmd
    /// now.
    pub(crate) fn installed_huge(&self) -> Option<Installed> {
        // SAFETY: `vmf` is valid; whether there is a pmd, the function looks.
        unsafe { ffi::mmlens_vmf_is_huge(self.as_ptr()) }.then_some(Installed(()))
    }

    /// Maps a frame at the address of the fault, with the rights that the VMA's entries begin with.
    ///
    /// A driver with `huge_fault` holds a lock that keeps its huge entries away, and looks at
    /// [`installed_huge`](Self::installed_huge) with it.
    ///
    /// May sleep.
    pub(crate) fn insert_pfn(&self, pfn: Pfn<'_>) -> Result<Installed, Failure> {
        let vma = self.vma().as_ptr();
        // SAFETY: The VMA is locked, and `VM_PFNMAP` by its kind, which is never private and
        // writable; the frame is one that the VMA's owner keeps. Where a huge entry is, nothing is
        // inserted, and the kernel says so to those who check it (`walk_to_pmd()`).
        Installed::from_raw(unsafe { bindings::vmf_insert_pfn(vma, self.address(), pfn.number()) })
    }

    /// Maps a frame at the address of the fault, writable if the VMA is: writes to it are not
    /// notified any more. What was mapped there is unmapped first.
    ///
    /// This is how to end `pfn_mkwrite` while a lock of the driver's is held: after it has returned
    /// "go on", the core makes the entry writable without that lock.
    ///
    /// May sleep.
    pub(crate) fn insert_pfn_writable(&self, pfn: Pfn<'_>) -> Result<Installed, Failure> {
        let vma = self.vma().as_ptr();
        // SAFETY: The VMA is locked and `VM_PFNMAP`, and the address is in it.
        unsafe { bindings::zap_special_vma_range(vma, self.address(), PAGE_SIZE) };
        // SAFETY: As in `insert_pfn`.
        Installed::from_raw(unsafe {
            ffi::mmlens_vmf_insert_pfn_writable(vma, self.address(), pfn.number())
        })
    }
}

impl<T: VmOperations<Kind = MixedFrames>> VmFault<'_, T> {
    /// Maps a frame as page `pgoff` of the object, by its number: the entry is special. That need
    /// not be the page that was touched.
    ///
    /// May sleep. Errors: `Sigbus` if the VMA does not map that page of the object.
    pub(crate) fn insert_mixed(&self, pgoff: usize, pfn: Pfn<'_>) -> Result<Installed, Failure> {
        let address = self.vma().address_of(pgoff).ok_or(Failure::Sigbus)?;
        let vma = self.vma().as_ptr();
        // SAFETY: The VMA is locked, and `VM_MIXEDMAP` by its kind; the frame is one that the VMA's
        // owner keeps.
        Installed::from_raw(unsafe { bindings::vmf_insert_mixed(vma, address, pfn.number()) })
    }
}

impl<T: VmOperations<Kind = MixedMap>> VmFault<'_, T> {
    /// Maps pages of the object from `pgoff` on, which need not be near the one that was touched: where
    /// nothing is mapped yet, and whose memory is not broken. Returns how many; none if the VMA does
    /// not map all of that range.
    ///
    /// May sleep.
    pub(crate) fn insert_pages(&self, pgoff: usize, pages: PageList<'_>) -> usize {
        let last = pages
            .len()
            .checked_sub(1)
            .and_then(|n| pgoff.checked_add(n));
        let vma = self.vma();
        let (Some(first), Some(_)) = (
            vma.address_of(pgoff),
            last.and_then(|last| vma.address_of(last)),
        ) else {
            return 0;
        };
        // SAFETY: The VMA is locked, and `VM_MIXEDMAP` by its kind; so many pages are there, and in
        // the list, which is only read.
        unsafe { ffi::mmlens_insert_pages(vma.as_ptr(), first, pages.as_ptr(), pages.len()) }
    }
}

/// A fault by which a page that is mapped read-only is about to become writable.
pub(crate) struct MkwriteFault<'a, T>(VmFault<'a, T>);

impl<'a, T: VmOperations> MkwriteFault<'a, T> {
    /// # Safety
    ///
    /// As [`VmFault::from_raw`], and the handler is `page_mkwrite`.
    pub(super) unsafe fn from_raw(vmf: NonNull<bindings::vm_fault>) -> Self {
        // SAFETY: The caller's promise.
        Self(unsafe { VmFault::from_raw(vmf) })
    }

    /// The fault as any other.
    pub(crate) fn fault(&self) -> &VmFault<'a, T> {
        &self.0
    }

    /// Locks the page that is about to be written.
    ///
    /// Sleeps. Errors: `Killed` if the task is being killed.
    pub(crate) fn lock_page(&self) -> Result<LockedPage<'a>, Failure> {
        // SAFETY: `vmf` is valid, and the core set the page of a `page_mkwrite` and holds a
        // reference to it.
        let page = NonNull::new(unsafe { (*self.0.as_ptr()).page }).ok_or(Failure::Sigbus)?;
        // SAFETY: See above; a handler may sleep.
        if unsafe { ffi::mmlens_lock_page_killable(page.as_ptr()) } != 0 {
            return Err(Failure::Killed);
        }
        // SAFETY: The page was just locked, and the core's reference outlives the handler, thus
        // `'a`.
        Ok(unsafe { LockedPage::from_raw(page) })
    }
}

/// How a `fault` handler ends well.
pub(crate) enum Outcome {
    /// Map this page, which stays locked until that is done (`VM_FAULT_LOCKED`): who takes the page
    /// lock afterwards finds it mapped. The core puts the reference when it is unmapped.
    Locked(LockedRef),
    /// Map this page: for drivers that never take their pages back.
    #[allow(dead_code)] // samples/rust_vm_minimal
    Page(PageRef),
    /// It is mapped (`VM_FAULT_NOPAGE`).
    Installed(Installed),
}

/// How a `pfn_mkwrite` handler ends well.
pub(crate) enum PfnMkwrite {
    /// Make the entry writable, if it still is what it was.
    ///
    /// That is done after the handler has returned, and with no lock of the driver's.
    Writable,
    /// The handler has made it writable ([`VmFault::insert_pfn_writable`]).
    Installed(Installed),
}

/// How a handler fails.
///
/// There is no "nothing was done, touch it again" (`VM_FAULT_NOPAGE` without an entry): who is being
/// killed and faults in kernel mode would do so for ever, without ever sleeping, and if it is of a
/// real-time class, the one that it waits for may not run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// There is nothing at this offset: the task gets `SIGBUS`.
    Sigbus,
    /// No memory: the core may kill something and try again.
    Oom,
    /// The page is broken: the task gets `SIGBUS` with `BUS_MCEERR_AR`.
    HwPoison,
    /// A wait has ended because this task is being killed: in user mode it dies before it touches the
    /// page again, in kernel mode the access ends with `EFAULT` (that of who gets at pages without
    /// one, such as a debugger, with `ENOMEM`).
    ///
    /// To the core it is `VM_FAULT_OOM`, with which it does nothing to such a task
    /// (`pagefault_out_of_memory()`, mm/oom_kill.c). Not `SIGBUS`: an exec kills the other threads,
    /// and what is forced on one of them changes how the new program handles that signal. Not
    /// `VM_FAULT_RETRY`, which has to give up the lock of the fault, and with it what keeps the VMA,
    /// its file and the code that is to return.
    Killed,
}

impl Failure {
    /// What the core calls it.
    pub(super) fn to_raw(self) -> VmFaultT {
        match self {
            Failure::Sigbus => bindings::vm_fault_reason_VM_FAULT_SIGBUS,
            Failure::Oom | Failure::Killed => bindings::vm_fault_reason_VM_FAULT_OOM,
            Failure::HwPoison => bindings::vm_fault_reason_VM_FAULT_HWPOISON,
        }
    }
}

/// As `vmf_error()` of `include/linux/mm.h`. All waits here are killable: `EINTR` is the end of one.
impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        if error == ENOMEM {
            Failure::Oom
        } else if error == EINTR {
            Failure::Killed
        } else if error.to_errno() == -(bindings::EHWPOISON as i32) {
            Failure::HwPoison
        } else {
            Failure::Sigbus
        }
    }
}
