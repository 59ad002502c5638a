// SPDX-License-Identifier: GPL-2.0

//! The files of debugfs as descriptors, without debugfs.

use super::{
    buffers::Buffers,
    layout::Layout,
    mm::Fields,
    pagetable::{
        self,
        Entries,
        Runs, //
    },
    query::Query,
    shared,
    summary::Summary,
    system::{
        self,
        Kernel, //
    },
    target::Target,
    user_pgd::UserPgd,
    vmas::Vmas, //
};
use crate::{
    ffi::uapi::{
        MMLENS_TEXT_BUFFERS,
        MMLENS_TEXT_ENTRIES,
        MMLENS_TEXT_KERNEL_LAYOUT,
        MMLENS_TEXT_KERNEL_OWN,
        MMLENS_TEXT_KERNEL_PAGETABLE,
        MMLENS_TEXT_KERNEL_REGISTERS,
        MMLENS_TEXT_LAYOUT,
        MMLENS_TEXT_MM,
        MMLENS_TEXT_PAGETABLE,
        MMLENS_TEXT_QUERY,
        MMLENS_TEXT_SUMMARY,
        MMLENS_TEXT_USER_PGD,
        MMLENS_TEXT_VMAS, //
    },
    rights::may_look,
    sys::{
        debugfs::{
            Anonymous,
            Records, //
        },
        params, //
    }, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Opens the file `what` (`MMLENS_TEXT_*`) of the process `pid`, or with 0 of the caller, and returns
/// its descriptor.
///
/// Errors: `EINVAL` for another number, a negative pid, or one with a file of no process; `ESRCH`;
/// `ENOENT` for the tables of the kernel if they are not to be shown; those of [`may_look`] and of
/// opening the file.
pub(crate) fn open(what: u32, pid: i32) -> Result<u32> {
    may_look()?;
    let file = match what {
        MMLENS_TEXT_MM => of_process::<Fields>(pid),
        MMLENS_TEXT_VMAS => of_process::<Vmas>(pid),
        MMLENS_TEXT_SUMMARY => of_process::<Summary>(pid),
        MMLENS_TEXT_LAYOUT => of_process::<Layout>(pid),
        MMLENS_TEXT_PAGETABLE => of_process::<pagetable::Dump<Runs>>(pid),
        MMLENS_TEXT_ENTRIES => of_process::<pagetable::Dump<Entries>>(pid),
        MMLENS_TEXT_USER_PGD => of_process::<UserPgd>(pid),
        MMLENS_TEXT_QUERY => Anonymous::transaction::<Query>(target(pid)?.as_arc_borrow()),
        MMLENS_TEXT_KERNEL_LAYOUT => of_kernel::<system::Layout>(pid),
        MMLENS_TEXT_KERNEL_REGISTERS => of_kernel::<system::Registers>(pid),
        MMLENS_TEXT_KERNEL_OWN => of_kernel::<system::OwnDump>(pid),
        MMLENS_TEXT_KERNEL_PAGETABLE if !params::kernel_walk() => Err(ENOENT),
        MMLENS_TEXT_KERNEL_PAGETABLE => of_kernel::<system::Dump>(pid),
        MMLENS_TEXT_BUFFERS => {
            no_process(pid)?;
            Anonymous::records::<Buffers>(Arc::new((), GFP_KERNEL)?.as_arc_borrow())
        }
        _ => Err(EINVAL),
    };
    file?.install()
}

fn target(pid: i32) -> Result<Arc<Target>> {
    Ok(Arc::new(Target::of_pid(pid)?, GFP_KERNEL)?)
}

fn of_process<R: Records<Data = Target>>(pid: i32) -> Result<Anonymous> {
    Anonymous::records::<R>(target(pid)?.as_arc_borrow())
}

fn of_kernel<R: Records<Data = Kernel>>(pid: i32) -> Result<Anonymous> {
    no_process(pid)?;
    let kernel = shared::lock()?.as_ref().map(|shared| shared.kernel.clone());
    Anonymous::records::<R>(kernel.ok_or(EAGAIN)?.as_arc_borrow())
}

fn no_process(pid: i32) -> Result {
    match pid {
        0 => Ok(()),
        _ => Err(EINVAL),
    }
}
