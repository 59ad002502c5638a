// SPDX-License-Identifier: GPL-2.0

//! The entries of a process that an expression matches.

use crate::{
    error::{errno, Error, Kind, Result},
    extent::{Extent, Joiner, Shape},
    filter::{Asked, Expr, Look},
    target::{is_kernel_thread, Target},
};
use mmlens_core::pt::facts::Facts;
use mmlens_device::{Device, Machine, Vma};
use std::io;

/// How often a process may exec while it is looked at.
const TRIES: usize = 4;

/// The device, and what is known of its machine.
pub struct Lens {
    pub device: Device,
    pub machine: Machine,
    pub shape: Shape,
}

impl Lens {
    pub fn open() -> Result<Self> {
        let device = Device::open().map_err(Error::of_device)?;
        let machine = device.machine().map_err(Error::of_ioctl)?;
        let shape = Shape::of(&machine).map_err(Error::of_ioctl)?;
        Ok(Self {
            device,
            machine,
            shape,
        })
    }
}

/// What is looked for, ready to be asked.
pub struct Matching<'a> {
    pub expr: &'a Expr,
    /// What the kernel is asked; `None`: nothing can match.
    asked: Option<Asked>,
    /// Whether the kinds of pages are wanted, though the expression does not ask for them.
    pub with_pages: bool,
    /// Whether every place is wanted.
    pub keep_places: bool,
    /// Only from here up to there; `None`: everywhere.
    pub range: Option<(u64, u64)>,
}

/// Who gets what matches.
pub trait Sink {
    /// A process is looked at from the beginning: what was told of it is void.
    fn begin(&mut self, target: &Target) -> Result<()>;

    /// Neighbours that match.
    fn found(&mut self, target: &Target, vma: &Vma, extent: Extent) -> Result<()>;
}

impl<'a> Matching<'a> {
    pub fn new(expr: &'a Expr) -> Self {
        Self {
            expr,
            asked: Asked::of(expr),
            with_pages: false,
            keep_places: false,
            range: None,
        }
    }

    /// Tells `sink` what matches in a process. If it ends, that is an error of kind `Process`; if it
    /// execs, it begins anew.
    pub fn run(&self, lens: &Lens, target: &Target, sink: &mut dyn Sink) -> Result<()> {
        for _ in 1..TRIES {
            match self.once(lens, target, sink) {
                Err(Failed::Process(error)) if error.raw_os_error() == Some(errno::ESTALE) => {}
                other => return other.map_err(|failed| failed.of(target.pid)),
            }
        }
        let last = self.once(lens, target, sink);
        last.map_err(|failed| failed.of(target.pid))
    }

    fn once(&self, lens: &Lens, target: &Target, sink: &mut dyn Sink) -> Outcome<()> {
        sink.begin(target)?;
        let Some(asked) = &self.asked else {
            return Ok(());
        };
        let Lens { device, shape, .. } = lens;
        let shape = *shape;
        let mut vmas = Vmas::fetch(device, target.pid)?;
        if vmas.all.is_empty() {
            return Ok(());
        }
        let (start, end) = self.range.unwrap_or((0, 0));
        let mut walk = device
            .walk(target.pid)
            .range(start, end)
            .filter(&asked.filter)
            .vmas_with(asked.vma_required, asked.vma_excluded)
            .in_space(vmas.space);
        if self.with_pages || self.expr.wants_pages() {
            walk = walk.pages();
        }
        let mut matched = Matched {
            shape,
            expr: self.expr,
            joined: Joiner::new(shape, self.keep_places),
            waiting: Waiting::default(),
            sink,
            target,
        };
        if self.expr.is_of_entries() || self.keep_places {
            for entry in walk.entries() {
                let extent = shape.extent_of(&entry?);
                let vma = vmas.of(device, target.pid, extent.start)?;
                let limit = vmas.all.get(vma).map_or(extent.end, |vma| vma.end);
                let end = extent.end.min(limit);
                matched.entry(&vmas, vma, Extent { end, ..extent })?;
            }
            matched.end_of_entries(&vmas)?;
        } else {
            let mut runs = Joiner::new(shape, false);
            for run in walk.runs() {
                let extent = shape.extent_of_run(&run?);
                let vma = vmas.of(device, target.pid, extent.start)?;
                if let Some((vma, run)) = runs.push(vma, extent) {
                    matched.run(&vmas, vma, run)?;
                }
            }
            if let Some((vma, run)) = runs.finish() {
                matched.run(&vmas, vma, run)?;
            }
        }
        matched.finish(&vmas)
    }
}

/// What may go wrong: with the process, or with anything else.
enum Failed {
    Process(io::Error),
    Other(Error),
}

type Outcome<T> = std::result::Result<T, Failed>;

impl From<io::Error> for Failed {
    fn from(error: io::Error) -> Self {
        Self::Process(error)
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self::Other(error)
    }
}

impl Failed {
    fn of(self, pid: i32) -> Error {
        match self {
            Self::Process(error) => Error::of_process(error, pid),
            Self::Other(error) => error,
        }
    }
}

/// The VMAs of a process as they were, and those that came since.
struct Vmas {
    all: Vec<Vma>,
    space: u64,
    last: usize,
}

impl Vmas {
    fn fetch(device: &Device, pid: i32) -> Outcome<Self> {
        let mut records = device.walk(pid).names().vmas();
        let all = records.by_ref().collect::<io::Result<Vec<Vma>>>()?;
        Ok(Self {
            all,
            space: records.space(),
            last: 0,
        })
    }

