// SPDX-License-Identifier: GPL-2.0

//! The table of a [`FileOperations`] type, and the functions in it: each lifts its pointers, calls
//! the trait, maps the result, and does nothing else.

use super::{
    FileOperations,
    NewFile,
    OpenFile, //
};
use crate::{
    compat,
    sys::seq::SeqWriter,
    vm::{
        if_has,
        vma::NewVma, //
    },
};
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings,
    error::from_result,
    ffi::{
        c_int,
        c_long,
        c_uint,
        c_ulong, //
    },
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
    types::ForeignOwnable, //
};

/// The table of a [`FileOperations`] type.
pub(super) struct FileOperationsTable<T>(PhantomData<T>);

impl<T: FileOperations> FileOperationsTable<T> {
    pub(super) const TABLE: &'static bindings::file_operations = &bindings::file_operations {
        owner: compat::this_module(),
        open: Some(Self::open),
        release: Some(Self::release),
        mmap: if_has!(T::HAS_MMAP, Self::mmap),
        get_unmapped_area: if_has!(T::HAS_WANTS_HUGE, Self::get_unmapped_area),
        unlocked_ioctl: if_has!(T::HAS_IOCTL, Self::ioctl),
        #[cfg(CONFIG_COMPAT)]
        compat_ioctl: if T::HAS_IOCTL {
            bindings::compat_ptr_ioctl
        } else {
            None
        },
        read_iter: if_has!(T::HAS_READ, Self::read_iter),
        splice_read: if_has!(T::HAS_READ, bindings::copy_splice_read),
        write_iter: if_has!(T::HAS_WRITE, Self::write_iter),
        splice_write: if_has!(T::HAS_WRITE, bindings::iter_file_splice_write),
        llseek: if_has!(T::HAS_SIZE, Self::llseek),
        poll: if_has!(T::HAS_POLL, Self::poll),
        fsync: if_has!(T::HAS_FSYNC, Self::fsync),
        show_fdinfo: if_has!(T::HAS_SHOW_FDINFO, Self::show_fdinfo),
        ..pin_init::zeroed()
    };

    /// The object behind an open file.
    ///
    /// # Safety
    ///
    /// `file` was opened by [`Self::open`] and is not released during `'a`.
    unsafe fn object<'a>(file: *mut bindings::file) -> ArcBorrow<'a, T> {
        // SAFETY: `file` is valid, and the field is not written after `open`.
        let object = unsafe { (*file).private_data };
        // SAFETY: `open` put an `Arc<T>` there, and only `release` takes it.
        unsafe { Arc::<T>::borrow(object) }
    }

    /// # Safety
    ///
    /// `file` is being opened.
    unsafe extern "C" fn open(inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: Both are valid while the file is being opened.
        let ret = unsafe { bindings::generic_file_open(inode, file) };
        if ret != 0 {
            return ret;
        }
        from_result(|| {
            let file = NonNull::new(file).ok_or(EINVAL)?;
            // SAFETY: Nobody else has the file while it is being opened.
            let object = T::open(&unsafe { NewFile::from_raw(file) })?;
            // SAFETY: The file is not shared yet; `misc_open()` left its own pointer there, which
            // nobody needs.
            unsafe { (*file.as_ptr()).private_data = object.into_foreign() };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `file` was opened by [`Self::open`]; this is called once.
    unsafe extern "C" fn release(_inode: *mut bindings::inode, file: *mut bindings::file) -> c_int {
        // SAFETY: `file` is valid, and nobody else has it any more.
        let object = unsafe { (*file).private_data };
        // SAFETY: The file owns this reference.
        T::release(unsafe { Arc::<T>::from_foreign(object) });
        0
    }

    /// # Safety
    ///
    /// `file` was opened by [`Self::open`], `vma` is being set up for a mapping of it.
    unsafe extern "C" fn mmap(
        file: *mut bindings::file,
        vma: *mut bindings::vm_area_struct,
    ) -> c_int {
        from_result(|| {
            // SAFETY: The file is not released during its `mmap`.
            let object = unsafe { Self::object(file) };
            let new = NonNull::new(vma).ok_or(EINVAL)?;
            // SAFETY: The VMA is being set up by this task, which holds the mmap lock.
            let mapped = T::mmap(object, unsafe { NewVma::from_raw(new) })?;
            // SAFETY: The VMA is the one that was passed to `mmap`.
            unsafe { mapped.install(vma) };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// `file` was opened by [`Self::open`]; the rest are the arguments of `get_unmapped_area`.
    unsafe extern "C" fn get_unmapped_area(
        file: *mut bindings::file,
        addr: c_ulong,
        len: c_ulong,
        pgoff: c_ulong,
        flags: c_ulong,
    ) -> c_ulong {
        // SAFETY: The file is not released during its `mmap`.
        let object = unsafe { Self::object(file) };
        // SAFETY: The caller's promise.
        unsafe { compat::unmapped_area(object.wants_huge(), file, addr, len, pgoff, flags) }
    }

    /// # Safety
    ///
    /// `file` was opened by [`Self::open`].
    unsafe extern "C" fn ioctl(file: *mut bindings::file, cmd: c_uint, arg: c_ulong) -> c_long {
        // SAFETY: The file is not released during its `ioctl`.
        let object = unsafe { Self::object(file) };
        match T::ioctl(object, cmd, arg) {
            Ok(ret) => ret as c_long,
            Err(error) => error.to_errno() as c_long,
        }
    }

    /// # Safety
    ///
    /// `kiocb` is of a file that was opened by [`Self::open`], `iter` is a buffer to read to.
    unsafe extern "C" fn read_iter(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: `kiocb` is valid.
        let object = unsafe { Self::object((*kiocb).ki_filp) };
        from_result(|| {
            // SAFETY: `kiocb` is valid, and this call's alone.
            let pos = unsafe { (*kiocb).ki_pos };
            // SAFETY: `iter` is valid during this call, and to be written to.
            let done = object.read(u64::try_from(pos)?, unsafe { IovIterDest::from_raw(iter) })?;
            // SAFETY: As above.
            unsafe { (*kiocb).ki_pos = pos + done as bindings::loff_t };
            Ok(done as isize)
        })
    }

    /// # Safety
    ///
    /// `kiocb` is of a file that was opened by [`Self::open`], `iter` is a buffer to write from.
    unsafe extern "C" fn write_iter(
        kiocb: *mut bindings::kiocb,
        iter: *mut bindings::iov_iter,
    ) -> isize {
        // SAFETY: `kiocb` is valid.
        let object = unsafe { Self::object((*kiocb).ki_filp) };
        from_result(|| {
            // SAFETY: `kiocb` is valid, and this call's alone.
            let pos = unsafe { (*kiocb).ki_pos };
            // SAFETY: `iter` is valid during this call, and to be read from.
            let done = object.write(u64::try_from(pos)?, unsafe {
                IovIterSource::from_raw(iter)
            })?;
            // SAFETY: As above.
            unsafe { (*kiocb).ki_pos = pos + done as bindings::loff_t };
            Ok(done as isize)
        })
    }

    /// # Safety
    ///
    /// `file` was opened by [`Self::open`].
    unsafe extern "C" fn llseek(
        file: *mut bindings::file,
        offset: bindings::loff_t,
        whence: c_int,
    ) -> bindings::loff_t {
        // SAFETY: The file is not released during its `llseek`.
        let object = unsafe { Self::object(file) };
        let size = object.size();
        let end = bindings::loff_t::try_from(size).unwrap_or(bindings::loff_t::MAX);
        let is_data = whence as u32 == bindings::SEEK_DATA;
        if is_data || whence as u32 == bindings::SEEK_HOLE {
            return from_result(|| {
                let offset = u64::try_from(offset).map_err(|_| ENXIO)?;
                if offset >= size {
                    return Err(ENXIO);
                }
                let found = object.next_place(offset, is_data).min(size);
                if is_data && found >= size {
                    return Err(ENXIO);
                }
                let found = bindings::loff_t::try_from(found)?;
                // SAFETY: The file is open.
                Ok(unsafe { bindings::vfs_setpos(file, found, end) })
            });
        }
        // SAFETY: The file is open.
        unsafe { bindings::generic_file_llseek_size(file, offset, whence, end, end) }
    }

    /// # Safety
    ///
    /// `file` was opened by [`Self::open`], `table` is null or the table of a poll.
    unsafe extern "C" fn poll(
        file: *mut bindings::file,
        table: *mut bindings::poll_table,
    ) -> bindings::__poll_t {
        // SAFETY: The file is not released while it is polled.
        let object = unsafe { Self::object(file) };
        // SAFETY: Both are valid during this call.
        object.poll(&unsafe { OpenFile::from_raw(file, table) })
    }

    /// # Safety
    ///
    /// `file` was opened by [`Self::open`].
    unsafe extern "C" fn fsync(
        file: *mut bindings::file,
        _start: bindings::loff_t,
        _end: bindings::loff_t,
        _datasync: c_int,
    ) -> c_int {
        // SAFETY: The file is not released during its `fsync`.
        let object = unsafe { Self::object(file) };
        from_result(|| object.fsync().map(|()| 0))
    }

    /// # Safety
    ///
    /// `file` was opened by [`Self::open`]; `m` is a seq file that this task may write to.
    unsafe extern "C" fn show_fdinfo(m: *mut bindings::seq_file, file: *mut bindings::file) {
        // SAFETY: The file is not released while its descriptor is shown.
        let object = unsafe { Self::object(file) };
        // SAFETY: The caller's promise.
        let mut out = unsafe { SeqWriter::from_raw(m) };
        object.show_fdinfo(&mut out);
    }
}
