// SPDX-License-Identifier: GPL-2.0

//! VMAs that a driver owns: one that is being made, and one that is there.
//!
//! C header: [`include/linux/mm_types.h`](srctree/include/linux/mm_types.h), `struct
//! vm_area_struct`

use super::{
    fault::{
        Failure,
        Installed, //
    },
    huge,
    kind::{
        self,
        Kind,
        MixedFrames,
        MixedMap,
        Pfn,
        PfnMap,
        PfnRange, //
    },
    ops::VmOperations,
    page::HeldPage, //
};
use crate::ffi;
use core::{
    marker::PhantomData,
    mem,
    ops::Deref,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    error::to_result,
    ffi::c_void,
    mm::{
        virt::{
            flags,
            VmaRef, //
        },
        Mm, //
    },
    page::PAGE_SIZE,
    prelude::*,
    sync::{
        aref::ARef,
        Arc,
        ArcBorrow, //
    },
    types::ForeignOwnable, //
};

/// A VMA whose `vm_ops` are `T`'s.
///
/// # Invariants
///
/// The mmap lock or the VMA's own lock is held for reading; `vm_ops` is `T::table()`; the flags are
/// those of `T::Kind`; `vm_private_data` came from [`Arc<T::Owner>::into_foreign`] and is there as
/// long as the VMA is.
#[repr(transparent)]
pub(crate) struct DriverVma<T> {
    vma: VmaRef,
    _type: PhantomData<T>,
}

impl<T> Deref for DriverVma<T> {
    type Target = VmaRef;

    fn deref(&self) -> &VmaRef {
        &self.vma
    }
}

impl<T: VmOperations> DriverVma<T> {
    /// # Safety
    ///
    /// `vma` is valid for `'a` and meets the type invariants.
    pub(super) unsafe fn from_raw<'a>(vma: *mut bindings::vm_area_struct) -> &'a Self {
        // SAFETY: The caller's promise.
        // CAST: `DriverVma` and `VmaRef` are transparent.
        unsafe { &*vma.cast() }
    }

    fn borrow_owner(&self) -> ArcBorrow<'_, T::Owner> {
        // SAFETY: The VMA is valid by the type invariants; the field is written when the VMA is
        // made, never later.
        let owner = unsafe { (*self.vma.as_ptr()).vm_private_data };
        // SAFETY: By the type invariants this is an `Arc`, which the VMA owns for the time of the
        // borrow of `self`.
        unsafe { Arc::<T::Owner>::borrow(owner) }
    }

    /// The object behind the VMA.
    pub(crate) fn owner(&self) -> &T::Owner {
        // SAFETY: By the type invariants the VMA owns an `Arc` as long as `self` is borrowed.
        unsafe { &*core::ptr::from_ref::<T::Owner>(&self.borrow_owner()) }
    }

    /// Another reference to the object behind the VMA.
    pub(super) fn clone_owner(&self) -> Arc<T::Owner> {
        self.borrow_owner().into()
    }

    /// Where it begins in the object, in pages.
    pub(crate) fn pgoff(&self) -> usize {
        // SAFETY: The VMA is locked, so this does not change.
        unsafe { (*self.vma.as_ptr()).vm_pgoff }
    }

    /// Whether it is shared: what is written to it is written to the object.
    pub(crate) fn is_shared(&self) -> bool {
        self.flags() & flags::SHARED != 0
    }

    /// The size of a pmd in bytes, if the VMA has room for one that is aligned as the object is.
    pub(crate) fn huge_size(&self) -> Option<usize> {
        let size = PAGE_SIZE << huge::PMD_ORDER;
        let start = self.start().checked_next_multiple_of(size)?;
        let end = start.checked_add(size)?;
        let is_aligned =
            self.offset_of(self.start())? % size as u64 == (self.start() % size) as u64;
        (is_aligned && end <= self.end()).then_some(size)
    }

    /// The address of a page of the object, if the VMA maps it.
    pub(crate) fn address_of(&self, pgoff: usize) -> Option<usize> {
        let offset = pgoff.checked_sub(self.pgoff())?.checked_mul(PAGE_SIZE)?;
        let address = self.start().checked_add(offset)?;
        (address < self.end()).then_some(address)
    }

    /// The offset in the object, in bytes, of an address in the VMA.
    pub(crate) fn offset_of(&self, address: usize) -> Option<u64> {
        let offset = address.checked_sub(self.start())?;
        let start = (self.pgoff() as u64).checked_mul(PAGE_SIZE as u64)?;
        start
            .checked_add(offset as u64)
            .filter(|_| address < self.end())
    }
}

