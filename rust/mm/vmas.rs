// SPDX-License-Identifier: GPL-2.0

//! The VMAs of an address space.
//!
//! C header: [`include/linux/mm.h`](srctree/include/linux/mm.h)

use super::policy::VmaPolicy;
use crate::{
    ffi,
    sys::seq::{
        KernelAddress,
        SeqWriter, //
    },
    text::vma_flags::VmaFlags, //
};
use core::{
    fmt,
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    error::to_result,
    ffi::c_char,
    mm::{
        virt::VmaRef,
        MmWithUser, //
    },
    prelude::*,
    types::NotThreadSafe, //
};

/// The mmap lock of an address space, held for reading.
///
/// Keep it short: one window, no allocation that can wait for the target, no copy to user space.
/// Never two at a time.
///
/// # Invariants
///
/// The lock is held by this task.
pub(crate) struct MmapReadLock<'a> {
    mm: &'a MmWithUser,
    _nts: NotThreadSafe,
}

impl<'a> MmapReadLock<'a> {
    /// Takes the lock. Sleeps.
    ///
    /// Errors: `EINTR` if this task is being killed.
    pub(crate) fn lock(mm: &'a MmWithUser) -> Result<Self> {
        // SAFETY: `mm` is valid.
        to_result(unsafe { ffi::mmlens_mmap_read_lock_killable(mm.as_raw()) })?;
        // INVARIANT: Just taken.
        Ok(Self {
            mm,
            _nts: NotThreadSafe,
        })
    }

    /// The address space.
    pub(crate) fn mm(&self) -> &'a MmWithUser {
        self.mm
    }

    /// Whether somebody waits for the lock (`mmap_lock_is_contended()`).
    pub(crate) fn is_contended(&self) -> bool {
        // SAFETY: `mm` is valid.
        unsafe { ffi::mmlens_mmap_lock_is_contended(self.mm.as_raw()) }
    }

    /// The VMA that contains `addr`, or else the next one above.
    pub(crate) fn find_vma(&self, addr: u64) -> Option<&VmaRef> {
        // SAFETY: The lock is held; any address will do.
        let vma = unsafe { bindings::find_vma(self.mm.as_raw(), addr as usize) };
        // SAFETY: The VMA stays as it is while the lock is held, thus while `self` is borrowed.
        (!vma.is_null()).then(|| unsafe { VmaRef::from_raw(vma) })
    }
}

/// The VMAs of an address space that is locked, in the order of their addresses.
///
/// Going on to the next one takes a fraction of what it takes to find it.
pub(crate) struct Vmas<'a> {
    iter: bindings::vma_iterator,
    _lock: PhantomData<&'a MmapReadLock<'a>>,
}

impl<'a> Vmas<'a> {
    /// From the one that contains `addr` on, or else the next one above.
    pub(crate) fn from(lock: &'a MmapReadLock<'a>, addr: u64) -> Self {
        let mut iter = bindings::vma_iterator::default();
        // SAFETY: The lock is held; any address will do.
        unsafe { ffi::mmlens_vma_iter_init(&raw mut iter, lock.mm.as_raw(), addr as usize) };
        Self {
            iter,
            _lock: PhantomData,
        }
    }
}

impl<'a> Iterator for Vmas<'a> {
    type Item = &'a VmaRef;

    fn next(&mut self) -> Option<&'a VmaRef> {
        // SAFETY: The lock that it was made under is still held.
        let vma = unsafe { ffi::mmlens_vma_next(&raw mut self.iter) };
        // SAFETY: The VMA stays as it is while the lock is held.
        (!vma.is_null()).then(|| unsafe { VmaRef::from_raw(vma) })
    }
}

impl Drop for MmapReadLock<'_> {
    fn drop(&mut self) {
        // SAFETY: Held, by the type invariants.
        unsafe { bindings::mmap_read_unlock(self.mm.as_raw()) };
    }
}

/// What a VMA is called, in the order of `get_vma_name()` (`fs/proc/task_mmu.c`).
pub(crate) enum Name {
    /// Nothing, or the path of its file.
    None,
    /// Shared anonymous memory that the program named with `PR_SET_VMA_ANON_NAME`.
    AnonShmem(Label),
    /// `[heap]`: the area of `brk()`.
    Heap,
    /// `[stack]`: the main thread's.
    Stack,
    /// Named by its driver or the architecture: `[vdso]`, `[vvar]`.
    Special(Label),
    /// Anonymous memory that the program named with `PR_SET_VMA_ANON_NAME`.
    Anon(Label),
}

/// A copy of a name. C strings of at most `ANON_VMA_NAME_MAX_LEN` bytes; longer ones are cut.
pub(crate) struct Label {
    bytes: [u8; 80],
    len: usize,
}

