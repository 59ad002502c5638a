// SPDX-License-Identifier: GPL-2.0

//! Whose address space a folder shows, and what an open file of it keeps.

use crate::mm::remote::{
    address_space,
    AddressSpace,
    Pid,
    TaskInfo, //
};
use kernel::{
    current,
    mm::MmWithUser,
    prelude::*,
    sync::aref::ARef,
    task::Task, //
};

/// Whose address space a folder shows.
pub(super) enum Target {
    /// That of the task that opens the file.
    Current,
    /// That of a task that was attached.
    Pid(Pid),
}

impl Target {
    /// The pid, if the target is always the same.
    pub(super) fn pid(&self) -> Option<&Pid> {
        match self {
            Target::Current => None,
            Target::Pid(pid) => Some(pid),
        }
    }

    /// What it is now, for an open file to keep.
    ///
    /// Errors: `ESRCH` if the task has exited; `EINTR` if the caller is being killed.
    pub(super) fn subject(&self) -> Result<Subject> {
        let task: ARef<Task> = match self {
            Target::Current => ARef::from(&**current!()),
            Target::Pid(pid) => pid.task().ok_or(ESRCH)?,
        };
        Ok(Subject {
            space: address_space(&task)?,
            info: TaskInfo::read(&task),
        })
    }
}

/// A task as it was when the file was opened: an exec afterwards does not change what the file
/// shows.
pub(super) struct Subject {
    /// Its names and numbers.
    pub(super) info: TaskInfo,
    space: AddressSpace,
}

impl Subject {
    /// Its memory, or `None` if it is a kernel thread or its memory is gone.
    ///
    /// Dropping the result may run the `close` of any VMA: do it with no lock held.
    pub(super) fn memory(&self) -> Option<ARef<MmWithUser>> {
        match &self.space {
            AddressSpace::User(mm) => mm.mmget_not_zero(),
            AddressSpace::KernelThread => None,
        }
    }

    /// Whether it is a kernel thread.
    pub(super) fn is_kernel_thread(&self) -> bool {
        matches!(self.space, AddressSpace::KernelThread)
    }
}
