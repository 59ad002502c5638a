// SPDX-License-Identifier: GPL-2.0

//! Snapshots of the kernel's own page tables.
//!
//! There is no lock that a module could take: those who free tables of the kernel take the mmap
//! lock of `init_mm` or that of memory hotplug, and neither can be reached. So a table is never
//! read directly: what an entry says is its address has to be memory that is online, what is there
//! is copied by a function that survives a fault, and the way down goes on from the copy. The way
//! is read once more afterwards. If it is the same, what was copied was part of the tables when it
//! was copied, unless a table was freed, came back at the same place, and was something else
//! between.
//!
//! Of a vmalloc area that its reader owns, no table is freed as long as it does: [`OwnTables`]. The
//! text of a module may share a table with other modules, whose coming and going can replace it by
//! a huge leaf (`cpa_collapse_large_pages()`): what was not the same twice is not shown there. For
//! other ranges that is the best that can be done, and not good enough for more than a look.

use crate::{
    ffi,
    pt::{
        entry::{
            Entry,
            Raw, //
        },
        format::Format,
        kernel::Kernel,
        level::{
            Geometry,
            Level,
            LEVELS, //
        },
        walk::{
            Snapshot,
            Tables, //
        },
        Native, //
    },
    sys::machine::own::Own, //
};
use kernel::{
    bindings,
    prelude::*, //
};

/// How often the way down is tried if it changes meanwhile.
const TRIES: usize = 4;

/// The tables of the kernel, without any promise.
pub(crate) struct KernelTables<'a> {
    geometry: &'a Geometry,
    format: Kernel<Native>,
    root: u64,
    address_mask: u64,
}

/// How far the way down to an entry goes.
#[derive(PartialEq, Eq)]
struct Way {
    /// The entries above it that were followed.
    path: [Raw; LEVELS],
    /// The lowest level of which an entry was read, or would be.
    reached: Level,
    /// The level above that one.
    above: Option<Level>,
    /// The wanted entry, if the way leads to it.
    target: Option<Target>,
}

/// A place in a table.
#[derive(PartialEq, Eq)]
struct Target {
    /// Physical address.
    address: u64,
    /// How many entries its table has from there on.
    left: u64,
}

impl Way {
    /// The table at `reached` cannot be read, so the way ends in the entry that points to it.
    ///
    /// Errors: `EFAULT` if it is the top table.
    fn cut(mut self) -> Result<Self> {
        self.reached = self.above.ok_or(EFAULT)?;
        self.target = None;
        Ok(self)
    }
}

impl<'a> KernelTables<'a> {
    /// The tables that this processor translates kernel addresses with.
    pub(crate) fn new(geometry: &'a Geometry, format: Kernel<Native>) -> Self {
        let mut raw = ffi::mmlens_kernel_root::default();
        // SAFETY: `raw` is ours.
        unsafe { ffi::mmlens_read_kernel_root(&raw mut raw) };
        let unused_bits = 64 - raw.address_bits.clamp(1, 64);
        Self {
            geometry,
            format,
            root: raw.root,
            address_mask: u64::MAX >> unused_bits,
        }
    }

    /// The number of the entry of `level` for `va` in its table, and how many entries that has from
    /// there on.
    fn index(&self, va: u64, level: Level, above: Option<Level>) -> (u64, u64) {
        let size = self.geometry.size(level);
        let mask = above.map_or(self.address_mask, |l| self.geometry.size(l) - 1);
        let index = (va & mask) / size;
        (index, mask / size + 1 - index)
    }

    /// Goes down to the entry of `level` for `va`. An entry that leads to what is no memory is the
    /// end of the way, as a hole is.
    ///
    /// Errors: `EFAULT` if the top table cannot be read.
    fn way(&self, va: u64, level: Level) -> Result<Way> {
        let mut way = Way {
            path: [Raw(0); LEVELS],
            reached: Level::Pgd,
            above: None,
            target: None,
        };
        let mut table = self.root;
        for at in self.geometry.levels() {
            let (index, left) = self.index(va, at, way.above);
            let address = table + index * size_of::<Raw>() as u64;
            way.reached = at;
            if at == level {
                way.target = Some(Target { address, left });
                break;
            }
            let mut raw = [Raw(0)];
            if copy(address, &mut raw).is_err() {
                return way.cut();
            }
            let [raw] = raw;
            let Entry::Table { pfn } = self.format.decode(raw, at) else {
                break;
            };
            if let Some(entry) = way.path.get_mut(usize::from(at.number())) {
                *entry = raw;
            }
            table = pfn * self.geometry.page_size();
            way.above = Some(at);
        }
        Ok(way)
    }