impl Label {
    /// # Safety
    ///
    /// `s` is a C string that stays as it is during the call.
    unsafe fn copy(s: NonNull<c_char>) -> Self {
        // SAFETY: The caller's promise.
        let s = unsafe { CStr::from_char_ptr(s.as_ptr()) }.to_bytes();
        let mut bytes = [0; 80];
        let len = s.len().min(bytes.len());
        for (to, from) in bytes.iter_mut().zip(s) {
            *to = *from;
        }
        Self { bytes, len }
    }

    /// The name.
    pub(crate) fn bytes(&self) -> &[u8] {
        self.bytes.get(..self.len).unwrap_or_default()
    }
}

/// What the dumps show of a VMA: a copy, to be used after the lock is gone.
///
/// Drop it with no lock held: the file may go with it.
pub(crate) struct VmaInfo {
    /// First address.
    pub(crate) start: u64,
    /// Exclusive end.
    pub(crate) end: u64,
    /// `vm_flags`.
    pub(crate) flags: VmaFlags,
    /// Offset of the start in the file, in pages.
    pub(crate) pgoff: u64,
    /// `vm_page_prot`: the flags of its entries.
    pub(crate) page_prot: u64,
    /// The file mapped, with a reference.
    pub(crate) file: Option<VmaFile>,
    /// The operations. Null for anonymous memory.
    pub(crate) vm_ops: KernelAddress,
    /// Whether anonymous pages were ever mapped (`anon_vma`).
    pub(crate) anon_vma: AnonVma,
    /// The memory policy.
    pub(crate) policy: VmaPolicy,
    /// Whether a userfaultfd has it registered.
    pub(crate) has_userfaultfd: bool,
    /// Whether its driver keeps data with it (`vm_private_data`).
    pub(crate) has_private_data: bool,
    /// The per-VMA lock, if this kernel has it.
    pub(crate) lock: Option<VmaLock>,
    /// Its name, if it has no file.
    pub(crate) name: Name,
}

/// What the VMA has for an `anon_vma`, through which the anonymous pages are found.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum AnonVma {
    /// None: there never were anonymous pages.
    None,
    /// One that begins its tree.
    Root,
    /// One that hangs below that of a process it was forked from.
    Child,
}

/// The lock that page faults take instead of the mmap lock (`CONFIG_PER_VMA_LOCK`).
#[derive(Clone, Copy)]
pub(crate) struct VmaLock {
    /// `mm_lock_seq` when the VMA was last locked for writing; `None` if it never was.
    pub(crate) vma_seq: Option<u32>,
    /// `mm_lock_seq` now: it counts the beginnings and the ends of writing under the mmap lock.
    pub(crate) mm_seq: u32,
    /// Who has it locked for reading.
    pub(crate) readers: u32,
}

impl AnonVma {
    fn read(vma: &VmaRef) -> Self {
        // A page fault may be giving it one just now.
        // SAFETY: The VMA is locked.
        let anon_vma = unsafe { (&raw const (*vma.as_ptr()).anon_vma).read_volatile() };
        if anon_vma.is_null() {
            return Self::None;
        }
        // SAFETY: It stays as long as the VMA, and its root is set once, before it is seen.
        if unsafe { ffi::mmlens_anon_vma_is_root(anon_vma) } {
            Self::Root
        } else {
            Self::Child
        }
    }
}

impl VmaLock {
    fn read(vma: &VmaRef) -> Option<Self> {
        let mut lock = ffi::mmlens_vma_lock::default();
        // SAFETY: The VMA is locked; the function fills the struct.
        unsafe { ffi::mmlens_vma_lock(vma.as_ptr(), &raw mut lock) }.then(|| Self {
            // `vma_lock_init()`
            vma_seq: (lock.vma_seq != u32::MAX).then_some(lock.vma_seq),
            mm_seq: lock.mm_seq,
            readers: lock.refcount.saturating_sub(1),
        })
    }
}

/// The file of a VMA, and what `/proc/PID/maps` prints of it.
///
/// Not [`kernel::fs::File`]: that may not be had while another thread of the process is inside of
/// an `fdget_pos()` of the same file without its lock, which we cannot know.
///
/// # Invariants
///
/// Owns one reference to `file`.
pub(crate) struct VmaFile {
    file: NonNull<bindings::file>,
    /// `s_dev` of its file system, as major and minor.
    pub(crate) dev: (u32, u32),
    /// Inode number.
    pub(crate) ino: u64,
}

impl VmaInfo {
    /// Whether anonymous pages were ever mapped.
    pub(crate) fn has_anon_vma(&self) -> bool {
        self.anon_vma != AnonVma::None
    }

