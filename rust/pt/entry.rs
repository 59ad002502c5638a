// SPDX-License-Identifier: GPL-2.0

//! What one entry of a page table says, independent of the architecture.

use super::softleaf::SoftLeaf;

/// An entry as it stands in the table.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Raw(pub u64);

/// What an entry is.
///
/// The kinds are those of the kernel's own tests, in their order: `*_none()`, `*_present()`,
/// `*_leaf()`, `*_bad()`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Entry {
    /// Nothing is mapped and nothing is remembered (`pte_none()`).
    None,
    /// Not present, but the kernel keeps a note in it: swapped out, under migration, a marker, ...
    NonPresent(SoftLeaf),
    /// Points to a table of the next level.
    Table {
        /// Page frame of that table.
        pfn: u64,
    },
    /// Maps memory: a page at [`Level::Pte`], a huge page above.
    Leaf {
        /// First page frame mapped.
        pfn: u64,
    },
    /// Present, yet neither a leaf nor a table that the kernel would follow (`pmd_bad()`).
    Bad,
}

impl Entry {
    /// The word that the dumps use for the kind.
    pub const fn name(&self) -> &'static str {
        match self {
            Entry::None => "hole",
            Entry::NonPresent(soft) => soft.kind.name(),
            Entry::Table { .. } => "table",
            Entry::Leaf { .. } => "leaf",
            Entry::Bad => "bad",
        }
    }

    /// The page frame that the entry names, if it names one.
    pub fn pfn(&self) -> Option<u64> {
        match self {
            Entry::Table { pfn } | Entry::Leaf { pfn } => Some(*pfn),
            Entry::NonPresent(soft) => soft.pfn(),
            Entry::None | Entry::Bad => None,
        }
    }
}

/// Where an entry keeps the physical address.
///
/// `address = (raw & low) | ((raw & high) << high_shift)`. x86_64 has `high == 0`; arm64 with
/// 52-bit physical addresses keeps the top bits below the bottom ones (`__pte_to_phys()`,
/// `arch/arm64/include/asm/pgtable.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressBits {
    /// Bits that are the address as they stand.
    pub low: u64,
    /// Bits that belong further up.
    pub high: u64,
    /// How much further up.
    pub high_shift: u8,
}

impl AddressBits {
    /// The physical address in `raw`.
    pub const fn address(&self, raw: u64) -> u64 {
        (raw & self.low) | ((raw & self.high) << self.high_shift)
    }

    /// All bits of an entry that belong to the address.
    pub const fn mask(&self) -> u64 {
        self.low | self.high
    }
}

/// What user space may do through an entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rights {
    /// User space may read.
    pub read: bool,
    /// User space may write, or may once the kernel has served the first write.
    pub write: bool,
    /// User space may execute.
    pub exec: bool,
}

impl Rights {
    /// No limits.
    pub const ALL: Rights = Rights {
        read: true,
        write: true,
        exec: true,
    };

    /// What both allow.
    pub const fn and(self, other: Rights) -> Rights {
        Rights {
            read: self.read && other.read,
            write: self.write && other.write,
            exec: self.exec && other.exec,
        }
    }
}