/// A VMA that is being made: the argument of a file's `mmap`.
///
/// # Invariants
///
/// The VMA is valid for `'a`, being set up by this task, and not yet in the tree of its mm, whose
/// mmap lock is held for writing.
pub(crate) struct NewVma<'a> {
    vma: NonNull<bindings::vm_area_struct>,
    _lifetime: PhantomData<&'a bindings::vm_area_struct>,
}

impl<'a> NewVma<'a> {
    /// # Safety
    ///
    /// The type invariants hold, for the lifetime of the result.
    pub(crate) unsafe fn from_raw(vma: NonNull<bindings::vm_area_struct>) -> Self {
        // INVARIANT: The caller's promise.
        Self {
            vma,
            _lifetime: PhantomData,
        }
    }

    fn as_ref(&self) -> &VmaRef {
        // SAFETY: Valid by the type invariants, and nobody else writes to it.
        unsafe { VmaRef::from_raw(self.vma.as_ptr()) }
    }

    /// Its first address.
    pub(crate) fn start(&self) -> usize {
        self.as_ref().start()
    }

    /// How many pages it has.
    pub(crate) fn pages(&self) -> usize {
        (self.as_ref().end() - self.as_ref().start()) / PAGE_SIZE
    }

    /// Where it begins in its object, in pages.
    pub(crate) fn pgoff(&self) -> usize {
        // SAFETY: Valid by the type invariants.
        unsafe { (*self.vma.as_ptr()).vm_pgoff }
    }

    fn has(&self, wanted: kernel::mm::virt::vm_flags_t) -> bool {
        self.as_ref().flags() & wanted != 0
    }

    /// Whether it is private, and is or can be made writable.
    fn is_copied(&self) -> bool {
        !self.has(flags::SHARED) && self.has(flags::MAYWRITE)
    }

    /// Makes it a VMA of `T`: gives it the flags of the kind.
    ///
    /// If `T` is told of first writes, what is inserted from now on is read-only, as what faults
    /// will insert is.
    ///
    /// Errors: `EINVAL` for a private mapping that is or can be made writable, if the kind has none.
    pub(crate) fn prepare<T: VmOperations>(self) -> Result<ReadyVma<'a, T>> {
        if self.is_copied() && !T::Kind::CAN_COPY_ON_WRITE {
            return Err(EINVAL);
        }
        let vma = self.vma.as_ptr();
        let mut wanted = kind::COMMON | T::Kind::FLAGS;
        if T::HAS_HUGE_FAULT {
            // Where the system gives huge pages only to those who ask.
            wanted |= flags::HUGEPAGE;
        }
        // SAFETY: A VMA that is being set up may get flags. It cannot be private and writable if it
        // becomes `VM_PFNMAP`, by the check.
        unsafe { ffi::mmlens_vma_set_flags(vma, wanted) };
        if T::HAS_PAGE_MKWRITE || T::HAS_PFN_MKWRITE {
            // SAFETY: A VMA that is being set up may get other rights.
            unsafe { ffi::mmlens_vma_wrprotect(vma) };
        }
        Ok(ReadyVma {
            vma: self,
            _type: PhantomData,
        })
    }
}

/// Waits until no `mmap()` is in progress in an address space: the VMAs that were being made are in
/// the tree of their file then, or gone, so that [`PrivateInode::unmap`] finds them.
///
/// Sleeps; no lock may be held. Errors: `EINTR` if this task is being killed.
///
/// [`PrivateInode::unmap`]: super::inode::PrivateInode::unmap
pub(crate) fn until_linked(mm: &Mm) -> Result {
    // If it has no user left, all its VMAs are gone, or going.
    let Some(mm) = mm.mmget_not_zero() else {
        return Ok(());
    };
    // SAFETY: `mm` has users, and nothing is held here.
    to_result(unsafe {
        bindings::down_read_killable(&raw mut (*mm.as_raw()).__bindgen_anon_1.mmap_lock)
    })?;
    // SAFETY: Just taken.
    unsafe { bindings::up_read(&raw mut (*mm.as_raw()).__bindgen_anon_1.mmap_lock) };
    Ok(())
}

