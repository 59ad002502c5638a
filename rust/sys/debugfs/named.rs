// SPDX-License-Identifier: GPL-2.0

//! Files in a folder: how they are opened, and what their calls go through.
//!
//! debugfs would take the reference to the module itself, and warns if it gets none of a module that
//! is not marked as going. But `delete_module()` takes the last reference away before it marks
//! the module (`try_stop_module()`, `kernel/module/main.c`): an `open` in between would taint the
//! kernel, and panic one that panics on a warning. So the operations that debugfs knows have no
//! owner, and the file gets others when it is opened, whose owner the core puts after the last call.
//!
//! Then debugfs does not stand between the file and its calls (`debugfs_create_file_unsafe()`), and
//! each of them says itself that it is in progress. Only `release` does not, as with debugfs: it
//! comes after the file was removed, too.

use crate::ffi;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    error::{
        from_result,
        to_result, //
    },
    ffi::{
        c_char,
        c_int, //
    },
    prelude::*, //
};

/// The operations of a kind of files.
pub(super) trait Operations {
    /// Those of an open one, with the module as their owner.
    ///
    /// `open` and the calls get a file over what [`super::Files`] was given; a file that has no name
    /// is never passed to `open`.
    const FILE: &'static bindings::file_operations;
}

/// The same, for files in a folder.
pub(super) struct Named<T>(PhantomData<T>);

impl<T: Operations> Named<T> {
    /// What debugfs knows: no owner, and only how to open it.
    pub(super) const CLOSED: &'static bindings::file_operations = &bindings::file_operations {
        open: Some(Self::open),
        ..pin_init::zeroed()
    };

    /// What an open file has: nothing that does not go through a [`Call`] but its end.
    const OPEN: &'static bindings::file_operations = &bindings::file_operations {
        owner: T::FILE.owner,
        read: match T::FILE.read {
            Some(_) => Some(Self::read),
            None => None,
        },
        write: match T::FILE.write {
            Some(_) => Some(Self::write),
            None => None,
        },
        llseek: match T::FILE.llseek {
            Some(_) => Some(Self::llseek),
            None => None,
        },
        release: T::FILE.release,
        ..pin_init::zeroed()
    };

    /// Errors: `ENXIO` if the module is going; those of the operations.
    ///
    /// # Safety
    ///
    /// `file` is being opened with [`Self::CLOSED`], by debugfs; `inode` is its inode.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: The module is there: debugfs keeps the file from being removed during `open`.
        if !unsafe { ffi::mmlens_fops_get(Self::OPEN) } {
            // SAFETY: `file` is being opened, and `inode` is its inode.
            unsafe { Self::restore(inode, file) };
            return ENXIO.to_errno();
        }
        // SAFETY: `file` is being opened, so nobody else has it. Their owner is the module, and the
        // reference becomes the file's.
        unsafe { ffi::mmlens_replace_fops(file, Self::OPEN) };
        let ret = match T::FILE.open {
            // SAFETY: These are the operations of the file.
            Some(open) => unsafe { open(inode, file) },
            None => 0,
        };
        if ret != 0 {
            // SAFETY: As above.
            unsafe { Self::restore(inode, file) };
        }
        ret
    }

    /// Gives a file that is not opened what debugfs itself began with, and puts the reference to the
    /// module that it has. The core looks for the owner once `open` has returned, when debugfs does not
    /// wait any more: by then the module may be gone with its tables, if its init has failed, whatever
    /// references there are.
    ///
    /// # Safety
    ///
    /// `file` is being opened by [`Self::open`]; `inode` is its inode.
    unsafe fn restore(inode: *mut bindings::inode, file: *mut bindings::file) {
        // SAFETY: `inode` is valid.
        let fops = unsafe { ffi::mmlens_inode_fops(inode) };
        // SAFETY: `file` is being opened, so nobody else has it. These are a part of the kernel.
        unsafe { ffi::mmlens_replace_fops(file, fops) };
    }

    /// # Safety
    ///
    /// `file` was opened by [`Self::open`]; the rest are the arguments of `read`.
    unsafe extern "C" fn read(
        file: *mut bindings::file,
        buf: *mut c_char,
        len: usize,
        pos: *mut bindings::loff_t,
    ) -> isize {
        from_result(|| {
            // SAFETY: `file` is open.
            let _call = unsafe { Call::begin(file) }?;
            let read = T::FILE.read.ok_or(EINVAL)?;
            // SAFETY: The arguments are those of `read`, and the file is not removed meanwhile.
            Ok(unsafe { read(file, buf, len, pos) })
        })
    }

    /// # Safety
    ///
    /// `file` was opened by [`Self::open`]; the rest are the arguments of `write`.
    unsafe extern "C" fn write(
        file: *mut bindings::file,
        buf: *const c_char,
        len: usize,
        pos: *mut bindings::loff_t,
    ) -> isize {
        from_result(|| {
            // SAFETY: `file` is open.
            let _call = unsafe { Call::begin(file) }?;
            let write = T::FILE.write.ok_or(EINVAL)?;
            // SAFETY: The arguments are those of `write`, and the file is not removed meanwhile.
            Ok(unsafe { write(file, buf, len, pos) })
        })
    }

    /// # Safety
    ///
    /// `file` was opened by [`Self::open`]; the rest are the arguments of `llseek`.
    unsafe extern "C" fn llseek(
        file: *mut bindings::file,
        offset: bindings::loff_t,
        whence: c_int,
    ) -> bindings::loff_t {
        from_result(|| {
            // SAFETY: `file` is open.
            let _call = unsafe { Call::begin(file) }?;
            let llseek = T::FILE.llseek.ok_or(ESPIPE)?;
            // SAFETY: The arguments are those of `llseek`, and the file is not removed meanwhile.
            Ok(unsafe { llseek(file, offset, whence) })
        })
    }
}

/// A call to a file in progress: who removes the file waits for it.
///
/// # Invariants
///
/// `dentry` is that of an open file, and `debugfs_file_get()` has succeeded.
struct Call {
    dentry: NonNull<bindings::dentry>,
}

impl Call {
    /// Errors: `EIO` if the file was removed.
    ///
    /// # Safety
    ///
    /// `file` is of debugfs, and open as long as the result is there.
    unsafe fn begin(file: *mut bindings::file) -> Result<Self> {
        // SAFETY: `file` is valid.
        let dentry = NonNull::new(unsafe { ffi::mmlens_file_dentry(file) }).ok_or(EIO)?;
        // SAFETY: `file` keeps it.
        to_result(unsafe { bindings::debugfs_file_get(dentry.as_ptr()) })?;
        // INVARIANT: Just succeeded.
        Ok(Self { dentry })
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        // SAFETY: By the type invariants.
        unsafe { bindings::debugfs_file_put(self.dentry.as_ptr()) };
    }
}
