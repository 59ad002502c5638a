// SPDX-License-Identifier: GPL-2.0

//! A file that is being opened, and one that is open.

use crate::vm::inode::PrivateInode;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    fs::File,
    prelude::*,
    sync::poll::{
        PollCondVar,
        PollTable, //
    },
};

/// A file that is being opened.
///
/// # Invariants
///
/// `file` is valid for `'a`, and nobody else has it yet.
pub(crate) struct NewFile<'a> {
    file: NonNull<bindings::file>,
    _lifetime: PhantomData<&'a bindings::file>,
}

impl NewFile<'_> {
    /// # Safety
    ///
    /// The type invariants hold, for the lifetime of the result.
    pub(super) unsafe fn from_raw(file: NonNull<bindings::file>) -> Self {
        // INVARIANT: The caller's promise.
        Self {
            file,
            _lifetime: PhantomData,
        }
    }

    /// Gives the file a mapping of its own. What is returned has to live as long as the file: the
    /// object that `open` returns keeps it.
    ///
    /// Errors: `ENOMEM`.
    pub(crate) fn private_inode(&self) -> Result<PrivateInode> {
        let inode = PrivateInode::new()?;
        // SAFETY: The file is valid and nobody else's, by the type invariants; nothing is mapped
        // yet.
        unsafe { (*self.file.as_ptr()).f_mapping = inode.mapping() };
        Ok(inode)
    }
}

/// A file that is polled.
///
/// # Invariants
///
/// `file` and `table` are the arguments of `poll`, valid for `'a`.
pub(crate) struct OpenFile<'a> {
    file: *mut bindings::file,
    table: PollTable<'a>,
}

impl<'a> OpenFile<'a> {
    /// # Safety
    ///
    /// The type invariants hold, for the lifetime of the result.
    pub(super) unsafe fn from_raw(
        file: *mut bindings::file,
        table: *mut bindings::poll_table,
    ) -> Self {
        // INVARIANT: The caller's promise.
        Self {
            file,
            // SAFETY: The same.
            table: unsafe { PollTable::from_raw(table) },
        }
    }

    /// Whoever polls is woken by `changed`.
    pub(crate) fn wait(&self, changed: &PollCondVar) {
        // SAFETY: The file is valid by the type invariants, and `poll` of a file that is open has a
        // count of it.
        let file = unsafe { File::from_raw_file(self.file) };
        self.table.register_wait(file, changed);
    }
}