    /// Copies what is shown of `vma`.
    pub(crate) fn read(lock: &MmapReadLock<'_>, vma: &VmaRef) -> Self {
        let raw = vma.as_ptr();
        // SAFETY: The lock keeps the VMA and this field as they are.
        let pgoff = unsafe { (*raw).vm_pgoff };
        // SAFETY: The same.
        let vm_ops = unsafe { (*raw).vm_ops };
        // SAFETY: The same.
        let page_prot = unsafe { (*raw).vm_page_prot };
        // SAFETY: The same. The pointer is not followed.
        let has_private_data = unsafe { !(*raw).vm_private_data.is_null() };
        // SAFETY: The VMA is locked.
        let has_userfaultfd = unsafe { ffi::mmlens_vma_has_userfaultfd(raw) };
        let file = VmaFile::read(vma);
        Self {
            start: vma.start() as u64,
            end: vma.end() as u64,
            flags: VmaFlags(vma.flags() as u64),
            pgoff: pgoff as u64,
            page_prot: page_prot.pgprot as u64,
            name: Name::read(vma),
            file,
            vm_ops: KernelAddress::of(vm_ops),
            anon_vma: AnonVma::read(vma),
            policy: VmaPolicy::read(lock, vma),
            has_userfaultfd,
            has_private_data,
            lock: VmaLock::read(vma),
        }
    }
}

impl VmaFile {
    /// The file, open as long as `self` is there.
    pub(super) fn as_ptr(&self) -> *mut bindings::file {
        self.file.as_ptr()
    }

    /// Device, as major and minor, and inode number of the file of a VMA that is locked.
    pub(super) fn numbers(vma: &VmaRef) -> Option<((u32, u32), u64)> {
        // SAFETY: The VMA is locked; the field does not change.
        let file = NonNull::new(unsafe { (*vma.as_ptr()).vm_file })?;
        // SAFETY: The file is open. Of a file on overlayfs this is the inode that the user sees,
        // not the one below it that is mapped.
        let inode = unsafe { ffi::mmlens_file_user_inode(file.as_ptr()) };
        // SAFETY: The file keeps the inode, and that its super block.
        let dev = unsafe { (*(*inode).i_sb).s_dev };
        // SAFETY: The file keeps the inode.
        let ino = unsafe { (*inode).i_ino };
        let major = dev >> bindings::MINORBITS;
        Some(((major, dev & ((1 << bindings::MINORBITS) - 1)), ino))
    }

    /// The file of a VMA that is locked.
    pub(super) fn read(vma: &VmaRef) -> Option<Self> {
        let (dev, ino) = Self::numbers(vma)?;
        // SAFETY: The VMA is locked; the field does not change.
        let file = NonNull::new(unsafe { (*vma.as_ptr()).vm_file })?;
        // SAFETY: The VMA has a reference, so the file is open.
        unsafe { ffi::mmlens_get_file(file.as_ptr()) };
        // INVARIANT: The reference was taken above.
        Some(Self { file, dev, ino })
    }

    /// Writes the path as `/proc/PID/maps` does: seen from the reader's root, newlines escaped.
    pub(crate) fn write_path(&self, out: &mut SeqWriter<'_>) -> fmt::Result {
        let write = |m| {
            // SAFETY: The seq file is valid, and the file is open. This may sleep, and so may we.
            unsafe { ffi::mmlens_seq_file_path(m, self.file.as_ptr()) }
        };
        // SAFETY: The function only writes the path.
        unsafe { out.with_raw(write) }
    }
}

// SAFETY: The count is atomic, and the file stays open.
unsafe impl Send for VmaFile {}

impl Drop for VmaFile {
    fn drop(&mut self) {
        // SAFETY: `self` owns a reference.
        unsafe { bindings::fput(self.file.as_ptr()) };
    }
}

impl Name {
    fn read(vma: &VmaRef) -> Self {
        let raw = vma.as_ptr();
        // SAFETY: The VMA is locked.
        let anon_name = NonNull::new(unsafe { ffi::mmlens_anon_vma_name(raw) }.cast_mut());
        // SAFETY: A C string that lives as long as the VMA is locked.
        let anon_name = anon_name.map(|name| unsafe { Label::copy(name) });
        // SAFETY: The VMA is locked; the field does not change.
        if !unsafe { (*raw).vm_file }.is_null() {
            return anon_name.map_or(Name::None, Name::AnonShmem);
        }
        // SAFETY: The VMA is locked; its operations belong to the kernel or to a module that the
        // VMA's file keeps loaded.
        let name = unsafe { (*raw).vm_ops.as_ref() }.and_then(|ops| ops.name);
        // SAFETY: This is what the operation is for (`get_vma_name()` calls it under the same
        // lock).
        let name = name.and_then(|name| NonNull::new(unsafe { name(raw) }.cast_mut()));
        if let Some(name) = name {
            // SAFETY: A C string, by the contract of the operation, that lives as long as the VMA
            // is locked.
            return Name::Special(unsafe { Label::copy(name) });
        }
        // SAFETY: The VMA is locked.
        if unsafe { ffi::mmlens_vma_is_initial_heap(raw) } {
            return Name::Heap;
        }
        // SAFETY: The VMA is locked.
        if unsafe { ffi::mmlens_vma_is_initial_stack(raw) } {
            return Name::Stack;
        }
        anon_name.map_or(Name::None, Name::Anon)
    }
}
