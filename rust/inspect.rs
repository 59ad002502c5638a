// SPDX-License-Identifier: GPL-2.0

//! The folder `mmlens` of debugfs: which processes are looked at.
//!
//! Documentation/debugfs.rst is the specification.

mod ask;
mod attached;
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
use attached::{
    folder,
    Attached, //
};
use core::fmt::Write;
use kernel::{
    current,
    prelude::*,
    sync::{
        Arc,
        ArcBorrow, //
    },
};
use system::Kernel;
use target::Target;

/// What the files of the top folder work on.
#[pin_data]
struct Lens {
    #[pin]
    attached: Attached,
    _self: Files<Target>,
    _kernel: Files<Kernel>,
    _buffers: Files<()>,
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
            attached <- Attached::new(top),
            _self: this,
            _kernel: kernel,
            _buffers: buffers,
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
/// Errors: those of [`folders`] and of [`Attached::attach`].
pub(crate) fn attach(pid: i32) -> Result {
    let (lens, nr) = folders(pid)?;
    lens.attached.attach(nr)
}

/// Removes it, as writing to `detach` does.
///
/// Errors: those of [`folders`] and of [`Attached::detach`].
pub(crate) fn detach(pid: i32) -> Result {
    let (lens, nr) = folders(pid)?;
    lens.attached.detach(nr)
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

/// `attach`. Errors: `EINVAL` if it is no pid; those of [`Attached::attach`].
struct Attach;

impl Control for Attach {
    type Data = Lens;

    fn write(lens: &Lens, command: &str) -> Result {
        lens.attached.attach(parse_pid(command)?)
    }
}

/// `detach`. Errors: `EINVAL` if it is no pid; those of [`Attached::detach`].
struct Detach;

impl Control for Detach {
    type Data = Lens;

    fn write(lens: &Lens, command: &str) -> Result {
        lens.attached.detach(parse_pid(command)?)
    }
}

/// `targets`: a line for each process that is attached, in the order of attaching.
///
/// Position 0 is the heading, n + 1 the process whose place in that order is n.
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
        let Some((place, pid)) = self.0.attached.find(pos - 1) else {
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
        Ok(Some(place + 2))
    }
}
