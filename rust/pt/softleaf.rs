// SPDX-License-Identifier: GPL-2.0

//! Entries that are not present, yet say something: `softleaf_t`.
//!
//! Source: `include/linux/leafops.h`, `swapops.h` and `swap.h`. The type numbers depend on the
//! kernel's configuration, so they come from the running kernel.

use core::fmt;

/// What a non-present entry stands for. The numbers are part of the interface with `tables.c`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum SoftKind {
    /// A type that this kernel has no meaning for.
    #[default]
    Unknown = 0,
    /// A page in a swap area.
    Swap = 1,
    /// A page on its way to another frame, mapped read-only.
    MigrationRead = 2,
    /// The same, an anonymous page that only this process has.
    MigrationReadExclusive = 3,
    /// The same, mapped writable.
    MigrationWrite = 4,
    /// A page in the memory of a device, mapped read-only.
    DevicePrivateRead = 5,
    /// The same, mapped writable.
    DevicePrivateWrite = 6,
    /// A page that a device has for itself.
    DeviceExclusive = 7,
    /// A page that was lost to a memory error.
    HwPoison = 8,
    /// No page: a note that the kernel left ([`MARKERS`]).
    Marker = 9,
}

impl SoftKind {
    /// The kind with number `n`; [`SoftKind::Unknown`] for others.
    pub const fn from_number(n: u8) -> Self {
        match n {
            1 => Self::Swap,
            2 => Self::MigrationRead,
            3 => Self::MigrationReadExclusive,
            4 => Self::MigrationWrite,
            5 => Self::DevicePrivateRead,
            6 => Self::DevicePrivateWrite,
            7 => Self::DeviceExclusive,
            8 => Self::HwPoison,
            9 => Self::Marker,
            _ => Self::Unknown,
        }
    }

    /// The word for the kind in the dumps.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "nonpresent",
            Self::Swap => "swap",
            Self::MigrationRead | Self::MigrationReadExclusive | Self::MigrationWrite => {
                "migration"
            }
            Self::DevicePrivateRead | Self::DevicePrivateWrite | Self::DeviceExclusive => "device",
            Self::HwPoison => "hwpoison",
            Self::Marker => "marker",
        }
    }

    /// What tells kinds of the same name apart.
    const fn variant(self) -> &'static str {
        match self {
            Self::MigrationRead => " read",
            Self::MigrationReadExclusive => " read-exclusive",
            Self::MigrationWrite => " write",
            Self::DevicePrivateRead => " private-read",
            Self::DevicePrivateWrite => " private-write",
            Self::DeviceExclusive => " exclusive",
            Self::Unknown | Self::Swap | Self::HwPoison | Self::Marker => "",
        }
    }

    /// Whether the offset holds a page frame (`softleaf_has_pfn()`).
    const fn has_pfn(self) -> bool {
        !matches!(self, Self::Unknown | Self::Swap | Self::Marker)
    }

    const fn is_migration(self) -> bool {
        matches!(
            self,
            Self::MigrationRead | Self::MigrationReadExclusive | Self::MigrationWrite
        )
    }
}

/// How many type numbers there are (`1 << MAX_SWAPFILES_SHIFT`).
pub const SOFT_TYPES: usize = 32;

/// What the type numbers of a kernel mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftTypes {
    /// The meaning of each `swp_type()`.
    pub kinds: [SoftKind; SOFT_TYPES],
    /// How many low bits of the offset are the page frame, where there is one (`SWP_PFN_BITS`).
    pub pfn_bits: u8,
}

impl SoftTypes {
    /// The entry with these two numbers.
    pub fn decode(&self, number: u8, offset: u64) -> SoftLeaf {
        let kind = self.kinds.get(usize::from(number)).copied();
        let kind = kind.unwrap_or_default();
        let mask = 1u64
            .checked_shl(u32::from(self.pfn_bits))
            .map_or(u64::MAX, |bit| bit - 1);
        let (place, flags) = match kind {
            SoftKind::Marker => (None, offset),
            kind if kind.has_pfn() => (
                Some(offset & mask),
                (offset & !mask)
                    .checked_shr(u32::from(self.pfn_bits))
                    .unwrap_or(0),
            ),
            _ => (Some(offset), 0),
        };
        SoftLeaf {
            kind,
            number,
            place,
            flags,
        }
    }
}

/// A non-present entry, decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SoftLeaf {
    /// What it stands for.
    pub kind: SoftKind,
    /// `swp_type()`: of a swapped page the number of the swap area.
    pub number: u8,
    /// What grows from one page to the next: the slot in the swap area or the page frame. Of
    /// anything unknown `swp_offset()`.
    pub place: Option<u64>,
    /// What else the entry says: [`MARKERS`], or of a migration entry [`YOUNG`] and [`DIRTY`].
    pub flags: u64,
}

/// The page had been accessed (`SWP_MIG_YOUNG`).
const YOUNG: u64 = 1 << 0;
/// The page had been written to (`SWP_MIG_DIRTY`).
const DIRTY: u64 = 1 << 1;

/// The bits of a marker (`PTE_MARKER_*`, `include/linux/swapops.h`): write protection by
/// userfaultfd of a page that is not there, an address whose access is to fail, a guard region.
const MARKERS: [(u64, &str); 3] = [(UFFD, "uffd-wp"), (POISONED, "poisoned"), (GUARD, "guard")];
const UFFD: u64 = 1 << 0;
const POISONED: u64 = 1 << 1;
const GUARD: u64 = 1 << 2;
const MIGRATION: [(u64, &str); 2] = [(YOUNG, "young"), (DIRTY, "dirty")];

impl SoftLeaf {
    /// The page frame that it names.
    pub fn pfn(&self) -> Option<u64> {
        self.place.filter(|_| self.kind.has_pfn())
    }

    /// Whether it is the marker of a guard region.
    pub const fn is_guard(&self) -> bool {
        matches!(self.kind, SoftKind::Marker) && self.flags & GUARD != 0
    }

    /// Whether it is a marker that makes accesses fail.
    pub const fn is_poisoned(&self) -> bool {
        matches!(self.kind, SoftKind::Marker) && self.flags & POISONED != 0
    }

    /// Whether it is the marker of a userfaultfd, for a page that is not there.
    pub const fn is_uffd_marker(&self) -> bool {
        matches!(self.kind, SoftKind::Marker) && self.flags & UFFD != 0
    }

    /// Whether `other` says the same, but for the place.
    pub fn is_like(&self, other: &SoftLeaf) -> bool {
        (self.kind, self.number, self.flags) == (other.kind, other.number, other.flags)
    }

    /// Writes what the name of the kind leaves out, each word with a space before it. `in_order`
    /// says that the places follow one another, if there are several.
    pub fn write_words(&self, out: &mut dyn fmt::Write, in_order: bool) -> fmt::Result {
        out.write_str(self.kind.variant())?;
        let names: &[(u64, &str)] = match self.kind {
            SoftKind::Marker => &MARKERS,
            kind if kind.is_migration() => &MIGRATION,
            SoftKind::Swap | SoftKind::Unknown => {
                write!(out, " type={}", self.number)?;
                match self.place {
                    Some(place) if in_order => write!(out, " offset={place:#x}")?,
                    _ => out.write_str(" offset=scattered")?,
                }
                &[]
            }
            _ => &[],
        };
        for (_, name) in names.iter().filter(|(bit, _)| self.flags & bit != 0) {
            write!(out, " {name}")?;
        }
        match self.flags & !names.iter().fold(0, |mask, (bit, _)| mask | bit) {
            0 => Ok(()),
            rest => write!(out, " flags={rest:#x}"),
        }
    }
}
