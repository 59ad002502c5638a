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

/// A process that is attached, or is about to be.
struct Slot {
    /// Its place in the order of attaching, which no other has or had.
    place: u64,
    folder: Folder,
}

enum Folder {
    There(Files<Target>),
    /// Its folder is being made or removed. The number that it is called by, which no other can have
    /// meanwhile: debugfs would complain.
    Busy(i32),
}

impl Slot {
    /// The process, unless it comes or goes.
    fn pid(&self) -> Option<&Pid> {
        match &self.folder {
            Folder::There(files) => files.data().pid(),
            Folder::Busy(_) => None,
        }
    }

    /// Whether its folder is called so.
    fn is_called(&self, nr: i32) -> bool {
        match &self.folder {
            Folder::There(files) => files.data().pid().is_some_and(|pid| pid.nr() == nr),
            Folder::Busy(number) => *number == nr,
        }
    }
}

/// In the order of their places.
struct Slots {
    slots: KVec<Slot>,
    /// The place of the next one.
    next: u64,
}

/// The list of them.
#[pin_data]
pub(super) struct Attached {
    #[pin]
    targets: Mutex<Slots>,
    dir: Arc<Dir>,
}

impl Attached {
    /// None, in the folder `dir`.
    pub(super) fn new(dir: Arc<Dir>) -> impl PinInit<Self> {
        let none = Slots {
            slots: KVec::new(),
            next: 0,
        };
        pin_init!(Self {
            targets <- new_mutex!(none, "mmlens_targets"),
            dir,
        })
    }

    /// The first process that is attached, of those whose place is `place` or a later one; and its
    /// place. Whoever goes on behind that misses none that stays, and finds none twice.
    pub(super) fn find(&self, place: u64) -> Option<(u64, Pid)> {
        let targets = self.targets.lock();
        let mut rest = targets.slots.iter().filter(|slot| slot.place >= place);
        rest.find_map(|slot| Some((slot.place, slot.pid()?.clone())))
    }

    /// What becomes of the slot that is [busy](Folder::Busy) for `nr`: a folder, or none.
    fn settle(&self, nr: i32, folder: Option<Files<Target>>) {
        let mut targets = self.targets.lock();
        let slots = &mut targets.slots;
        // Others may have come and gone.
        let Some(index) = slots.iter().position(|slot| slot.is_called(nr)) else {
            return;
        };
        match (folder, slots.get_mut(index)) {
            (Some(folder), Some(slot)) => slot.folder = Folder::There(folder),
            _ => drop(slots.remove(index)),
        }
    }

    /// Removes the folder of the target at `index`, which is called `nr`. Waits for its readers, so not
    /// with the lock.
    fn remove(&self, mut targets: MutexGuard<'_, Slots>, index: usize, nr: i32) {
        let Some(slot) = targets.slots.get_mut(index) else {
            return;
        };
        let gone = core::mem::replace(&mut slot.folder, Folder::Busy(nr));
        drop(targets);
        drop(gone);
        self.settle(nr, None);
    }

    /// Makes the folder of the process with number `nr` in the pid namespace of the caller.
    ///
    /// Errors: `ESRCH` if there is no such task; `EEXIST` if it is attached, or is being attached or
    /// detached, or what had its number is; `ENOSPC` if there are too many; `ENOMEM`.
    pub(super) fn attach(&self, nr: i32) -> Result {
        let pid = Pid::find(nr).ok_or(ESRCH)?;
        let nr = pid.nr();
        let name = CString::try_from_fmt(fmt!("{nr}"))?;

        let mut targets = self.targets.lock();
        loop {
            // As long as it is there, whoever else has had its number is not. Asked anew after each
            // wait: it may be the other that lives by then.
            if pid.task().is_none() {
                return Err(ESRCH);
            }
            let slots = &targets.slots;
            let Some(index) = slots.iter().position(|slot| slot.is_called(nr)) else {
                break;
            };
            match slots.get(index).and_then(Slot::pid) {
                Some(other) if *other != pid => (),
                _ => return Err(EEXIST),
            }
            self.remove(targets, index, nr);
            targets = self.targets.lock();
        }
        if targets.slots.len() >= MAX_TARGETS {
            return Err(ENOSPC);
        }
        let slot = Slot {
            place: targets.next,
            folder: Folder::Busy(nr),
        };
        targets.slots.push(slot, GFP_KERNEL)?;
        targets.next += 1;
        drop(targets);
        // If that fails, what there is of it goes, and that waits for readers.
        let folder = folder(&name, &self.dir, Target::Pid(pid));
        let failed = folder.as_ref().err().copied();
        self.settle(nr, folder.ok());
        failed.map_or(Ok(()), Err)
    }

    /// Removes the folder of the process with number `nr` in the pid namespace of the caller.
    ///
    /// Errors: `ENOENT` if it is not attached.
    pub(super) fn detach(&self, nr: i32) -> Result {
        let running = Pid::find(nr);
        let targets = self.targets.lock();
        let find = |is_it: &dyn Fn(&Pid) -> bool| {
            targets.slots.iter().enumerate().find_map(|(index, slot)| {
                let pid = slot.pid().filter(|pid| is_it(pid))?;
                Some((index, pid.nr()))
            })
        };
        // A pid keeps its numbers when the process is gone. Of a namespace there may be several with
        // one number: in the folder's name they have another.
        let (index, name) = find(&|pid| running.as_ref() == Some(pid))
            .or_else(|| find(&|pid| pid.vnr() == nr))
            .ok_or(ENOENT)?;
        self.remove(targets, index, name);
        Ok(())
    }
}
