// SPDX-License-Identifier: GPL-2.0

//! The folder `mmlens` of debugfs: which processes are looked at.
//!
//! Documentation/debugfs.rst is the specification.

mod mm;
mod pagetable;
mod target;
mod vmas;

use crate::{
    debugfs::{
        Control,
        Dir,
        Files,
        Records, //
    },
    mm::remote::{
        address_space,
        AddressSpace,
        Pid,
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
use target::Target;

/// The most processes that can be attached at a time.
const MAX_TARGETS: usize = 1024;

/// The folder of a target.
struct TargetDir {
    // Order of drops: the files are in the folder.
    files: Files<Target>,
    _dir: Dir,
}

impl TargetDir {
    fn new(name: &CStr, parent: &Dir, target: Target) -> Result<Self> {
        let dir = Dir::new(name, Some(parent))?;
        let files = Files::new(Arc::new(target, GFP_KERNEL)?)
            .records::<mm::Fields>(&dir, c"mm")?
            .records::<vmas::Vmas>(&dir, c"vmas")?
            .records::<pagetable::Runs>(&dir, c"pagetable")?
            .records::<pagetable::Entries>(&dir, c"entries")?;
        Ok(Self { files, _dir: dir })
    }

    fn pid(&self) -> Option<&Pid> {
        self.files.data().pid()
    }
}

/// What the files of the top folder work on.
#[pin_data]
struct Lens {
    // Order of drops: the targets' folders are in the top folder.
    #[pin]
    targets: Mutex<KVec<TargetDir>>,
    _self: TargetDir,
    dir: Dir,
}

/// The top folder, as long as the module is loaded.
pub(crate) struct Inspector {
    /// Also owns the `Lens`, which goes after its files.
    _files: Files<Lens>,
}

impl Inspector {
    /// Makes the folder.
    ///
    /// Errors: `ENODEV` if the kernel has no debugfs, `EPERM` if it is switched off; `ENOMEM`.
    pub(crate) fn new() -> Result<Self> {
        let dir = Dir::new(c"mmlens", None)?;
        let this = TargetDir::new(c"self", &dir, Target::Current)?;
        let lens = Arc::pin_init(
            pin_init!(Lens {
                targets <- new_mutex!(KVec::new(), "mmlens_targets"),
                _self: this,
                dir,
            }),
            GFP_KERNEL,
        )?;
        let files = Files::new(lens.clone())
            .control::<Attach>(&lens.dir, c"attach")?
            .control::<Detach>(&lens.dir, c"detach")?
            .records::<Targets>(&lens.dir, c"targets")?;
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

/// Where the target with number `nr` is.
fn position(targets: &[TargetDir], nr: i32) -> Option<usize> {
    let has_number = |t: &TargetDir| t.pid().is_some_and(|p| p.nr() == nr);
    targets.iter().position(has_number)
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
        while let Some(index) = position(&targets, nr) {
            if targets.get(index).and_then(|t| t.pid()) == Some(&pid) {
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
        let target = TargetDir::new(&name, &lens.dir, Target::Pid(pid))?;
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
        // A process that is gone has no number but the one its folder is named by.
        let nr = Pid::find(nr).map_or(nr, |pid| pid.nr());
        let mut targets = lens.targets.lock();
        let index = position(&targets, nr).ok_or(ENOENT)?;
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
        let targets = self.0.targets.lock();
        let index = usize::try_from(pos - 1)?;
        let Some(pid) = targets.get(index).and_then(|t| t.pid()) else {
            return Ok(None);
        };
        let nr = pid.nr();
        match pid.task() {
            Some(task) => {
                let state = match address_space(&task) {
                    Ok(AddressSpace::User(_)) => "user",
                    Ok(AddressSpace::KernelThread) => "kernel",
                    Err(_) => "exited",
                };
                let info = TaskInfo::read(&task);
                writeln!(out, "{nr:<5} {state:<8} {}", Escaped(info.comm()))?;
            }
            None => writeln!(out, "{nr:<5} {:<8} -", "exited")?,
        }
        Ok(Some(pos + 1))
    }
}