/// Whether anybody uses an address space: once nobody does, nobody will, and nothing is being mapped
/// there.
pub(crate) fn has_users(mm: &Mm) -> bool {
    // SAFETY: There is a reference, so the structure is there.
    unsafe { ffi::mmlens_mm_has_users(mm.as_raw()) }
}

/// A cache type that is not that of memory.
#[derive(Clone, Copy)]
pub(crate) enum CacheType {
    /// `pgprot_writecombine()`.
    WriteCombine,
    /// `pgprot_noncached()`.
    NonCached,
    /// `pgprot_device()`: registers, as `ioremap()` has them.
    Device,
}

/// A [`NewVma`] with the flags of `T`'s kind.
pub(crate) struct ReadyVma<'a, T> {
    vma: NewVma<'a>,
    _type: PhantomData<T>,
}

impl<'a, T: VmOperations> ReadyVma<'a, T> {
    fn as_ptr(&self) -> *mut bindings::vm_area_struct {
        self.vma.vma.as_ptr()
    }

    /// The address space that it will be in, to be waited for: see [`until_linked`].
    pub(crate) fn address_space(&self) -> ARef<Mm> {
        ARef::from(&**self.vma.as_ref().mm())
    }

    /// The address of its page `index`.
    fn address(&self, index: usize) -> Result<usize> {
        let vma = self.vma.as_ref();
        let offset = index.checked_mul(PAGE_SIZE).ok_or(EFAULT)?;
        let address = vma.start().checked_add(offset).ok_or(EFAULT)?;
        if address >= vma.end() {
            return Err(EFAULT);
        }
        Ok(address)
    }

    /// Gives it another cache type than memory has.
    ///
    /// Errors: `EINVAL` for a private mapping that is or can be made writable: its copies would get
    /// that type as well, while the kernel writes them by its own mapping, which is write-back. On
    /// arm64 the process would read what was in that memory before.
    pub(crate) fn set_cache_type(&self, cache: CacheType) -> Result {
        if self.vma.is_copied() {
            return Err(EINVAL);
        }
        match cache {
            // SAFETY: A VMA that is being set up may get other rights.
            CacheType::WriteCombine => unsafe { ffi::mmlens_vma_set_writecombine(self.as_ptr()) },
            // SAFETY: The same.
            CacheType::NonCached => unsafe { ffi::mmlens_vma_set_noncached(self.as_ptr()) },
            // SAFETY: The same.
            CacheType::Device => unsafe { ffi::mmlens_vma_set_device(self.as_ptr()) },
        }
        Ok(())
    }

    /// The end of `mmap`: `owner` becomes the object behind the VMA, if `mmap` returns this.
    pub(crate) fn done(self, owner: Arc<T::Owner>) -> Mapped<'a> {
        Mapped {
            ops: T::table().as_ptr(),
            owner: owner.into_foreign(),
            drop_owner: |owner| {
                // SAFETY: It came from `into_foreign` above, and is dropped once.
                drop(unsafe { Arc::<T::Owner>::from_foreign(owner) });
            },
            _vma: PhantomData,
        }
    }
}

impl<T: VmOperations<Kind = MixedMap>> ReadyVma<'_, T> {
    /// Maps a page as page `index` of the VMA. One whose memory is broken is left to faults, which tell
    /// of it.
    ///
    /// Errors: `EFAULT` past the end; `ENOMEM`, `EBUSY`; `EINVAL` for a page that cannot be mapped.
    pub(crate) fn insert_page(&self, index: usize, page: HeldPage<'_>) -> Result {
        let address = self.address(index)?;
        // SAFETY: The VMA is `VM_MIXEDMAP`, and the page is there.
        to_result(unsafe { ffi::mmlens_insert_page(self.as_ptr(), address, page.as_ptr()) })
    }

    /// Maps all of it from a vmalloc area, from its page `pgoff` on: `remap_vmalloc_range()`.
    ///
    /// # Safety
    ///
    /// `area` is the address of an area with `VM_USERMAP`, which the owner keeps.
    ///
    /// Errors: `EINVAL` if the area is smaller; `ENOMEM`.
    pub(crate) unsafe fn remap_vmalloc(&self, area: NonNull<c_void>, pgoff: usize) -> Result {
        // SAFETY: The caller's promise; the VMA is being set up.
        to_result(unsafe { ffi::mmlens_remap_vmalloc_range(self.as_ptr(), area.as_ptr(), pgoff) })
    }
}

