// SPDX-License-Identifier: GPL-2.0

//! The ioctls of `/dev/mmlens`: decoding and answers.
//!
//! The numbers and structs are in `uapi/mmlens.h`, the rules of their sizes in [`super::uapi`].

use super::{
    buffer::Buffer,
    uapi::Request, //
};
use crate::ffi::uapi::{
    mmlens_info,
    mmlens_stats,
    MMLENS_BACKING_NONE,
    MMLENS_BACKING_VMALLOC,
    MMLENS_IOC_MAGIC, //
};
use kernel::{
    ioctl::{
        _IOC_NR,
        _IOC_SIZE,
        _IOC_TYPE, //
    },
    page::PAGE_SIZE,
    prelude::*,
};

const NR_INFO: u32 = 0x00;
const NR_STATS: u32 = 0x01;

/// Carries out an ioctl.
///
/// The number is recognised without the size in it, which differs between versions of a struct.
///
/// Errors: `ENOTTY` for a number that is not ours; `EINVAL` for a size below the first version or a
/// reserved member that is not zero; `E2BIG` for a larger struct with something in what we do not
/// know; `EFAULT`.
pub(crate) fn dispatch(buffer: &Buffer, cmd: u32, arg: usize) -> Result<isize> {
    if _IOC_TYPE(cmd) != MMLENS_IOC_MAGIC {
        return Err(ENOTTY);
    }
    match _IOC_NR(cmd) {
        NR_INFO => info(buffer, Request::from_user(arg, _IOC_SIZE(cmd))?)?,
        NR_STATS => stats(buffer, Request::from_user(arg, _IOC_SIZE(cmd))?)?,
        _ => return Err(ENOTTY),
    }
    Ok(0)
}

fn info(buffer: &Buffer, request: Request<mmlens_info>) -> Result {
    if request.value().reserved != 0 {
        return Err(EINVAL);
    }
    request.answer(|size| mmlens_info {
        size,
        backing: match buffer.memory() {
            Some(_) => MMLENS_BACKING_VMALLOC,
            None => MMLENS_BACKING_NONE,
        },
        bytes: buffer.bytes(),
        mappings: buffer.stats.mappings(),
        max_bytes: Buffer::max_bytes(),
        page_size: PAGE_SIZE as u32,
        reserved: 0,
    })
}

fn stats(buffer: &Buffer, request: Request<mmlens_stats>) -> Result {
    if request.value().reserved != 0 {
        return Err(EINVAL);
    }
    let stats = &buffer.stats;
    request.answer(|size| mmlens_stats {
        size,
        reserved: 0,
        mmap: stats.mmap.get(),
        open: stats.open.get(),
        close: stats.close.get(),
        fault: stats.fault.get(),
        fault_refused: stats.fault_refused.get(),
        page_mkwrite: stats.page_mkwrite.get(),
    })
}
