// SPDX-License-Identifier: GPL-2.0

//! The same files without a name and a folder: descriptors, for those who have no debugfs.
//!
//! C header: [`include/linux/anon_inodes.h`](srctree/include/linux/anon_inodes.h)

use super::{
    named::Operations,
    records,
    transaction,
    Records,
    Transaction, //
};
use crate::ffi;
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::from_err_ptr,
    fs::{
        file::{
            flags::{
                O_CLOEXEC,
                O_RDONLY,
                O_RDWR, //
            },
            FileDescriptorReservation, //
        },
        File, //
    },
    prelude::*,
    sync::{
        aref::ARef,
        ArcBorrow, //
    }, //
};

/// What the descriptor is called in `/proc/PID/fd`.
const NAME: &CStr = c"[mmlens]";

/// An open file that has no descriptor yet. Reads and writes are checked as those of the files in
/// debugfs, against the rights of the one who made it; who makes one has passed
/// [`may_look`](crate::rights::may_look). It keeps the module.
pub(crate) struct Anonymous(ARef<File>);

impl Anonymous {
    /// One to read `R` from.
    ///
    /// Errors: those of `R::open`; `ENFILE`, `ENOMEM`.
    pub(crate) fn records<R: Records>(data: ArcBorrow<'_, R::Data>) -> Result<Self> {
        Self::create::<R>(records::Table::<R>::FILE, O_RDONLY, data)
    }

    /// One to ask and to read the reply from.
    ///
    /// Errors: the same.
    pub(crate) fn transaction<T: Transaction>(data: ArcBorrow<'_, T::Data>) -> Result<Self> {
        Self::create::<T>(transaction::Table::<T>::FILE, O_RDWR, data)
    }

    /// `fops` are one of the tables for `R`.
    fn create<R: Records>(
        fops: &'static bindings::file_operations,
        flags: u32,
        data: ArcBorrow<'_, R::Data>,
    ) -> Result<Self> {
        let records = R::open(data)?;
        // SAFETY: The name and the operations are static.
        let file = unsafe {
            ffi::mmlens_anon_inode_getfile(NAME.as_char_ptr(), fops, flags as kernel::ffi::c_int)
        };
        let file = NonNull::new(from_err_ptr(file)?).ok_or(ENOMEM)?;
        // SAFETY: The reference was just made, and nobody else has the file.
        // CAST: `File` is transparent over `file`.
        let this = Self(unsafe { ARef::from_raw(file.cast()) });
        // SAFETY: The same; the file was made without private data and with these operations.
        unsafe { records::Table::<R>::equip(file.as_ptr(), records) }?;
        Ok(this)
    }

    /// Gives it a descriptor, which an exec closes.
    ///
    /// Errors: `EMFILE`, `ENOMEM`.
    pub(crate) fn install(self) -> Result<u32> {
        let descriptor = FileDescriptorReservation::get_unused_fd_flags(O_CLOEXEC)?;
        let number = descriptor.reserved_fd();
        descriptor.fd_install(self.0);
        Ok(number)
    }
}
