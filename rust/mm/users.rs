// SPDX-License-Identifier: GPL-2.0

//! The tasks that use an address space.

use super::remote::TaskInfo;
use crate::ffi;
use kernel::{
    bindings,
    mm::{
        Mm,
        MmWithUser, //
    },
    sync::rcu,
    task::Task, //
};

/// `mm->owner`: the task whose memory cgroup pays, and by which the OOM killer goes.
///
/// None without memory cgroups, and when the last one that could own it has gone.
pub(crate) fn owner(mm: &Mm) -> Option<TaskInfo> {
    let guard = rcu::read_lock();
    let task = owner_pointer(mm, &guard);
    // SAFETY: The field is RCU-protected, so a task lives as long as the read-side section.
    // CAST: `Task` is transparent over `task_struct`.
    unsafe { task.cast::<Task>().as_ref() }.map(TaskInfo::read)
}

#[cfg(CONFIG_MEMCG)]
fn owner_pointer(mm: &Mm, _guard: &rcu::Guard) -> *mut bindings::task_struct {
    let raw = mm.as_raw();
    // SAFETY: `mm` is valid.
    unsafe { (&raw const (*raw).__bindgen_anon_1.owner).read_volatile() }
}

#[cfg(not(CONFIG_MEMCG))]
fn owner_pointer(_mm: &Mm, _guard: &rcu::Guard) -> *mut bindings::task_struct {
    core::ptr::null_mut()
}

/// Pids looked at in one read-side section.
const STEP: usize = 256;

/// What a look at some processes found.
pub(crate) struct Step {
    /// One that has the address space.
    pub(crate) found: Option<TaskInfo>,
    /// Where to look on; none at the end.
    pub(crate) next: Option<i32>,
}

/// Looks for a process, or kernel thread, that has `mm` for its memory now: by the numbers of the
/// initial pid namespace from `from` on, at most [`STEP`] of them.
///
/// Processes that start or end meanwhile may be missed, as by a reader of `/proc`.
pub(crate) fn next_user(mm: &MmWithUser, from: i32) -> Step {
    let _guard = rcu::read_lock();
    let mut nr = from;
    for _ in 0..STEP {
        // SAFETY: The namespace is static, and this is a read-side section.
        let pid = unsafe { bindings::find_ge_pid(nr, &raw mut bindings::init_pid_ns) };
        if pid.is_null() {
            return Step {
                found: None,
                next: None,
            };
        }
        // SAFETY: `pid` is valid in this section, and the namespace static.
        nr = unsafe { bindings::pid_nr_ns(pid, &raw mut bindings::init_pid_ns) } + 1;
        // SAFETY: As above. Null if the number is not one of a process.
        let leader = unsafe { bindings::pid_task(pid, bindings::pid_type_PIDTYPE_TGID) };
        // SAFETY: This is the read-side section in which the leader was found.
        if unsafe { has_memory(leader, mm) } {
            // SAFETY: Not null, as it has memory; valid in this section.
            // CAST: `Task` is transparent over `task_struct`.
            let found = unsafe { leader.cast::<Task>().as_ref() }.map(TaskInfo::read);
            return Step {
                found,
                next: Some(nr),
            };
        }
    }
    Step {
        found: None,
        next: Some(nr),
    }
}

/// Whether the process of `leader` has `mm`: the first thread that has any memory tells, for they
/// all have the same, but those that have exited have none (`process_shares_mm()`, mm/oom_kill.c).
///
/// # Safety
///
/// The caller is in the read-side section in which it found `leader`, which may be null.
unsafe fn has_memory(leader: *mut bindings::task_struct, mm: &MmWithUser) -> bool {
    let mut thread = leader;
    while !thread.is_null() {
        // SAFETY: The threads of a process are freed by RCU.
        let memory = unsafe { (&raw const (*thread).mm).read_volatile() };
        if !memory.is_null() {
            return memory == mm.as_raw();
        }
        // SAFETY: As above.
        thread = unsafe { ffi::mmlens_next_thread(thread) };
    }
    false
}
