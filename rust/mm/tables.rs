// SPDX-License-Identifier: GPL-2.0

//! Snapshots of the page tables of a process. The look itself is in `tables.c`, where the rules
//! are.

use super::vmas::MmapReadLock;
use crate::{
    ffi,
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
        softleaf::{
            SoftKind,
            SoftTypes, //
        },
        walk::{
            Snapshot,
            Tables, //
        },
        Native, //
    }, //
};
use kernel::{
    mm::virt::VmaRef,
    prelude::*, //
};

/// Entries copied at one time: a table of 4K. Also the bound of what happens with interrupts off.
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
        let vma = lock.find_vma(va)?;
        Some(Self {
            lock,
            vma,
            geometry,
        })
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

        let mut raw = ffi::mmlens_snapshot::default();
        // SAFETY: The mmap lock is held and `va` is in a VMA found under it; the window has room
        // for `max` entries.
        // CAST: `Raw` is transparent.
        unsafe {
            ffi::mmlens_read_tables(
                self.lock.mm().as_raw(),
                va as usize,
                u32::from(level.number()),
                max as u32,
                &raw mut raw,
                window.as_mut_ptr().cast(),
            )
        };
        let reached = u8::try_from(raw.reached).ok().and_then(Level::from_number);
        Ok(Snapshot {
            reached: reached.ok_or(EFAULT)?,
            count: raw.nr as usize,
            address: raw.address,
            path: raw.path.map(Raw),
        })
    }
}
