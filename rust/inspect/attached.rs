// SPDX-License-Identifier: GPL-2.0

//! The processes that are attached: each has a folder.

use super::{
    layout,
    mm,
    pagetable,
    query,
    summary,
    target::Target,
    user_pgd,
    vmas, //
};
use crate::{
    mm::remote::Pid,
    sys::debugfs::{
        Dir,
        Files, //
    }, //
};
use kernel::{
    prelude::*,
    str::CString,
    sync::{
        new_mutex,
        Arc,
        Mutex,
        MutexGuard, //
    },
};

/// The most processes that can be attached at a time.
const MAX_TARGETS: usize = 1024;

/// The folder of a target.
pub(super) fn folder(name: &CStr, parent: &Arc<Dir>, target: Target) -> Result<Files<Target>> {
    let dir = Dir::new(name, Some(parent.clone()))?;
    Files::new(dir, Arc::new(target, GFP_KERNEL)?)
        .records::<mm::Fields>(c"mm")?
        .records::<vmas::Vmas>(c"vmas")?
        .records::<summary::Summary>(c"summary")?
        .records::<layout::Layout>(c"layout")?
        .records::<pagetable::Dump<pagetable::Runs>>(c"pagetable")?
        .records::<pagetable::Dump<pagetable::Entries>>(c"entries")?
        .records::<user_pgd::UserPgd>(c"user_pgd")?
        .transaction::<query::Query>(c"query")
}

/// A process that is attached.
enum Slot {
    Attached(Files<Target>),
    /// Its folder is being removed. The number that it is called by, which no other can have as long as
    /// it is there: debugfs would complain.
    Leaving(i32),
}

impl Slot {
    /// The process, unless it is leaving.
    fn pid(&self) -> Option<&Pid> {
        match self {
            Slot::Attached(files) => files.data().pid(),
            Slot::Leaving(_) => None,
        }
    }

    /// Whether its folder is called so.
    fn is_called(&self, nr: i32) -> bool {
        match self {
            Slot::Attached(files) => files.data().pid().is_some_and(|pid| pid.nr() == nr),
            Slot::Leaving(number) => *number == nr,
        }
    }
}

/// The list of them.
#[pin_data]
pub(super) struct Attached {
    #[pin]
    targets: Mutex<KVec<Slot>>,
    dir: Arc<Dir>,
}

impl Attached {
    /// None, in the folder `dir`.
    pub(super) fn new(dir: Arc<Dir>) -> impl PinInit<Self> {
        pin_init!(Self {
            targets <- new_mutex!(KVec::new(), "mmlens_targets"),
            dir,
        })
    }

    /// The process number `index` that is attached.
    pub(super) fn get(&self, index: usize) -> Option<Pid> {
        let targets = self.targets.lock();
        targets.iter().filter_map(Slot::pid).nth(index).cloned()
    }

    /// Removes the folder of the target at `index`, which is called `nr`. Waits for its readers, so not
    /// with the lock.
    fn remove(&self, mut targets: MutexGuard<'_, KVec<Slot>>, index: usize, nr: i32) {
        let Some(slot) = targets.get_mut(index) else {
            return;
        };
        let gone = core::mem::replace(slot, Slot::Leaving(nr));
        drop(targets);
        drop(gone);
        let mut targets = self.targets.lock();
        // Others may have come and gone.
        if let Some(index) = targets.iter().position(|slot| slot.is_called(nr)) {
            drop(targets.remove(index));
        }
    }

    /// Makes the folder of the process with number `nr` in the pid namespace of the caller.
    ///
    /// Errors: `ESRCH` if there is no such task; `EEXIST` if it is attached, or is being detached, or
    /// what had its number is; `ENOSPC` if there are too many.
    pub(super) fn attach(&self, nr: i32) -> Result {
        let pid = Pid::find(nr).ok_or(ESRCH)?;
        if pid.task().is_none() {
            return Err(ESRCH);
        }
        let nr = pid.nr();
        let name = CString::try_from_fmt(fmt!("{nr}"))?;

        let mut targets = self.targets.lock();
        while let Some(index) = targets.iter().position(|slot| slot.is_called(nr)) {
            match targets.get(index).and_then(Slot::pid) {
                // That process is dead, and its number has been given to this one.
                Some(other) if *other != pid => (),
                _ => return Err(EEXIST),
            }
            self.remove(targets, index, nr);
            targets = self.targets.lock();
        }
        if targets.len() >= MAX_TARGETS {
            return Err(ENOSPC);
        }
        targets.reserve(1, GFP_KERNEL)?;
        let target = folder(&name, &self.dir, Target::Pid(pid))?;
        targets.push(Slot::Attached(target), GFP_KERNEL)?;
        Ok(())
    }

    /// Removes the folder of the process with number `nr` in the pid namespace of the caller.
    ///
    /// Errors: `ENOENT` if it is not attached.
    pub(super) fn detach(&self, nr: i32) -> Result {
        let targets = self.targets.lock();
        // A pid keeps its numbers when the process is gone.
        let found = targets.iter().enumerate().find_map(|(index, slot)| {
            let pid = slot.pid().filter(|pid| pid.vnr() == nr)?;
            Some((index, pid.nr()))
        });
        let (index, name) = found.ok_or(ENOENT)?;
        self.remove(targets, index, name);
        Ok(())
    }
}