    /// The number of the VMA that an address is in. Addresses come in their order, mostly.
    fn of(&mut self, device: &Device, pid: i32, address: u64) -> Outcome<usize> {
        let is_in = |vma: &Vma| vma.start <= address && address < vma.end;
        if self.all.get(self.last).is_some_and(is_in) {
            return Ok(self.last);
        }
        let next = self.all.partition_point(|vma| vma.end <= address);
        if !self.all.get(next).is_some_and(is_in) {
            // It came since the others were read. If it is gone already, its name is not known.
            let page = address..address.saturating_add(1);
            let mut new = device.walk(pid).range(page.start, page.end).names();
            new = new.in_space(self.space);
            let found = new.vmas().find(|vma| vma.as_ref().map_or(true, is_in));
            let vma = found.transpose()?.unwrap_or(Vma {
                start: address,
                end: page.end,
                ..Vma::default()
            });
            self.all.insert(next, vma);
        }
        self.last = next;
        Ok(next)
    }
}

/// Entries that wait for the end of their run, whose length matters.
#[derive(Default)]
struct Waiting {
    vma: usize,
    run: Option<Extent>,
    raws: Vec<u64>,
}

struct Matched<'a> {
    shape: Shape,
    expr: &'a Expr,
    joined: Joiner,
    waiting: Waiting,
    sink: &'a mut dyn Sink,
    target: &'a Target,
}

impl Matched<'_> {
    fn look(&self, vmas: &Vmas, vma: usize, extent: &Extent, run: u64) -> Look {
        let page = self.shape.geometry.page_size();
        let level = extent.level();
        let is_memory = extent.facts.has(Facts::PRESENT);
        let place = extent.first_place().filter(|_| is_memory);
        // The memory of the whole entry, as the kernel takes it.
        let address = place.and_then(|place| place.checked_mul(page));
        Look {
            facts: extent.facts_of_run(),
            raw: extent.raw,
            address,
            bytes: self.shape.geometry.size(level),
            run,
            vma_flags: vmas.all.get(vma).map_or(0, |vma| vma.flags),
        }
    }

    /// A run as a whole.
    fn run(&mut self, vmas: &Vmas, vma: usize, extent: Extent) -> Outcome<()> {
        let look = self.look(vmas, vma, &extent, extent.bytes());
        if self.expr.matches(&look) {
            self.join(vmas, vma, extent)?;
        }
        Ok(())
    }

    /// An entry by itself.
    fn entry(&mut self, vmas: &Vmas, vma: usize, extent: Extent) -> Outcome<()> {
        if !self.expr.is_of_size() {
            return self.run(vmas, vma, extent);
        }
        let raw = extent.raw;
        if let Some(run) = self
            .waiting
            .run
            .as_mut()
            .filter(|_| self.waiting.vma == vma)
        {
            match self.shape.join(run, extent, false) {
                Ok(()) => {
                    self.waiting.raws.push(raw);
                    return Ok(());
                }
                Err(next) => {
                    self.end_of_entries(vmas)?;
                    self.waiting.run = Some(next);
                }
            }
        } else {
            self.end_of_entries(vmas)?;
            self.waiting.run = Some(extent);
        }
        self.waiting.vma = vma;
        self.waiting.raws.push(raw);
        Ok(())
    }

    /// The run of the entries that wait is complete.
    fn end_of_entries(&mut self, vmas: &Vmas) -> Outcome<()> {
        let Waiting { vma, run, raws } = std::mem::take(&mut self.waiting);
        let Some(run) = run else {
            return Ok(());
        };
        let level = run.level();
        let in_order = Facts::IN_ORDER.when(run.is_in_order());
        let mut start = run.start;
        for raw in raws {
            let end = self.shape.geometry.entry_end(start, level).min(run.end);
            let place = self.shape.place(raw, level);
            let extent = Extent {
                start,
                end,
                raw,
                facts: run.facts,
                places: place.map_or(crate::extent::Places::None, crate::extent::Places::From),
            };
            let mut look = self.look(vmas, vma, &extent, run.bytes());
            look.facts = run.facts.with(in_order);
            if self.expr.matches(&look) {
                self.join(vmas, vma, extent)?;
            }
            start = end;
        }
        Ok(())
    }

    fn join(&mut self, vmas: &Vmas, vma: usize, extent: Extent) -> Outcome<()> {
        match self.joined.push(vma, extent) {
            Some((vma, complete)) => self.tell(vmas, vma, complete),
            None => Ok(()),
        }
    }

    fn finish(&mut self, vmas: &Vmas) -> Outcome<()> {
        match self.joined.finish() {
            Some((vma, complete)) => self.tell(vmas, vma, complete),
            None => Ok(()),
        }
    }

    fn tell(&mut self, vmas: &Vmas, vma: usize, extent: Extent) -> Outcome<()> {
        let unknown = Vma::default();
        let vma = vmas.all.get(vma).unwrap_or(&unknown);
        Ok(self.sink.found(self.target, vma, extent)?)
    }
}

/// Whether an error only says that a process is gone, or never had an address space.
pub fn is_gone(error: &Error) -> bool {
    error.kind == Kind::Process
}

/// The processes that a command line names: those of `words`, or all of them.
pub fn targets(words: &[String], all: bool) -> Result<Vec<Target>> {
    if !all {
        return words.iter().map(|word| Target::find(word)).collect();
    }
    let processes = crate::target::processes();
    let mut targets: Vec<Target> = processes.filter(|t| !is_kernel_thread(t.pid)).collect();
    targets.sort_by_key(|target| target.pid);
    Ok(targets)
}