impl<T: VmOperations<Kind = MixedFrames>> ReadyVma<'_, T> {
    /// Maps a frame as page `index` of the VMA, by its number.
    ///
    /// Errors: `EFAULT` past the end, `ENOMEM`.
    pub(crate) fn insert_mixed(&self, index: usize, pfn: Pfn<'_>) -> Result {
        let address = self.address(index)?;
        // SAFETY: The VMA is `VM_MIXEDMAP`; the frame is one that the owner keeps.
        let ret = unsafe { bindings::vmf_insert_mixed(self.as_ptr(), address, pfn.number()) };
        inserted(ret)
    }
}

impl<T: VmOperations<Kind = PfnMap>> ReadyVma<'_, T> {
    /// Maps a frame as page `index` of the VMA.
    ///
    /// Errors: `EFAULT` past the end, `ENOMEM`.
    pub(crate) fn insert_pfn(&self, index: usize, pfn: Pfn<'_>) -> Result {
        let address = self.address(index)?;
        // SAFETY: The VMA is `VM_PFNMAP` and not private and writable; the frame is one that the
        // owner keeps.
        let ret = unsafe { bindings::vmf_insert_pfn(self.as_ptr(), address, pfn.number()) };
        inserted(ret)
    }

    /// Maps frames from page `index` of the VMA on: `remap_pfn_range()`.
    ///
    /// Errors: `EFAULT` past the end, `ENOMEM`, `EINVAL` if there are none, or if the cache type is
    /// not that of the frames.
    pub(crate) fn remap_pfn(&self, index: usize, frames: PfnRange<'_>) -> Result {
        let address = self.address(index)?;
        let behind_first = frames.count().checked_sub(1).ok_or(EINVAL)?;
        self.address(index.checked_add(behind_first).ok_or(EFAULT)?)?;
        // SAFETY: Valid by the type invariants of `NewVma`.
        let prot = unsafe { (*self.as_ptr()).vm_page_prot };
        // SAFETY: The range is in the VMA, which is being set up; the frames are ones that the owner
        // keeps.
        to_result(unsafe {
            bindings::remap_pfn_range(
                self.as_ptr(),
                address,
                frames.first(),
                frames.count() * PAGE_SIZE,
                prot, //
            )
        })
    }
}

fn inserted(ret: bindings::vm_fault_t) -> Result {
    match Installed::from_raw(ret) {
        Ok(_) => Ok(()),
        Err(Failure::Oom) => Err(ENOMEM),
        Err(_) => Err(EINVAL),
    }
}

/// A VMA that a driver has mapped, and its owner, which is installed if `mmap()` succeeds.
///
/// Installing is the last step, and cannot fail: if `mmap()` fails, the core drops the VMA without
/// calling `close` (`mmap_file()`, mm/internal.h), so a reference that was installed before would
/// be lost.
///
/// The lifetime is that of the VMA, so that it cannot be kept and returned for another one.
pub(crate) struct Mapped<'a> {
    ops: *const bindings::vm_operations_struct,
    owner: *mut c_void,
    drop_owner: fn(*mut c_void),
    _vma: PhantomData<NewVma<'a>>,
}

impl Mapped<'_> {
    /// # Safety
    ///
    /// `vma` is the one that this was made from, and still being set up.
    pub(crate) unsafe fn install(self, vma: *mut bindings::vm_area_struct) {
        // SAFETY: The caller's promise.
        unsafe { (*vma).vm_ops = self.ops };
        // SAFETY: The same.
        unsafe { (*vma).vm_private_data = self.owner };
        // The VMA has it now.
        mem::forget(self);
    }
}

impl Drop for Mapped<'_> {
    fn drop(&mut self) {
        (self.drop_owner)(self.owner);
    }
}
