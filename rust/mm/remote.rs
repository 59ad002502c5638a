// SPDX-License-Identifier: GPL-2.0

//! From a pid to an address space.
//!
//! C headers: [`include/linux/pid.h`](srctree/include/linux/pid.h),
//! [`include/linux/sched/mm.h`](srctree/include/linux/sched/mm.h)

use crate::{
    ffi,
    sys::seq::KernelAddress, //
};
use core::ptr::NonNull;
use kernel::{
    bindings,
    error::to_result,
    mm::{
        Mm,
        MmWithUser, //
    },
    prelude::*,
    sync::aref::ARef,
    task::Task, //
};

/// A counted reference to a `struct pid`: the name of a task that no later task with the same
/// number has.
///
/// # Invariants
///
/// Owns one reference to `pid`.
pub(crate) struct Pid {
    pid: NonNull<bindings::pid>,
}

// SAFETY: The count is atomic, and what we read is constant.
unsafe impl Send for Pid {}
// SAFETY: The same.
unsafe impl Sync for Pid {}

impl Pid {
    /// The pid with number `nr` in the pid namespace of the caller.
    pub(crate) fn find(nr: i32) -> Option<Self> {
        // SAFETY: May be called with any number.
        let pid = NonNull::new(unsafe { bindings::find_get_pid(nr) })?;
        // INVARIANT: The reference was just taken.
        Some(Self { pid })
    }

    /// The task, unless it has been reaped.
    pub(crate) fn task(&self) -> Option<ARef<Task>> {
        // SAFETY: `pid` is valid by the type invariants.
        let task =
            unsafe { bindings::get_pid_task(self.pid.as_ptr(), bindings::pid_type_PIDTYPE_PID) };
        // SAFETY: The reference was just taken, and goes to the result.
        // CAST: `Task` is transparent over `task_struct`.
        NonNull::new(task).map(|task| unsafe { ARef::from_raw(task.cast()) })
    }

    /// The number in the pid namespace of the caller, 0 if it has none there. It stays when the
    /// task is gone.
    pub(crate) fn vnr(&self) -> i32 {
        // SAFETY: `pid` is valid by the type invariants.
        unsafe { bindings::pid_vnr(self.pid.as_ptr()) }
    }

    /// The number in the initial pid namespace, where every task has a number and no two the same.
    pub(crate) fn nr(&self) -> i32 {
        // SAFETY: `pid` is valid, the namespace is static.
        unsafe { bindings::pid_nr_ns(self.pid.as_ptr(), &raw mut bindings::init_pid_ns) }
    }
}

impl Clone for Pid {
    fn clone(&self) -> Self {
        // SAFETY: `pid` is valid by the type invariants.
        unsafe { ffi::mmlens_get_pid(self.pid.as_ptr()) };
        // INVARIANT: The reference was just taken.
        Self { pid: self.pid }
    }
}

impl PartialEq for Pid {
    fn eq(&self, other: &Self) -> bool {
        self.pid == other.pid
    }
}

impl Drop for Pid {
    fn drop(&mut self) {
        // SAFETY: `self` owns a reference.
        unsafe { bindings::put_pid(self.pid.as_ptr()) };
    }
}

/// What a task has for an address space.
pub(crate) enum AddressSpace {
    /// A user process. `mm_count` is held, not `mm_users`: the memory may go away while we hold
    /// this. With the number of this address space, see [`number`].
    User(ARef<Mm>, u64),
    /// A kernel thread: none, it runs on whatever was there before.
    KernelThread,
}

/// The address space of `task`.
///
/// Errors: `ESRCH` if the task has exited and given up its memory; `EINTR` if the caller is being
/// killed.
pub(crate) fn address_space(task: &Task) -> Result<AddressSpace> {
    let task = task.as_ptr();
    if is_kernel_thread(task) {
        return Ok(AddressSpace::KernelThread);
    }
    // An exec changes the mm and the rights to it in one step for those who hold this
    // (`mm_access()`, kernel/fork.c).
    // SAFETY: The signal struct lives as long as the task struct.
    let lock = unsafe { &raw mut (*(*task).signal).exec_update_lock };
    // SAFETY: The lock is initialised, and we may sleep.
    to_result(unsafe { bindings::down_read_killable(lock) })?;
    // SAFETY: `task` is valid.
    let mm = unsafe { bindings::get_task_mm(task) };
    let number = number(task);
    // SAFETY: Taken above.
    unsafe { bindings::up_read(lock) };

    let mm = NonNull::new(mm).ok_or(ESRCH)?;
    // SAFETY: `get_task_mm` took a reference of this kind, which goes to the result.
    // CAST: `MmWithUser` is transparent over `mm_struct`.
    let mm: ARef<MmWithUser> = unsafe { ARef::from_raw(mm.cast()) };
    Ok(AddressSpace::User(ARef::<Mm>::from(&**mm), number))
}

