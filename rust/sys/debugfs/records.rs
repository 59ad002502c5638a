// SPDX-License-Identifier: GPL-2.0

//! Files that are read: records over `seq_file`.
//!
//! Memory is constant however long the file is, and nothing is held between two records: no lock,
//! no reference but those in `R` itself.

use super::named::Operations;
use crate::{
    compat,
    ffi,
    rights::{
        may_look,
        opener_may_look, //
    },
    sys::seq::SeqWriter, //
};
use core::marker::PhantomData;
use kernel::{
    bindings,
    error::{
        from_result,
        to_result, //
    },
    ffi::{
        c_char,
        c_int,
        c_void, //
    },
    fs::LocalFile,
    prelude::*,
    sync::ArcBorrow,
    types::NotThreadSafe, //
};

/// The text of a file, as a series of records.
///
/// The state is of one open file.
pub(crate) trait Records: Sized + Send {
    /// The object behind the file.
    type Data: Send + Sync;

    /// The file is being opened. Process context, may sleep; the rights of the caller were checked.
    fn open(data: ArcBorrow<'_, Self::Data>) -> Result<Self>;

    /// A `read` begins: what was kept from an earlier one may be old.
    fn begin(&mut self) {}

    /// Writes the record at `pos`, and returns the position of the next one, or `None` if this is
    /// the last.
    ///
    /// The first record is at 0; other positions are the implementor's to choose, below `i64::MAX`.
    /// A record that does not fit is asked for again with a larger buffer, so nothing may depend on
    /// an earlier call. A record may be empty.
    ///
    /// Process context, may sleep.
    fn emit(&mut self, pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>>;
}

/// The position after the last record.
const END: bindings::loff_t = bindings::loff_t::MAX;

/// What an open file keeps: `seq_file.private`.
struct Cursor<R> {
    records: R,
    next: bindings::loff_t,
}

/// The tables of a [`Records`] type.
pub(super) struct Table<R>(PhantomData<R>);

impl<R: Records> Operations for Table<R> {
    const FILE: &'static bindings::file_operations = &bindings::file_operations {
        owner: compat::this_module(),
        open: Some(Self::open),
        read: Some(Self::read),
        llseek: Some(bindings::seq_lseek),
        release: Some(Self::release),
        ..pin_init::zeroed()
    };
}

impl<R: Records> Table<R> {
    const SEQ: &'static bindings::seq_operations = &bindings::seq_operations {
        start: Some(Self::start),
        stop: Some(Self::stop),
        next: Some(Self::next),
        show: Some(Self::show),
    };