    /// A snapshot, and whether the way to it was the same afterwards.
    fn look(&self, va: u64, level: Level, window: &mut [Raw]) -> Result<(Snapshot, bool)> {
        let mut way = self.way(va, level)?;
        let mut count = 0;
        if let Some(target) = &way.target {
            count = usize::try_from(target.left)?.min(window.len());
            if copy(target.address, window.get_mut(..count).ok_or(EINVAL)?).is_err() {
                count = 0;
                way = way.cut()?;
            }
        }
        let is_same = way == self.way(va, level)?;
        let snapshot = Snapshot {
            reached: way.reached,
            count,
            address: way.target.map_or(0, |target| target.address),
            path: way.path,
        };
        Ok((snapshot, is_same))
    }
}

impl KernelTables<'_> {
    /// Looks a few times, until the way was the same twice; says whether it was.
    fn try_look(&mut self, va: u64, level: Level, window: &mut [Raw]) -> Result<(Snapshot, bool)> {
        let mut result = self.look(va, level, window);
        for _ in 1..TRIES {
            if matches!(result, Ok((_, true))) {
                break;
            }
            result = self.look(va, level, window);
        }
        result
    }
}

impl Tables for KernelTables<'_> {
    type Error = Error;

    /// Errors: `EFAULT` if the top table cannot be read; `EINVAL` if the window is empty.
    fn snapshot(&mut self, va: u64, level: Level, window: &mut [Raw]) -> Result<Snapshot> {
        if window.is_empty() {
            return Err(EINVAL);
        }
        self.try_look(va, level, window)
            .map(|(snapshot, _)| snapshot)
    }
}

/// Copies entries of a table at a physical address, all in one page frame, each exactly once.
///
/// Errors: `EFAULT` if that is no memory that the kernel has in use, or if it cannot be read.
fn copy(address: u64, entries: &mut [Raw]) -> Result {
    let pfn = usize::try_from(address >> bindings::PAGE_SHIFT)?;
    // SAFETY: Any number may be asked for.
    let page = unsafe { ffi::mmlens_pfn_to_online_page(pfn) };
    // SAFETY: Memory that is online has its `struct page`. A table in use keeps its memory online;
    // for what only looks like one, the chance that it goes offline between these two lines is what
    // everybody takes who uses `pfn_to_online_page()` without the lock of memory hotplug.
    if page.is_null() || !unsafe { ffi::mmlens_page_is_usable(page) } {
        return Err(EFAULT);
    }
    // SAFETY: Only an address is computed, of memory that is in the linear map.
    let from = unsafe { ffi::mmlens_phys_to_virt(address) };
    // SAFETY: There is room for so much, and any address may be read from.
    let result = unsafe {
        bindings::copy_from_kernel_nofault(
            entries.as_mut_ptr().cast(),
            from,
            size_of_val(entries), //
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(EFAULT)
    }
}

/// The tables under a range of this module, which stays as long as this object.
pub(crate) struct OwnTables<'a> {
    own: &'a Own,
    tables: KernelTables<'a>,
}

impl<'a> OwnTables<'a> {
    pub(crate) fn new(own: &'a Own, geometry: &'a Geometry, format: Kernel<Native>) -> Self {
        Self {
            own,
            tables: KernelTables::new(geometry, format),
        }
    }
}

impl Tables for OwnTables<'_> {
    type Error = Error;

    /// Errors: `EFAULT` if `va` is not in a range of this module; `EAGAIN` if its tables were
    /// changing all the time.
    fn snapshot(&mut self, va: u64, level: Level, window: &mut [Raw]) -> Result<Snapshot> {
        match self.own.find(va) {
            Some(range) if range.start <= va => match self.tables.try_look(va, level, window)? {
                (snapshot, true) => Ok(snapshot),
                _ => Err(EAGAIN),
            },
            _ => Err(EFAULT),
        }
    }
}
