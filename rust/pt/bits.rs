// SPDX-License-Identifier: GPL-2.0

//! The declarative tables of bit names, and how an entry is spelled with them.
//!
//! One row for each flag and field, after `struct ptdump_prot_bits`
//! (`arch/arm64/include/asm/ptdump.h`). What no row covers is printed as a number: nothing is
//! dropped.

use super::{
    entry::{
        Entry,
        Raw, //
    },
    level::Level, //
};
use core::fmt;

/// Where a [`Bit`] applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope {
    kinds: u8,
    levels: u8,
}

const VALID_LEAF: u8 = 1;
const TABLE: u8 = 2;
const NON_PRESENT: u8 = 4;
const INVALID_LEAF: u8 = 8;
const LEAF: u8 = VALID_LEAF | INVALID_LEAF;

/// Set in what the hardware looks at: P on x86_64, VALID on arm64.
const VALID: u64 = 1 << 0;

const PTE: u8 = 1;
const UPPER: u8 = 0b11110;

impl Scope {
    /// Leaves at every level.
    pub const LEAF: Scope = Scope::new(LEAF, PTE | UPPER);
    /// Leaves that the hardware sees.
    pub const VALID_LEAF: Scope = Scope::new(VALID_LEAF, PTE | UPPER);
    /// Leaves that only the kernel sees: `PROT_NONE`, a NUMA hint.
    pub const INVALID_LEAF: Scope = Scope::new(INVALID_LEAF, PTE | UPPER);
    /// Leaves at [`Level::Pte`].
    pub const PTE_LEAF: Scope = Scope::new(LEAF, PTE);
    /// Leaves above [`Level::Pte`].
    pub const HUGE_LEAF: Scope = Scope::new(LEAF, UPPER);
    /// Entries that point to a table.
    pub const TABLE: Scope = Scope::new(TABLE, UPPER);
    /// Leaves and entries that point to a table.
    pub const PRESENT: Scope = Scope::new(LEAF | TABLE, PTE | UPPER);
    /// Entries that are not present.
    pub const NON_PRESENT: Scope = Scope::new(NON_PRESENT, PTE | UPPER);

    const fn new(kinds: u8, levels: u8) -> Self {
        Self { kinds, levels }
    }

    /// Where an entry is: of one kind, at one level.
    fn of(raw: Raw, entry: &Entry, level: Level) -> Self {
        let kinds = match entry {
            Entry::Leaf { .. } if raw.0 & VALID != 0 => VALID_LEAF,
            Entry::Leaf { .. } => INVALID_LEAF,
            Entry::Table { .. } => TABLE,
            Entry::NonPresent(_) => NON_PRESENT,
            Entry::None | Entry::Bad => 0,
        };
        Self::new(kinds, 1 << level.number())
    }

    const fn covers(self, other: Scope) -> bool {
        self.kinds & other.kinds != 0 && self.levels & other.levels != 0
    }
}

/// One flag or field of an entry.
#[derive(Clone, Copy, Debug)]
pub struct Bit {
    /// The name of the architecture's manual, or of the C constant for software bits.
    pub name: &'static str,
    /// The bits that it occupies.
    pub mask: u64,
    /// In which entries it has this meaning.
    pub scope: Scope,
    /// Whether it is a number (printed `name=value` when not zero) or a flag (printed when set).
    pub is_field: bool,
}

impl Bit {
    /// A flag: one bit, printed when set.
    pub const fn flag(name: &'static str, bit: u32, scope: Scope) -> Self {
        Self {
            name,
            mask: 1 << bit,
            scope,
            is_field: false,
        }
    }

    /// A field: the bits `first..=last`, printed as a number when not zero.
    pub const fn field(name: &'static str, first: u32, last: u32, scope: Scope) -> Self {
        Self {
            name,
            mask: (u64::MAX << first) & (u64::MAX >> (63 - last)),
            scope,
            is_field: true,
        }
    }
}

/// Writes the names of what is set in `raw`, each with a space before it, and the unnamed rest as
/// `other=0x...`.
///
/// Only bits of `shown` are looked at: the rest of the entry is an address or numbers that the
/// caller writes.
pub fn write_names(
    out: &mut dyn fmt::Write,
    table: &[Bit],
    raw: Raw,
    entry: &Entry,
    level: Level,
    shown: u64,
) -> fmt::Result {
    let shown = raw.0 & shown;
    let here = Scope::of(raw, entry, level);
    let mut rest = shown;
    for bit in table {
        let value = shown & bit.mask;
        if value == 0 || !bit.scope.covers(here) {
            continue;
        }
        rest &= !bit.mask;
        out.write_str(" ")?;
        out.write_str(bit.name)?;
        if bit.is_field {
            write!(out, "={}", value >> bit.mask.trailing_zeros())?;
        }
    }
    match rest {
        0 => Ok(()),
        rest => write!(out, " other={rest:#x}"),
    }
}