    /// # Safety
    ///
    /// `file` is being opened; `inode` is its inode, made by [`super::Files`] over an `R::Data`.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        from_result(|| {
            may_look()?;
            // SAFETY: `inode` is valid.
            let data = unsafe { (*inode).i_private };
            // SAFETY: `Files` put the pointer of an `Arc` there, which it keeps as long as the
            // file; and debugfs keeps the file from being removed during `open`.
            let data = unsafe { ArcBorrow::from_raw(data.cast::<R::Data>().cast_const()) };
            // SAFETY: `file` is being opened.
            unsafe { Self::equip(file, R::open(data)?) }?;
            Ok(0)
        })
    }

    /// Makes `file` a seq file that shows `records`.
    ///
    /// # Safety
    ///
    /// Nobody else has `file`, its `private_data` is null, and this module's operations are its.
    pub(super) unsafe fn equip(file: *mut bindings::file, records: R) -> Result {
        let cursor = KBox::new(Cursor { records, next: 0 }, GFP_KERNEL)?;
        // SAFETY: The caller's promise; the operations are static.
        to_result(unsafe { bindings::seq_open(file, Self::SEQ) })?;
        // SAFETY: `seq_open` just put a seq file there.
        let m = unsafe { (*file).private_data }.cast::<bindings::seq_file>();
        // SAFETY: The same; it is not shared yet.
        unsafe { (*m).private = KBox::into_raw(cursor).cast::<c_void>() };
        Ok(())
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
        // SAFETY: `file` is what this task calls, so it is valid and its position is this task's.
        if let Err(error) = opener_may_look(unsafe { LocalFile::from_raw_file(file) }) {
            return error.to_errno() as isize;
        }
        // SAFETY: `file` is a seq file, and the arguments are those of `read`.
        unsafe { bindings::seq_read(file, buf, len, pos) }
    }

    /// # Safety
    ///
    /// `file` was opened by [`Self::open`], or is one for [`Self::equip`]; this is called once.
    unsafe extern "C" fn release(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: `file` is valid.
        let m = unsafe { (*file).private_data }.cast::<bindings::seq_file>();
        if m.is_null() {
            // `equip` failed.
            return 0;
        }
        // SAFETY: `equip` put the cursor there, and nobody else has the file any more.
        drop(unsafe { KBox::from_raw((*m).private.cast::<Cursor<R>>()) });
        // SAFETY: `file` is a seq file.
        unsafe { bindings::seq_release(inode, file) }
    }

    /// Gives `change` the state of an open file, and has the next read begin at the first record
    /// if it succeeds. Not while a read is in progress: sleeps until it has ended.
    ///
    /// Errors: `EINTR` if this task is being killed; those of `change`.
    ///
    /// # Safety
    ///
    /// `file` was opened by [`Self::open`].
    pub(super) unsafe fn restart(
        file: *mut bindings::file,
        change: impl FnOnce(&mut R) -> Result,
    ) -> Result {
        // SAFETY: `equip` made it a seq file.
        let m = unsafe { (*file).private_data }.cast::<bindings::seq_file>();
        // SAFETY: `m` is valid as long as the file is open.
        let _lock = unsafe { SeqLock::lock(m) }?;
        // SAFETY: The lock is held.
        change(&mut unsafe { Self::cursor(m) }.records)?;
        // What was made for the last reader is of no use any more: a read from the start makes it
        // anew, and one from anywhere else too, if it is not where the last one ended
        // (`seq_read_iter()`).
        // SAFETY: The lock is held, which this field is under. (Not the lock itself: another task
        // may be waiting for it, so there is no `&mut` to the whole.)
        unsafe { (*m).read_pos = 0 };
        Ok(())
    }

    /// # Safety
    ///
    /// `m` is the seq file of an open file, and its lock is held.
    unsafe fn cursor<'a>(m: *mut bindings::seq_file) -> &'a mut Cursor<R> {
        // SAFETY: `equip` put the cursor there; the lock makes the access exclusive.
        unsafe { &mut *(*m).private.cast::<Cursor<R>>() }
    }

    /// # Safety
    ///
    /// Called by `seq_file`, with its lock held; `pos` is `m->index`.
    unsafe extern "C" fn start(
        m: *mut bindings::seq_file,
        pos: *mut bindings::loff_t,
    ) -> *mut c_void {
        // SAFETY: The lock is held.
        unsafe { Self::cursor(m) }.records.begin();
        // SAFETY: Both are valid.
        unsafe { Self::token(m, pos) }
    }

    /// What stands for the record at `pos`.
    ///
    /// # Safety
    ///
    /// `pos` is valid.
    unsafe fn token(m: *mut bindings::seq_file, pos: *mut bindings::loff_t) -> *mut c_void {
        // SAFETY: The caller's promise.
        if unsafe { *pos } == END {
            core::ptr::null_mut()
        } else {
            // Any pointer that is not null: the record is named by the position.
            m.cast()
        }
    }

    /// # Safety
    ///
    /// Called by `seq_file`, with its lock held, after `show`.
    unsafe extern "C" fn next(
        m: *mut bindings::seq_file,
        _v: *mut c_void,
        pos: *mut bindings::loff_t,
    ) -> *mut c_void {
        // SAFETY: The lock is held.
        let next = unsafe { Self::cursor(m) }.next;
        // SAFETY: `pos` is valid.
        unsafe { *pos = next };
        // SAFETY: The same.
        unsafe { Self::token(m, pos) }
    }

    extern "C" fn stop(_m: *mut bindings::seq_file, _v: *mut c_void) {
        // Nothing is held.
    }

    /// # Safety
    ///
    /// Called by `seq_file`, with its lock held.
    unsafe extern "C" fn show(m: *mut bindings::seq_file, _v: *mut c_void) -> c_int {
        // SAFETY: `m` is valid and locked.
        let pos = unsafe { (*m).index };
        // SAFETY: `m` is valid and this task's, for its lock is held.
        let mut out = unsafe { SeqWriter::from_raw(m) };
        // SAFETY: The lock is held.
        let cursor = unsafe { Self::cursor(m) };
        let result = cursor.records.emit(pos.unsigned_abs(), &mut out);
        if out.has_overflowed() {
            // Asked for again, with a larger buffer.
            return 0;
        }
        match result {
            Ok(next) => {
                cursor.next = next.and_then(|n| n.try_into().ok()).unwrap_or(END);
                0
            }
            Err(error) => error.to_errno(),
        }
    }
}

/// The lock of a seq file, which its reads take.
///
/// # Invariants
///
/// `m` is valid, and this task holds its lock.
struct SeqLock {
    m: *mut bindings::seq_file,
    _nts: NotThreadSafe,
}

impl SeqLock {
    /// Errors: `EINTR` if this task is being killed.
    ///
    /// # Safety
    ///
    /// `m` is valid as long as the result is there.
    unsafe fn lock(m: *mut bindings::seq_file) -> Result<Self> {
        // SAFETY: `m` is valid.
        to_result(unsafe { ffi::mmlens_mutex_lock_killable(&raw mut (*m).lock) })?;
        // INVARIANT: Just taken.
        Ok(Self {
            m,
            _nts: NotThreadSafe,
        })
    }
}

impl Drop for SeqLock {
    fn drop(&mut self) {
        // SAFETY: Held, by the type invariants.
        unsafe { bindings::mutex_unlock(&raw mut (*self.m).lock) };
    }
}
