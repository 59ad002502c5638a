// SPDX-License-Identifier: GPL-2.0

//! The folder `mmlens` of debugfs: which processes are looked at.
//!
//! Documentation/debugfs.rst is the specification.

mod buffers;
mod layout;
mod mm;
mod pagetable;
mod query;
mod summary;
mod system;
mod tally;
mod target;
mod user_pgd;
mod vmas;
mod window;

use crate::{
    debugfs::{
        Control,
        Dir,
        Files,
        Records, //
    },
    mm::remote::{
        Pid,
        State,
        TaskInfo, //
    },
    seq::SeqWriter,
    text::Escaped, //
};
use core::fmt::Write;
use kernel::{
    prelude::*,
    str::CString,
    sync::{
        new_mutex,
        Arc,
        ArcBorrow,
        Mutex, //
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

/// What the files of the top folder work on.
#[pin_data]
struct Lens {
    #[pin]
    targets: Mutex<KVec<Files<Target>>>,
    _self: Files<Target>,
    _kernel: Files<Kernel>,
    dir: Arc<Dir>,
}

impl Lens {
    /// The process number `index` that is attached.
    fn target(&self, index: usize) -> Option<Pid> {
        let targets = self.targets.lock();
        targets.get(index).and_then(|t| t.data().pid()).cloned()
    }
}

/// The top folder, as long as the module is loaded.
pub(crate) struct Inspector {
    /// Also owns the `Lens`, which goes after its files.
    _files: Files<Lens>,
}

impl Inspector {
    /// Makes the folder.
    ///
    /// Errors: `EPERM` if debugfs is switched off; `EEXIST`, `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let dir = Dir::new(c"mmlens", None)?;
        let this = folder(c"self", &dir, Target::Current)?;
        let kernel = system::folder(&dir)?;
        let top = dir.clone();
        let lens = Arc::pin_init(
            pin_init!(Lens {
                targets <- new_mutex!(KVec::new(), "mmlens_targets"),
                _self: this,
                _kernel: kernel,
                dir: top,
            }),
            GFP_KERNEL,
        )?;
        let files = Files::new(dir, lens)
            .control::<Attach>(c"attach")?
            .control::<Detach>(c"detach")?
            .records::<Targets>(c"targets")?
            .records::<buffers::Buffers>(c"buffers")?;
        Ok(Self { _files: files })
    }
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

/// Where the target is that `is_it` knows.
fn position(targets: &[Files<Target>], is_it: impl Fn(&Pid) -> bool) -> Option<usize> {
    targets
        .iter()
        .position(|t| t.data().pid().is_some_and(&is_it))
}

/// `attach`: makes the folder of a process.
///
/// Errors: `EINVAL` if it is no pid, `ESRCH` if there is no such task, `EEXIST` if it is attached,
/// `ENOSPC` if there are too many.
struct Attach;

impl Control for Attach {
    type Data = Lens;

    fn write(lens: &Lens, command: &str) -> Result {
        let pid = Pid::find(parse_pid(command)?).ok_or(ESRCH)?;
        if pid.task().is_none() {
            return Err(ESRCH);
        }
        let nr = pid.nr();
        let name = CString::try_from_fmt(fmt!("{nr}"))?;

        let mut targets = lens.targets.lock();
        while let Some(index) = position(&targets, |p| p.nr() == nr) {
            if targets.get(index).and_then(|t| t.data().pid()) == Some(&pid) {
                return Err(EEXIST);
            }
            // That process is dead, and its number has been given to this one.
            let dead = targets.remove(index);
            // Removing files waits for their readers: not with the lock.
            drop(targets);
            drop(dead);
            targets = lens.targets.lock();
        }
        if targets.len() >= MAX_TARGETS {
            return Err(ENOSPC);
        }
        targets.reserve(1, GFP_KERNEL)?;
        let target = folder(&name, &lens.dir, Target::Pid(pid))?;
        targets.push(target, GFP_KERNEL)?;
        Ok(())
    }
}

/// `detach`: removes the folder of a process.
///
/// Errors: `EINVAL` if it is no pid, `ENOENT` if it is not attached.
struct Detach;

impl Control for Detach {
    type Data = Lens;

    fn write(lens: &Lens, command: &str) -> Result {
        let nr = parse_pid(command)?;
        let mut targets = lens.targets.lock();
        // A pid keeps its numbers when the process is gone.
        let index = position(&targets, |p| p.vnr() == nr).ok_or(ENOENT)?;
        let target = targets.remove(index);
        // As above.
        drop(targets);
        drop(target);
        Ok(())
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
