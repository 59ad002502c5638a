// SPDX-License-Identifier: GPL-2.0

//! The process that is looked at: a child that maps something, touches it, and stops.

use crate::{
    device::{
        self,
        Device,
        Setup, //
    },
    sys::{
        ensure,
        huge_size,
        page_size,
        stop,
        Context,
        Failure,
        Mapping,
        Process,
        Res, //
    },
};
use std::{
    fs,
    ops::Range, //
};

/// The folder of mmlens in debugfs.
pub const DEBUGFS: &str = "/sys/kernel/debug/mmlens";

/// Where the memory is: far from all else, and aligned to everything.
const BASE: usize = 64 << 30;

/// How its memory is mapped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Layout {
    /// Small pages, all of them there.
    Dense,
    /// One page in each table.
    Sparse,
    /// Huge pages.
    Thp,
    /// Many VMAs of a few pages.
    Vmas,
    /// Frames of a driver, by their number.
    Pfnmap,
}

impl Layout {
    pub const ALL: [Layout; 5] = [
        Layout::Dense,
        Layout::Sparse,
        Layout::Thp,
        Layout::Vmas,
        Layout::Pfnmap,
    ];

    pub fn name(self) -> &'static str {
        match self {
            Layout::Dense => "dense",
            Layout::Sparse => "sparse",
            Layout::Thp => "thp",
            Layout::Vmas => "vmas",
            Layout::Pfnmap => "pfnmap",
        }
    }
}

/// Pages of each VMA of [`Layout::Vmas`].
pub const PAGES_OF_VMA: usize = 4;

/// A stopped process, and what is known of it.
pub struct Target {
    process: Process,
    pub layout: Layout,
    pub start: u64,
    pub end: u64,
    /// Pages that are mapped.
    pub present: u64,
    /// Entries of the lowest tables that there are: what a walker has to look at.
    pub slots: u64,
    pub vmas: u64,
    /// What the rest of the process has in its RSS, in pages.
    pub rss_elsewhere: u64,
}

impl Drop for Target {
    fn drop(&mut self) {
        // Whoever wanted its files in debugfs has attached it.
        let _ = fs::write(format!("{DEBUGFS}/detach"), self.pid().to_string());
    }
}

impl Target {
    /// Errors: if the kernel did not give what was asked for.
    pub fn new(layout: Layout, bytes: usize, pages_of_vma: usize) -> Res<Self> {
        Self::with_work(layout, bytes, pages_of_vma, || Ok(()))
    }

    /// As `new`; when it is let go on it does this, and stops again.
    pub fn with_work(
        layout: Layout,
        bytes: usize,
        pages_of_vma: usize,
        work: impl Fn() -> Res<()>,
    ) -> Res<Self> {
        let (page, huge) = (page_size(), huge_size());
        let process = Process::fork(|| {
            let _kept = populate(layout, bytes, pages_of_vma)?;
            loop {
                stop();
                work()?;
            }
        })
        .context("fork")?;
        process.until_stopped()?;
        let pages = (bytes / page) as u64;
        let present = match layout {
            Layout::Sparse => bytes.div_ceil(huge) as u64,
            _ => pages,
        };
        let mut target = Self {
            process,
            layout,
            start: BASE as u64,
            end: (BASE + bytes) as u64,
            present,
            slots: match layout {
                Layout::Thp => (bytes / huge) as u64,
                _ => pages,
            },
            vmas: match layout {
                Layout::Vmas => pages / pages_of_vma as u64,
                _ => 1,
            },
            rss_elsewhere: 0,
        };
        target.look()?;
        Ok(target)
    }

    pub fn pid(&self) -> i32 {
        self.process.pid()
    }

    /// Lets it do its work once.
    pub fn work(&self) -> Res<()> {
        self.process.go_on();
        self.process.until_stopped()
    }

    pub fn proc(&self, name: &str) -> String {
        format!("/proc/{}/{name}", self.pid())
    }

    /// Whether the kernel did what was asked for, by its own word.
    fn look(&mut self) -> Res<()> {
        let name = self.proc("smaps");
        let smaps = Smaps::of(
            &fs::read_to_string(&name).context(&name)?,
            self.start..self.end,
        );
        self.rss_elsewhere = smaps.rss_elsewhere;
        ensure(smaps.vmas == self.vmas, || {
            format!("{} VMAs were made and not {}", smaps.vmas, self.vmas)
        })?;
        if self.layout == Layout::Thp {
            ensure(smaps.huge == self.present, || {
                format!("{} of {} pages are huge", smaps.huge, self.present)
            })?;
        } else {
            ensure(smaps.huge == 0, || "there are huge pages".to_string())?;
        }
        Ok(())
    }
}

/// What `smaps` has to say of a target.
#[derive(Default)]
pub struct Smaps {
    pub vmas: u64,
    /// In pages.
    pub rss: u64,
    pub rss_elsewhere: u64,
    pub huge: u64,
}

impl Smaps {
    pub fn of(text: &str, range: Range<u64>) -> Self {
        let page = page_size() as u64 / 1024;
        let mut found = Self::default();
        let mut is_inside = false;
        for line in text.lines() {
            if let Some(start) = start_of_vma(line) {
                is_inside = range.contains(&start);
                found.vmas += u64::from(is_inside);
            } else if let Some(kib) = kib_of(line, "Rss:") {
                match is_inside {
                    true => found.rss += kib / page,
                    false => found.rss_elsewhere += kib / page,
                }
            } else if let Some(kib) = kib_of(line, "AnonHugePages:").filter(|_| is_inside) {
                found.huge += kib / page;
            }
        }
        found
    }
}

/// The start of a VMA, in a line such as `maps` has.
pub fn start_of_vma(line: &str) -> Option<u64> {
    let (start, _) = line.split_once('-')?;
    u64::from_str_radix(start, 16).ok()
}

/// The number of a line of `smaps`.
pub fn kib_of(line: &str, name: &str) -> Option<u64> {
    line.strip_prefix(name)?
        .split_whitespace()
        .next()?
        .parse()
        .ok()
}

/// Maps and touches the memory, in the child.
fn populate(layout: Layout, bytes: usize, pages_of_vma: usize) -> Res<(Mapping, Option<Device>)> {
    if layout == Layout::Pfnmap {
        let device = Device::open(device::NODE)?;
        device.set_up(Setup {
            backing: device::BACKING_VMAP,
            strategy: device::STRATEGY_EAGER,
            page_kind: device::PAGE_KIND_PFNMAP,
            bytes: bytes as u64,
            ..Setup::default()
        })?;
        let mapping = Mapping::shared(&device.0, BASE, bytes).context("mmap of the device")?;
        return Ok((mapping, Some(device)));
    }
    let mapping = Mapping::anonymous(BASE, bytes).context("mmap")?;
    mapping
        .advise_huge(layout == Layout::Thp)
        .context("madvise")?;
    let stride = match layout {
        Layout::Sparse | Layout::Thp => huge_size(),
        _ => page_size(),
    };
    mapping.write(stride);
    if layout == Layout::Vmas {
        let size = pages_of_vma * page_size();
        for offset in (size..bytes).step_by(2 * size) {
            mapping
                .protect_read(offset, size.min(bytes - offset))
                .map_err(|error| Failure(format!("mprotect at {offset}: {error}")))?;
        }
    }
    Ok((mapping, None))
}
