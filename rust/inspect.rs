// SPDX-License-Identifier: GPL-2.0

//! The folder `mmlens` of debugfs: which processes are looked at.
//!
//! Documentation/debugfs.rst is the specification.

mod ask;
mod buffers;
mod bulk;
mod layout;
mod mm;
mod pagetable;
mod query;
mod summary;
mod system;
mod tally;
mod target;
mod texts;
mod user_pgd;
mod vmas;
mod window;

pub(crate) use ask::ask;
pub(crate) use bulk::walk;
pub(crate) use texts::open as open_text;

use crate::{
    mm::remote::{
        Pid,
        State,
        TaskInfo, //
    },
    rights::may_look,
    sys::{
        debugfs::{
            Control,
            Dir,
            Files,
            Records, //
        },
        global::global,
        seq::SeqWriter, //
    },
    text::Escaped, //
};
use core::fmt::Write;
use kernel::{
    current,
    prelude::*,
    str::CString,
    sync::{
        new_mutex,
        Arc,
        ArcBorrow,
        Mutex,
        MutexGuard, //
    },
};
use system::Kernel;
use target::Target;

/// The most processes that can be attached at a time.
const MAX_TARGETS: usize = 1024;

/// The folder of a target.
fn folder(name: &CStr, parent: &Arc<Dir>, target: Target) -> Result<Files<Target>> {
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

/// What the files of the top folder work on.
#[pin_data]
struct Lens {
    #[pin]
    targets: Mutex<KVec<Slot>>,
    _self: Files<Target>,
    _kernel: Files<Kernel>,
    _buffers: Files<()>,
    dir: Arc<Dir>,
}

impl Lens {
    /// The process number `index` that is attached.
    fn target(&self, index: usize) -> Option<Pid> {
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
    fn attach(&self, nr: i32) -> Result {
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
    fn detach(&self, nr: i32) -> Result {
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

/// What there is for the ioctls, which do without debugfs if they have to.
struct Shared {
    kernel: Arc<Kernel>,
    lens: Option<Arc<Lens>>,
}

global! {
    /// As long as there is an [`Inspector`].
    shared: Option<Shared> = None;
}

/// The lens, as long as the module is loaded.
pub(crate) struct Inspector {
    /// The top folder. Also owns the `Lens`, which goes after its files.
    _files: Option<Files<Lens>>,
}

impl Inspector {
    /// Makes the folder, unless debugfs is switched off or somebody else has it.
    ///
    /// Errors: `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let kernel = Arc::new(Kernel::new()?, GFP_KERNEL)?;
        let files = match top_folder(&kernel) {
            Ok(files) => Some(files),
            Err(error) if error == ENOMEM => return Err(error),
            Err(error) => {
                pr_warn!("no debugfs ({error:?}): only /dev/mmlens is there\n");
                None
            }
        };
        let lens = files.as_ref().map(|files| files.data().clone());
        shared::init();
        *shared::lock()? = Some(Shared { kernel, lens });
        Ok(Self { _files: files })
    }
}

impl Drop for Inspector {
    fn drop(&mut self) {
        // Removing files waits for their readers: not with the lock.
        drop(shared::lock().ok().and_then(|mut shared| shared.take()));
    }
}

/// Errors: `EPERM` if debugfs is switched off; `EEXIST`, `ENOMEM`.
fn top_folder(kernel: &Arc<Kernel>) -> Result<Files<Lens>> {
    let dir = Dir::new(c"mmlens", None)?;
    let this = folder(c"self", &dir, Target::Current)?;
    let kernel = system::folder(&dir, kernel)?;
    let buffers = Files::new(dir.clone(), Arc::new((), GFP_KERNEL)?)
        .records::<buffers::Buffers>(c"buffers")?;
    let top = dir.clone();
    let lens = Arc::pin_init(
        pin_init!(Lens {
            targets <- new_mutex!(KVec::new(), "mmlens_targets"),
            _self: this,
            _kernel: kernel,
            _buffers: buffers,
            dir: top,
        }),
        GFP_KERNEL,
    )?;
    Files::new(dir, lens)
        .control::<Attach>(c"attach")?
        .control::<Detach>(c"detach")?
        .records::<Targets>(c"targets")
}

/// The folders, and the number of `pid`, or with 0 of the caller, in the pid namespace of the caller.
///
/// Errors: `EINVAL` for a negative number; `ENODEV` without debugfs; those of [`may_look`].
fn folders(pid: i32) -> Result<(Arc<Lens>, i32)> {
    may_look()?;
    let nr = match pid {
        0 => current!().tgid_nr_ns(None),
        1.. => pid,
        _ => return Err(EINVAL),
    };
    let lens = shared::lock()?.as_ref().and_then(|s| s.lens.clone());
    Ok((lens.ok_or(ENODEV)?, nr))
}

/// Makes the folder of a process in debugfs, as writing to `attach` does.
///
/// Errors: those of [`folders`] and of [`Lens::attach`].
pub(crate) fn attach(pid: i32) -> Result {
    let (lens, nr) = folders(pid)?;
    lens.attach(nr)
}

/// Removes it, as writing to `detach` does.
///
/// Errors: those of [`folders`] and of [`Lens::detach`].
pub(crate) fn detach(pid: i32) -> Result {
    let (lens, nr) = folders(pid)?;
    lens.detach(nr)
}

/// Reads a pid: a positive decimal number.
///
/// Errors: `EINVAL`.
fn parse_pid(command: &str) -> Result<i32> {
    // `parse` takes a sign, which no pid has.
    if !command.bytes().all(|c| c.is_ascii_digit()) {
        return Err(EINVAL);
    }
    command.parse().ok().filter(|&nr| nr > 0).ok_or(EINVAL)
}

/// `attach`. Errors: `EINVAL` if it is no pid; those of [`Lens::attach`].
struct Attach;

impl Control for Attach {
    type Data = Lens;

    fn write(lens: &Lens, command: &str) -> Result {
        lens.attach(parse_pid(command)?)
    }
}

/// `detach`. Errors: `EINVAL` if it is no pid; those of [`Lens::detach`].
struct Detach;

impl Control for Detach {
    type Data = Lens;

    fn write(lens: &Lens, command: &str) -> Result {
        lens.detach(parse_pid(command)?)
    }
}

/// `targets`: a line for each process that is attached, in the order of attaching.
///
/// Position 0 is the heading, n the process number n, counted from 1.
struct Targets(Arc<Lens>);

impl Records for Targets {
    type Data = Lens;

    fn open(lens: ArcBorrow<'_, Lens>) -> Result<Self> {
        Ok(Self(lens.into()))
    }

    fn emit(&mut self, pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        if pos == 0 {
            writeln!(out, "# pid state    comm")?;
            return Ok(Some(1));
        }
        let Some(pid) = self.0.target(usize::try_from(pos - 1)?) else {
            return Ok(None);
        };
        let nr = pid.nr();
        match pid.task().map(|task| TaskInfo::read(&task)) {
            Some(info) => {
                let state = match info.state {
                    State::User => "user",
                    State::Kernel => "kernel",
                    State::Exited => "exited",
                };
                writeln!(out, "{nr:<5} {state:<8} {}", Escaped(info.comm()))?;
            }
            None => writeln!(out, "{nr:<5} {:<8} -", "exited")?,
        }
        Ok(Some(pos + 1))
    }
}
