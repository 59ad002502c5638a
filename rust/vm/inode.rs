// SPDX-License-Identifier: GPL-2.0

//! An inode for each open file: so that taking pages out of its mappings, or write-protecting them,
//! touches nobody else's.
//!
//! All who open a device node share the node's inode, thus one `address_space`, in which the
//! mappings of all of them are. The inodes here are of a file system of this module that is never
//! seen. Its `owner` pins the module as long as it is mounted, so it is mounted for each open file
//! (`simple_pin_fs()`), and not by the module's `init`, which would pin the module for ever.
//!
//! C header: [`include/linux/pseudo_fs.h`](srctree/include/linux/pseudo_fs.h)

use super::kind::Pfn;
use crate::{
    compat,
    ffi, //
};
use core::{
    cell::UnsafeCell,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    ffi::c_int,
    prelude::*,
    types::Opaque, //
};

/// The file system, and how often it is mounted. C code writes to both, under a lock of its own
/// (`pin_fs_lock`, fs/libfs.c; `sb_lock`).
struct FileSystem {
    kind: Opaque<bindings::file_system_type>,
    mount: UnsafeCell<*mut bindings::vfsmount>,
    count: UnsafeCell<c_int>,
}

// SAFETY: Written by C code under locks.
unsafe impl Sync for FileSystem {}

static FILE_SYSTEM: FileSystem = FileSystem {
    kind: Opaque::new(bindings::file_system_type {
        name: c"mmlens".to_bytes_with_nul().as_ptr(),
        owner: compat::this_module(),
        init_fs_context: Some(init_fs_context),
        kill_sb: Some(bindings::kill_anon_super),
        ..pin_init::zeroed()
    }),
    mount: UnsafeCell::new(core::ptr::null_mut()),
    count: UnsafeCell::new(0),
};

/// # Safety
///
/// `fc` is being set up.
unsafe extern "C" fn init_fs_context(fc: *mut bindings::fs_context) -> c_int {
    // SAFETY: The caller's promise.
    unsafe { ffi::mmlens_init_pseudo(fc) }
}

/// The file system, mounted.
///
/// # Invariants
///
/// Owns one count of the mount.
struct Mount(());

impl Mount {
    fn pin() -> Result<Self> {
        // SAFETY: The type is static, and the other two are only ever used by these functions.
        to_result(unsafe {
            bindings::simple_pin_fs(
                FILE_SYSTEM.kind.get(),
                FILE_SYSTEM.mount.get(),
                FILE_SYSTEM.count.get(),
            )
        })?;
        // INVARIANT: Just taken.
        Ok(Self(()))
    }

    fn super_block(&self) -> *mut bindings::super_block {
        // SAFETY: Mounted by the type invariants, so the pointer is not written.
        let mount = unsafe { *FILE_SYSTEM.mount.get() };
        // SAFETY: The same.
        unsafe { (*mount).mnt_sb }
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        // SAFETY: `self` owns a count.
        unsafe {
            bindings::simple_release_fs(FILE_SYSTEM.mount.get(), FILE_SYSTEM.count.get());
        }
    }
}

/// An inode whose mapping is that of one open file.
///
/// # Invariants
///
/// Owns a reference to `inode`, which is on the mounted file system.
pub(crate) struct PrivateInode {
    inode: NonNull<bindings::inode>,
    // Goes after the inode.
    _mount: Mount,
}

// SAFETY: An inode may be used and put by any thread.
unsafe impl Send for PrivateInode {}
// SAFETY: The functions below take the locks that they need.
unsafe impl Sync for PrivateInode {}

impl PrivateInode {
    /// Sleeps. Errors: `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let mount = Mount::pin()?;
        // SAFETY: The file system is mounted.
        let inode = unsafe { bindings::alloc_anon_inode(mount.super_block()) };
        let inode = NonNull::new(from_err_ptr(inode)?).ok_or(ENOMEM)?;
        // INVARIANT: The reference is ours.
        Ok(Self {
            inode,
            _mount: mount,
        })
    }

    /// The mapping: what is to be `file->f_mapping` before the file is mapped.
    pub(crate) fn mapping(&self) -> *mut bindings::address_space {
        // SAFETY: There is a reference to the inode.
        unsafe { (*self.inode.as_ptr()).i_mapping }
    }

    /// Takes everything out of all mappings; `even_cows`: private copies too. Then each access
    /// faults again. Takes out as well what the copy of a mapping by fork, or its move, has just
    /// put elsewhere.
    ///
    /// Not what is in a VMA whose `mmap()` is still in progress: see
    /// [`until_linked`](super::vma::until_linked). Nor what a handler inserts meanwhile: the caller
    /// keeps them from it.
    ///
    /// Sleeps; takes the `i_mmap_rwsem`.
    pub(crate) fn unmap(&self, even_cows: bool) {
        // SAFETY: There is a reference to the inode.
        unsafe { bindings::unmap_mapping_range(self.mapping(), 0, 0, even_cows.into()) };
    }

    /// Write-protects the `pages` pages from `pgoff` on, as far as they are mapped as the frames from
    /// `pfn` on, in all shared mappings. Returns how many entries of page tables were writable or
    /// dirty, and are not any more.
    ///
    /// Sleeps; takes the `i_mmap_rwsem`.
    pub(crate) fn write_protect(&self, pgoff: usize, pfn: Pfn<'_>, pages: usize) -> u64 {
        // SAFETY: There is a reference to the inode; entries of other frames are left alone.
        let entries = unsafe {
            ffi::mmlens_mapping_wrprotect_range(self.mapping(), pgoff, pfn.number(), pages)
        };
        u64::try_from(entries).unwrap_or(0)
    }
}

impl Drop for PrivateInode {
    fn drop(&mut self) {
        // SAFETY: `self` owns this reference.
        unsafe { bindings::iput(self.inode.as_ptr()) };
    }
}
