// SPDX-License-Identifier: GPL-2.0

//! Files with a request and a reply, as those of nfsd (`simple_transaction_get()`): a `write` is a
//! request, and what is then read from the same open file is the reply to it.

use super::{
    named::Operations,
    records,
    with_command,
    Records, //
};
use crate::rights::opener_may_look;
use core::marker::PhantomData;
use kernel::{
    bindings,
    error::from_result,
    ffi::c_char,
    fs::LocalFile,
    prelude::*, //
};

/// What an open file replies: the records are the reply to the last request.
///
/// Read again from offset 0, the records are made again.
pub(crate) trait Transaction: Records {
    /// Notes a request: what was written, without white space around it. The reply begins at record
    /// 0. After an error the request before is still the one that counts.
    ///
    /// Process context, may sleep; no `emit` is in progress.
    fn request(&mut self, command: &str) -> Result;
}

/// The longest request, in bytes.
const MAX_REQUEST: usize = 128;

/// The table of a [`Transaction`] type.
pub(super) struct Table<T>(PhantomData<T>);

impl<T: Transaction> Operations for Table<T> {
    const FILE: &'static bindings::file_operations = &bindings::file_operations {
        write: Some(Self::write),
        ..*records::Table::<T>::FILE
    };
}

impl<T: Transaction> Table<T> {
    /// # Safety
    ///
    /// `file` was opened by [`records::Table::open`]; the rest are the arguments of `write`.
    unsafe extern "C" fn write(
        file: *mut bindings::file,
        buf: *const c_char,
        len: usize,
        pos: *mut bindings::loff_t,
    ) -> isize {
        from_result(|| {
            // SAFETY: `file` is what this task calls, so it is valid and its position is this task's.
            opener_may_look(unsafe { LocalFile::from_raw_file(file) })?;
            with_command::<MAX_REQUEST>(buf, len, |command| {
                // SAFETY: `file` was opened by the table of records.
                unsafe { records::Table::<T>::restart(file, |t| t.request(command)) }
            })?;
            // The reply begins at offset 0.
            // SAFETY: `pos` is valid.
            unsafe { *pos = 0 };
            Ok(len as isize)
        })
    }
}
