// SPDX-License-Identifier: GPL-2.0

//! Snapshots of the page tables of a process. The look itself is in `tables.c`, where the rules
//! are.

use super::{
    brief::brief,
    vmas::{
        MmapReadLock,
        VmaInfo, //
    }, //
};
use crate::{
    ffi::{
        self,
        uapi::mmlens_vma, //
    },
    pt::{
        entry::{
            AddressBits,
            Raw, //
        },
        level::{
            Geometry,
            Level,
            LEVELS, //
        },
        memory::Attributes,
        page::PageKind,
        scan::{
            Masks,
            Same, //
        },
        softleaf::{
            SoftKind,
            SoftTypes, //
        },
        walk::{
            Snapshot,
            Tables, //
        },
        Native, //
    },
    text::vma_flags::VmaFlags, //
};
use core::ops::Range;
use kernel::{
    mm::virt::VmaRef,
    prelude::*, //
};

/// Entries copied at one time: a table of 4K.
pub(crate) const WINDOW: usize = 512;

/// Lets others run between two looks at the tables.
///
/// Errors: `EINTR` if this task is being killed.
pub(crate) fn breathe() -> Result {
    // SAFETY: Callers may sleep: they are about to take the mmap lock.
    unsafe { ffi::mmlens_cond_resched() };
    // SAFETY: Always fine.
    if unsafe { ffi::mmlens_fatal_signal_pending() } {
        return Err(EINTR);
    }
    Ok(())
}

/// What one has to know of this machine to read its page tables.
pub(crate) fn machine() -> ffi::mmlens_machine {
    let mut machine = ffi::mmlens_machine::default();
    // SAFETY: The function fills the struct.
    unsafe { ffi::mmlens_read_machine(&raw mut machine) };
    machine
}

fn shifts(machine: &ffi::mmlens_machine) -> [u8; LEVELS] {
    let [pte, pmd, pud, p4d, pgd, ..] = machine.shift;
    [pte, pmd, pud, p4d, pgd]
}

/// How this kernel lays out page tables, and the format of the entries.
pub(crate) fn native() -> Result<(Geometry, Native)> {
    let raw = machine();
    let shift = shifts(&raw);
    let mut folded = [false; LEVELS];
    for (level, folded) in folded.iter_mut().enumerate() {
        *folded = raw.folded >> level & 1 != 0;
    }
    let geometry = Geometry::new(shift, folded).ok_or(ENODEV)?;
    let address = AddressBits {
        low: raw.address_low,
        high: raw.address_high,
        high_shift: raw.address_high_shift,
    };
    Ok((geometry, native_format(address, &raw)))
}

fn soft_types(raw: &ffi::mmlens_machine) -> SoftTypes {
    SoftTypes {
        kinds: raw.soft.map(SoftKind::from_number),
        pfn_bits: raw.soft_pfn_bits,
    }
}

#[cfg(target_arch = "x86_64")]
fn native_format(address: AddressBits, raw: &ffi::mmlens_machine) -> Native {
    Native {
        address,
        encryption: raw.encryption,
        pat: Attributes(raw.attributes),
        soft: soft_types(raw),
        has_pti: raw.has_pti != 0,
        has_shadow_stack: raw.has_shadow_stack != 0,
    }
}

#[cfg(target_arch = "aarch64")]
fn native_format(address: AddressBits, raw: &ffi::mmlens_machine) -> Native {
    Native {
        address,
        shift: shifts(raw),
        mair: Attributes(raw.attributes),
        soft: soft_types(raw),
    }
}

/// What kind of page the frame `pfn` is, at a glance: it may have become another one since.
pub(crate) fn page_kind(pfn: u64) -> PageKind {
    // SAFETY: May be called with any number.
    PageKind::from_number(unsafe { ffi::mmlens_page_kind(pfn as usize) })
}

/// The tables under one VMA, which is locked.
pub(crate) struct VmaTables<'a> {
    lock: &'a MmapReadLock<'a>,
    vma: &'a VmaRef,
    geometry: &'a Geometry,
}

impl<'a> VmaTables<'a> {
    /// The tables that serve the VMA that contains `va`, or else the next one above.
    pub(crate) fn find(
        lock: &'a MmapReadLock<'a>,
        va: u64,
        geometry: &'a Geometry,
    ) -> Option<Self> {
        Some(Self::of(lock, lock.find_vma(va)?, geometry))
    }

    /// The tables that serve `vma`, which was found under `lock`.
    pub(crate) fn of(lock: &'a MmapReadLock<'a>, vma: &'a VmaRef, geometry: &'a Geometry) -> Self {
        Self {
            lock,
            vma,
            geometry,
        }
    }

    /// First address of the VMA.
    pub(crate) fn start(&self) -> u64 {
        self.vma.start() as u64
    }

    /// Exclusive end of the VMA.
    pub(crate) fn end(&self) -> u64 {
        self.vma.end() as u64
    }
}

/// What it takes to summarise tables ([`VmaTables::scan`]).
pub(crate) struct Scan(ffi::mmlens_scan);

impl Scan {
    /// Leaves are alike if they agree in `masks`.
    pub(crate) fn new(masks: &Masks) -> Self {
        Self(ffi::mmlens_scan {
            mask: masks.0,
            shift: machine().shift,
        })
    }
}