/// A number for what `task`, a user process, has between two execs: no other process has it or had
/// it, and it is not 0.
///
/// It is made of the number that pidfds of the process have, which is never used again (`pid->ino`),
/// turned by more bits than a count of execs gets to, and that count. To be called with
/// `exec_update_lock` held, so that it belongs to the memory.
fn number(task: *mut bindings::task_struct) -> u64 {
    // SAFETY: `task` is valid.
    let ino = unsafe { ffi::mmlens_task_tgid_ino(task) };
    // SAFETY: `task` is valid; the threads of a process all have the same.
    let execs = unsafe { (&raw const (*task).self_exec_id).read_volatile() };
    (ino.rotate_left(24) ^ execs).max(1)
}

/// What a task has for memory, at a glance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// A user process with memory.
    User,
    /// A kernel thread.
    Kernel,
    /// A process that has exited and given up its memory.
    Exited,
}

/// Facts of a task for people.
pub(crate) struct TaskInfo {
    /// Thread id, in the initial pid namespace.
    pub(crate) pid: i32,
    /// Process id, in the initial pid namespace.
    pub(crate) tgid: i32,
    /// Process id of the parent, in the initial pid namespace; 0 if it has none.
    pub(crate) ppid: i32,
    /// Threads of the process; 0 if it has exited.
    pub(crate) threads: i32,
    /// Whether there is memory to look at.
    pub(crate) state: State,
    /// `task->comm`, padded with zeros.
    comm: [u8; bindings::TASK_COMM_LEN as usize],
    /// `task->mm`. That of a kernel thread is lent to it (`kthread_use_mm()`), and else null.
    pub(crate) mm: KernelAddress,
    /// Whether exec chose random places (`PF_RANDOMIZE`).
    pub(crate) is_randomized: bool,
    /// `RLIMIT_STACK`, in bytes.
    pub(crate) stack_limit: u64,
    /// `task->active_mm`, borrowed if the task is a kernel thread.
    pub(crate) active_mm: KernelAddress,
}

/// Whether `task`, which the caller has a reference to, has the flag `PF_*`.
fn has_flag(task: *mut bindings::task_struct, flag: u32) -> bool {
    // SAFETY: `task` is valid; other flags of the word may be changing.
    let flags = unsafe { (&raw const (*task).flags).read_volatile() };
    flags & flag != 0
}

/// Whether `task`, which the caller has a reference to, is a kernel thread. It is one for life.
fn is_kernel_thread(task: *mut bindings::task_struct) -> bool {
    has_flag(task, bindings::PF_KTHREAD)
}

impl TaskInfo {
    /// Reads the facts of `task`. The name may be torn if it changes just now.
    pub(crate) fn read(task: &Task) -> Self {
        let mut comm = [0u8; bindings::TASK_COMM_LEN as usize];
        let task = task.as_ptr();
        // SAFETY: `task` is valid and the array is as long as the function expects.
        unsafe { ffi::mmlens_get_task_comm(comm.as_mut_ptr().cast(), task) };
        // SAFETY: `task` is valid, and this never changes.
        let pid = unsafe { (*task).pid };
        // SAFETY: The same.
        let tgid = unsafe { (*task).tgid };
        // SAFETY: The signal struct lives as long as the task struct.
        let threads = unsafe { (&raw const (*(*task).signal).nr_threads).read_volatile() };
        // SAFETY: `task` is valid. Of one that was reaped the parent is not looked at.
        let ppid = unsafe { ffi::mmlens_task_ppid_nr(task) };
        // SAFETY: `task` is valid; it may be changing the field. The pointer is not followed.
        let mm = unsafe { (&raw const (*task).mm).read_volatile() };
        // SAFETY: The same.
        let active_mm = unsafe { (&raw const (*task).active_mm).read_volatile() };
        Self {
            pid,
            tgid,
            ppid,
            threads,
            state: match (is_kernel_thread(task), mm.is_null()) {
                (true, _) => State::Kernel,
                (false, true) => State::Exited,
                (false, false) => State::User,
            },
            comm,
            mm: KernelAddress::of(mm),
            is_randomized: has_flag(task, bindings::PF_RANDOMIZE),
            // SAFETY: `task` is valid, and keeps its signal struct.
            stack_limit: unsafe { ffi::mmlens_task_rlimit_stack(task) } as u64,
            active_mm: KernelAddress::of(active_mm),
        }
    }

    /// The name, without padding.
    pub(crate) fn comm(&self) -> &[u8] {
        self.comm.split(|&c| c == 0).next().unwrap_or_default()
    }
}
