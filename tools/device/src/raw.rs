// SPDX-License-Identifier: GPL-2.0

//! The system calls, and all that is `unsafe`.

#![allow(unsafe_code)]

use crate::sys;
use std::{
    ffi::c_long,
    io,
    mem::size_of,
    os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd},
};

/// A struct of the header: plain numbers without padding, so that any bytes are one.
///
/// # Safety
///
/// The type is `repr(C)`, has no padding, and any bytes are a value of it.
pub(crate) unsafe trait Plain: Copy + Default {}

/// The same, and the argument of the ioctl with this number.
///
/// # Safety
///
/// As for [`Plain`]. The ioctl takes a pointer to one, and all pointers in it are set by functions of
/// this crate that own what they point to.
pub(crate) unsafe trait Argument: Plain {
    /// Sets the member `size`.
    fn set_size(&mut self, size: u32);
}

macro_rules! plain {
    ($($name:ident),+) => {
        // SAFETY: generated from the header, whose structs consist of numbers, padded by hand.
        $(unsafe impl Plain for sys::$name {})+
    };
}

macro_rules! argument {
    ($($name:ident),+) => {
        plain!($($name),+);
        // SAFETY: as above.
        $(unsafe impl Argument for sys::$name {
            fn set_size(&mut self, size: u32) {
                self.size = size;
            }
        })+
    };
}

plain!(
    mmlens_entry,
    mmlens_run,
    mmlens_table,
    mmlens_vma,
    mmlens_counts,
    mmlens_event
);
argument!(
    mmlens_info,
    mmlens_setup,
    mmlens_stats,
    mmlens_events,
    mmlens_walk,
    mmlens_query,
    mmlens_text,
    mmlens_attach,
    mmlens_machine
);

/// Calls an ioctl with `argument`, and sets its size before. A pointer in it must be that of memory
/// which is borrowed for as long as the call lasts.
pub(crate) fn ioctl<A: Argument>(
    fd: BorrowedFd<'_>,
    number: u32,
    argument: &mut A,
) -> io::Result<i32> {
    argument.set_size(size_of::<A>() as u32);
    // SAFETY: `argument` is what this ioctl takes, and of the size that it says.
    let result = unsafe { libc::ioctl(fd.as_raw_fd(), number as _, argument as *mut A) };
    if result < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(result)
}

/// Reads a struct from the start of `bytes`, if they are enough.
pub(crate) fn read<T: Plain>(bytes: &[u8]) -> Option<T> {
    let bytes = bytes.get(..size_of::<T>())?;
    // SAFETY: there are as many bytes, and any are a value.
    Some(unsafe { bytes.as_ptr().cast::<T>().read_unaligned() })
}

/// The bytes of whole words.
pub(crate) fn bytes_of(words: &[u64]) -> &[u8] {
    // SAFETY: the same memory, and bytes have no alignment.
    unsafe { std::slice::from_raw_parts(words.as_ptr().cast(), size_of_val(words)) }
}

/// A descriptor that an ioctl has returned.
pub(crate) fn owned(fd: i32) -> OwnedFd {
    // SAFETY: the kernel made it for this call.
    unsafe { OwnedFd::from_raw_fd(fd) }
}

fn new_fd(result: c_long) -> io::Result<OwnedFd> {
    match i32::try_from(result) {
        Ok(fd) if fd >= 0 => Ok(owned(fd)),
        _ => Err(io::Error::last_os_error()),
    }
}

/// A copy of descriptor `fd` of a process, by `pidfd_getfd()`.
pub fn fd_of_process(pid: i32, fd: i32) -> io::Result<OwnedFd> {
    // SAFETY: numbers only.
    let pidfd = new_fd(unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) })?;
    // SAFETY: numbers only.
    new_fd(unsafe { libc::syscall(libc::SYS_pidfd_getfd, pidfd.as_raw_fd(), fd, 0) })
}
