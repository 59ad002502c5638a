// SPDX-License-Identifier: GPL-2.0

//! Files that are written to: one short command for each `write`.

use super::{
    named::Operations,
    with_command, //
};
use crate::{
    compat,
    rights::{
        may_look,
        opener_may_look, //
    }, //
};
use core::marker::PhantomData;
use kernel::{
    bindings,
    error::from_result,
    ffi::{
        c_char,
        c_int, //
    },
    fs::LocalFile,
    prelude::*, //
};

/// What a write to the file does.
pub(crate) trait Control {
    /// The object behind the file.
    type Data: Send + Sync;

    /// Obeys `command`: what was written, without white space around it. Process context, may
    /// sleep.
    fn write(data: &Self::Data, command: &str) -> Result;
}

/// The longest command, in bytes.
const MAX_COMMAND: usize = 32;

/// The table of a [`Control`] type.
pub(super) struct Table<C>(PhantomData<C>);

impl<C: Control> Operations for Table<C> {
    const FILE: &'static bindings::file_operations = &bindings::file_operations {
        owner: compat::this_module(),
        open: Some(Self::open),
        write: Some(Self::write),
        llseek: Some(bindings::noop_llseek),
        ..pin_init::zeroed()
    };
}

impl<C: Control> Table<C> {
    /// # Safety
    ///
    /// `file` is being opened; `inode` is its inode, made by [`super::Files`] over a `C::Data`.
    unsafe extern "C" fn open(_inode: *mut bindings::inode, _file: *mut bindings::file) -> c_int {
        from_result(|| may_look().map(|()| 0))
    }

    /// # Safety
    ///
    /// `file` was opened by [`Self::open`], and is not removed meanwhile; the rest are the arguments
    /// of `write`.
    unsafe extern "C" fn write(
        file: *mut bindings::file,
        buf: *const c_char,
        len: usize,
        _pos: *mut bindings::loff_t,
    ) -> isize {
        from_result(|| {
            // SAFETY: `file` is what this task calls, so it is valid and its position is this task's.
            opener_may_look(unsafe { LocalFile::from_raw_file(file) })?;
            // SAFETY: `file` is valid, and so is its inode.
            let data = unsafe { (*(*file).f_inode).i_private };
            // SAFETY: The file is not removed during `write`, by the caller's promise, and `Files`
            // keeps the data as long.
            let data = unsafe { &*data.cast::<C::Data>() };
            with_command::<MAX_COMMAND>(buf, len, |command| C::write(data, command))?;
            Ok(len as isize)
        })
    }
}