impl VmaTables<'_> {
    /// `vm_flags`.
    pub(crate) fn flags(&self) -> VmaFlags {
        VmaFlags(self.vma.flags() as u64)
    }

    /// The VMA in numbers.
    pub(crate) fn brief(&self) -> mmlens_vma {
        brief(self.vma)
    }

    /// A copy of what there is to say of the VMA.
    pub(crate) fn info(&self) -> VmaInfo {
        VmaInfo::read(self.lock, self.vma)
    }

    /// Whether it is of anonymous memory (`vma_is_anonymous()`).
    pub(crate) fn is_anonymous(&self) -> bool {
        // SAFETY: The VMA is locked.
        unsafe { (*self.vma.as_ptr()).vm_ops.is_null() }
    }

    /// Copies the entries of `level` for `range`, which are of the one table that serves `va`, also
    /// those that serve no VMA: the VMA at `va` keeps the table.
    ///
    /// Errors: `EFAULT` if `va` is not in the VMA or not in the range, `EINVAL` if the entries are of
    /// more than one table or do not fit.
    pub(crate) fn whole(
        &self,
        range: Range<u64>,
        va: u64,
        level: Level,
        window: &mut [Raw],
    ) -> Result<Snapshot> {
        if va < self.start() || va >= self.end() || !range.contains(&va) {
            return Err(EFAULT);
        }
        let above = self.geometry.levels().take_while(|&l| l > level).last();
        let table = |va| above.map_or(0, |above| self.geometry.entry_start(va, above));
        let size = self.geometry.size(level);
        let max = range.end.saturating_sub(range.start).div_ceil(size);
        let max = usize::try_from(max)?;
        if table(range.start) != table(va)
            || table(range.end - 1) != table(va)
            || max > window.len()
        {
            return Err(EINVAL);
        }
        let entries = window.get_mut(..max).ok_or(EINVAL)?;
        // SAFETY: The range is in one table with `va`, which is in the VMA, as was checked.
        let mut first = unsafe { self.read(range.start, level, entries) }?;
        // A top table that serves for a folded level is read entry by entry.
        while first.count > 0 && first.count < max {
            let at = range.start + first.count as u64 * size;
            let rest = window.get_mut(first.count..max).ok_or(EINVAL)?;
            // SAFETY: The same: `at` is still in the range.
            match unsafe { self.read(at, level, rest) }?.count {
                0 => break,
                more => first.count += more,
            }
        }
        Ok(first)
    }

    /// Copies entries of `level` from the one that translates `va` on.
    ///
    /// # Safety
    ///
    /// `va` is in the VMA, or its entry is in a table that serves an address in the VMA.
    unsafe fn read(&self, va: u64, level: Level, window: &mut [Raw]) -> Result<Snapshot> {
        let mut raw = ffi::mmlens_snapshot::default();
        // SAFETY: The mmap lock is held, and by the caller's promise the tables on the way to `va` serve
        // a VMA found under it; the window has as much room as is said.
        // CAST: `Raw` is transparent.
        unsafe {
            ffi::mmlens_read_tables(
                self.lock.mm().as_raw(),
                va as usize,
                u32::from(level.number()),
                window.len().min(WINDOW) as u32,
                &raw mut raw,
                window.as_mut_ptr().cast(),
            )
        };
        snapshot(&raw)
    }

    /// Summarises the entries that `va` ends at, of interest up to `end`, and returns the look and
    /// how many of `same` it filled.
    ///
    /// Errors: `EFAULT` if `va` is not in the VMA or not below `end`, `EINVAL` if there is no room.
    pub(crate) fn scan(
        &self,
        scan: &Scan,
        va: u64,
        end: u64,
        same: &mut [Same],
    ) -> Result<(Snapshot, usize)> {
        let end = end.min(self.end());
        if va < self.start() || va >= end {
            return Err(EFAULT);
        }
        let max = same.len().min(WINDOW);
        if max == 0 {
            return Err(EINVAL);
        }
        let mut raw = ffi::mmlens_snapshot::default();
        // SAFETY: The mmap lock is held, `va` is in a VMA found under it, and `end` not above that;
        // there is room for `max` runs.
        // CAST: `Same` has the layout of the C struct.
        let runs = unsafe {
            ffi::mmlens_scan_tables(
                self.lock.mm().as_raw(),
                va as usize,
                end as usize,
                &raw const scan.0,
                max as u32,
                &raw mut raw,
                same.as_mut_ptr().cast(),
            )
        };
        Ok((snapshot(&raw)?, runs as usize))
    }
}

/// What C has found.
fn snapshot(raw: &ffi::mmlens_snapshot) -> Result<Snapshot> {
    let reached = u8::try_from(raw.reached).ok().and_then(Level::from_number);
    Ok(Snapshot {
        reached: reached.ok_or(EFAULT)?,
        count: raw.nr as usize,
        address: raw.address,
        path: raw.path.map(Raw),
    })
}

impl Tables for VmaTables<'_> {
    type Error = Error;

    /// Errors: `EFAULT` if `va` is not in the VMA, `EINVAL` if the window is empty.
    fn snapshot(&mut self, va: u64, level: Level, window: &mut [Raw]) -> Result<Snapshot> {
        let end = self.end();
        if va < self.start() || va >= end {
            return Err(EFAULT);
        }
        // Entries that serve addresses behind the VMA belong to somebody else.
        let entries =
            (end - self.geometry.entry_start(va, level)).div_ceil(self.geometry.size(level));
        let entries = usize::try_from(entries).unwrap_or(WINDOW).min(WINDOW);
        let max = entries.min(window.len());
        if max == 0 {
            return Err(EINVAL);
        }

        let window = window.get_mut(..max).ok_or(EINVAL)?;
        // SAFETY: `va` is in the VMA, as was checked.
        unsafe { self.read(va, level, window) }
    }
}
