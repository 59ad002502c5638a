// SPDX-License-Identifier: GPL-2.0

//! Whose address space a folder shows, and what an open file of it keeps.

use crate::{
    compat,
    mm::remote::{
        address_space,
        AddressSpace,
        Pid,
        TaskInfo, //
    }, //
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

    /// The task with number `nr` in the pid namespace of the caller, or with 0 the caller.
    ///
    /// Errors: `EINVAL` for a negative number; `ESRCH` if there is no such task.
    pub(super) fn of_pid(nr: i32) -> Result<Self> {
        match nr {
            0 => Ok(Target::Current),
            1.. => Pid::find(nr).map(Target::Pid).ok_or(ESRCH),
            _ => Err(EINVAL),
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
pub(crate) struct Subject {
    /// Its names and numbers.
    pub(super) info: TaskInfo,
    space: AddressSpace,
}

impl Subject {
    /// The task with number `nr` in the pid namespace of the caller, or with 0 the caller.
    ///
    /// Errors: `EINVAL` for a negative number; `ESRCH` if there is no such task, or it has exited;
    /// `EINTR` if the caller is being killed.
    pub(crate) fn of_pid(nr: i32) -> Result<Self> {
        Target::of_pid(nr)?.subject()
    }

    /// The same, for whoever wants user memory and may have seen it before: `space` is 0, or what
    /// [`space`](Self::space) was then.
    ///
    /// Errors: those, `ENODATA` if it is a kernel thread, `ESTALE` if the process has another address
    /// space since.
    pub(crate) fn with_memory(nr: i32, space: u64) -> Result<Self> {
        let subject = Self::of_pid(nr)?;
        match subject.space() {
            0 => Err(compat::enodata()),
            now if space != 0 && space != now => Err(compat::estale()),
            _ => Ok(subject),
        }
    }

    /// A number that no other address space has or had, since the machine was started: an exec makes
    /// a new one. 0 if it is a kernel thread.
    pub(crate) fn space(&self) -> u64 {
        match self.space {
            AddressSpace::User(_, number) => number,
            AddressSpace::KernelThread => 0,
        }
    }

    /// Its memory, or `None` if it is a kernel thread or its memory is gone.
    ///
    /// Dropping the result may run the `close` of any VMA: do it with no lock held.
    pub(super) fn memory(&self) -> Option<ARef<MmWithUser>> {
        match &self.space {
            AddressSpace::User(mm, _) => mm.mmget_not_zero(),
            AddressSpace::KernelThread => None,
        }
    }

    /// Whether it is a kernel thread.
    pub(super) fn is_kernel_thread(&self) -> bool {
        matches!(self.space, AddressSpace::KernelThread)
    }
}
