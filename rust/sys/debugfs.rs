// SPDX-License-Identifier: GPL-2.0

//! debugfs folders and files, with an owner and with checks.
//!
//! `kernel::debugfs` sets no `file_operations.owner`, so a file that is open when the module goes
//! away would be released through freed memory, and it has no hook for the checks of an `open`.
//! This layer has both ([`named`]), for three kinds of files: [`Records`] to read, [`Control`] to
//! write, and [`Transaction`] to write a request to and then read the reply from. Two of them can
//! also be had without a name, as a descriptor: [`Anonymous`].
//!
//! C header: [`include/linux/debugfs.h`](srctree/include/linux/debugfs.h)

mod anonymous;
mod control;
mod named;
mod records;
mod transaction;

pub(crate) use anonymous::Anonymous;
pub(crate) use control::Control;
pub(crate) use records::Records;
pub(crate) use transaction::Transaction;

use self::named::{
    Named,
    Operations, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::from_err_ptr,
    ffi::{
        c_char,
        c_void, //
    },
    prelude::*,
    sync::Arc,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

/// A folder. Removed with the last reference: those of its files and of the folders in it are among
/// them, so it is empty then.
///
/// # Invariants
///
/// `dentry` is a debugfs folder that this object alone removes.
pub(crate) struct Dir {
    dentry: NonNull<bindings::dentry>,
    // Removed after this one: it would take what is in it along.
    _parent: Option<Arc<Dir>>,
}

// SAFETY: debugfs functions may be called by any thread.
unsafe impl Send for Dir {}
// SAFETY: The same.
unsafe impl Sync for Dir {}

impl Dir {
    /// Makes a folder, at the top or in `parent`.
    ///
    /// Errors: `EPERM` if debugfs is switched off, `EEXIST`, `ENOMEM`.
    pub(crate) fn new(name: &CStr, parent: Option<Arc<Dir>>) -> Result<Arc<Self>> {
        let above = parent
            .as_ref()
            .map_or(core::ptr::null_mut(), |p| p.dentry.as_ptr());
        // SAFETY: `name` is a string, `above` a folder or null.
        let dentry = unsafe { bindings::debugfs_create_dir(name.as_char_ptr(), above) };
        let dentry = NonNull::new(from_err_ptr(dentry)?).ok_or(ENODEV)?;
        // INVARIANT: Just made.
        let dir = Self {
            dentry,
            _parent: parent,
        };
        Ok(Arc::new(dir, GFP_KERNEL)?)
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        // SAFETY: By the type invariants it is there and ours to remove.
        unsafe { bindings::debugfs_remove(self.dentry.as_ptr()) };
    }
}

/// Files over one object, in a folder. Removed when dropped, after the calls in progress have
/// ended; what is still open then reads as `EIO`.
///
/// # Invariants
///
/// The `i_private` of each file is the `D` that `data` keeps.
pub(crate) struct Files<D> {
    dentries: KVec<NonNull<bindings::dentry>>,
    data: Arc<D>,
    dir: Arc<Dir>,
}

// SAFETY: debugfs functions may be called by any thread, and `D` is shared.
unsafe impl<D: Send + Sync> Send for Files<D> {}
// SAFETY: The same.
unsafe impl<D: Send + Sync> Sync for Files<D> {}

impl<D: Send + Sync> Files<D> {
    /// No files yet.
    pub(crate) fn new(dir: Arc<Dir>, data: Arc<D>) -> Self {
        Self {
            dentries: KVec::new(),
            data,
            dir,
        }
    }

    /// The object behind the files.
    pub(crate) fn data(&self) -> &Arc<D> {
        &self.data
    }

    /// Adds a file (0400) that shows `R`.
    pub(crate) fn records<R: Records<Data = D>>(self, name: &CStr) -> Result<Self> {
        self.create::<records::Table<R>>(name, 0o400)
    }

    /// Adds a file (0200) that obeys `C`.
    pub(crate) fn control<C: Control<Data = D>>(self, name: &CStr) -> Result<Self> {
        self.create::<control::Table<C>>(name, 0o200)
    }

    /// Adds a file (0600) that replies as `T` does.
    pub(crate) fn transaction<T: Transaction<Data = D>>(self, name: &CStr) -> Result<Self> {
        self.create::<transaction::Table<T>>(name, 0o600)
    }

    /// The operations take the `i_private` of an inode for a `D`.
    fn create<T: Operations>(mut self, name: &CStr, mode: bindings::umode_t) -> Result<Self> {
        self.dentries.reserve(1, GFP_KERNEL)?;
        let data = Arc::as_ptr(&self.data);
        // SAFETY: `name` and the folder are valid, the operations are static, and each call to them
        // says that it is in progress. `data` outlives the file, since `drop` removes that first.
        let dentry = unsafe {
            bindings::debugfs_create_file_unsafe(
                name.as_char_ptr(),
                mode,
                self.dir.dentry.as_ptr(),
                data.cast_mut().cast::<c_void>(),
                Named::<T>::CLOSED,
            )
        };
        let dentry = NonNull::new(from_err_ptr(dentry)?).ok_or(ENODEV)?;
        self.dentries.push(dentry, GFP_KERNEL)?;
        Ok(self)
    }
}

impl<D> Drop for Files<D> {
    fn drop(&mut self) {
        for dentry in &self.dentries {
            // SAFETY: By the type invariants the file is there, and it is ours to remove. This
            // waits for calls in progress.
            unsafe { bindings::debugfs_remove(dentry.as_ptr()) };
        }
    }
}

/// Hands `take` what was written in one `write` of `len` bytes at `buf`, without white space around
/// it.
///
/// Errors: `EINVAL` if it has more than `MAX` bytes or is no UTF-8; `EFAULT`; those of `take`.
fn with_command<const MAX: usize>(
    buf: *const c_char,
    len: usize,
    take: impl FnOnce(&str) -> Result,
) -> Result {
    let mut command = [0u8; MAX];
    let command = command.get_mut(..len).ok_or(EINVAL)?;
    UserSlice::new(UserPtr::from_ptr(buf.cast_mut().cast()), len)
        .reader()
        .read_slice(command)?;
    let command = core::str::from_utf8(command).map_err(|_| EINVAL)?;
    take(command.trim())
}
