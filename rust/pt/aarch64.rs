// SPDX-License-Identifier: GPL-2.0

//! arm64 entries (descriptors): stage 1, EL0/EL1, granules of 4K, 16K and 64K.
//!
//! Source: `arch/arm64/include/asm/pgtable-hwdef.h`, `pgtable-prot.h`, `pgtable.h`; Arm ARM,
//! section "Translation table descriptor formats".

use super::{
    bits::{
        Bit,
        Scope, //
    },
    entry::{
        AddressBits,
        Entry,
        Raw,
        Rights, //
    },
    format::Format,
    level::{
        Level,
        LEVELS, //
    },
    memory::{
        mair_type,
        Attributes,
        MemoryType, //
    },
    softleaf::SoftTypes, //
};

pub(super) const VALID: u64 = 1 << 0;
const TYPE_MASK: u64 = 0b11;
/// A page at the lowest level, a table above.
const TYPE_TABLE_OR_PAGE: u64 = 0b11;
const USER: u64 = 1 << 6;
pub(super) const RDONLY: u64 = 1 << 7;
const ATTRINDX_SHIFT: u32 = 2;
const AF: u64 = 1 << 10;
/// Where a valid entry has nG, an entry that is not valid has `PTE_PRESENT_INVALID`: mapped, yet
/// `PROT_NONE`.
const PRESENT_INVALID: u64 = 1 << 11;
pub(super) const DBM: u64 = 1 << 51;
const CONT: u64 = 1 << 52;
pub(super) const PXN: u64 = 1 << 53;
const UXN: u64 = 1 << 54;
const DIRTY: u64 = 1 << 55;
const SPECIAL: u64 = 1 << 56;
const UFFD: u64 = 1 << 58;
const SWP_UFFD: u64 = 1 << 3;

pub(super) const PXN_TABLE: u64 = 1 << 59;
const UXN_TABLE: u64 = 1 << 60;
/// `APTable[0]`: nothing below is for user space.
const NO_USER_TABLE: u64 = 1 << 61;
/// `APTable[1]`: nothing below is writable.
pub(super) const RDONLY_TABLE: u64 = 1 << 62;

const SWP_TYPE_SHIFT: u32 = 6;
const SWP_TYPE_MASK: u64 = 0x1f;
const SWP_OFFSET_SHIFT: u32 = 12;
const SWP_OFFSET_MASK: u64 = (1 << 50) - 1;

/// The arm64 format of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aarch64 {
    /// Where physical addresses are: `PTE_ADDR_LOW` and, with 52-bit physical addresses in use,
    /// `PTE_ADDR_HIGH`.
    pub address: AddressBits,
    /// Entries of a level map `1 << shift[level]` bytes.
    pub shift: [u8; LEVELS],
    /// MAIR_EL1.
    pub mair: Attributes,
    /// What non-present entries mean.
    pub soft: SoftTypes,
}

impl Aarch64 {
    /// Bits below the page frame in an address.
    fn page_shift(&self) -> u32 {
        let [page_shift, ..] = self.shift;
        u32::from(page_shift)
    }
}

/// `pte_dirty()`: dirty for the kernel, or writable and written to by the hardware.
fn is_dirty(raw: u64) -> bool {
    raw & DIRTY != 0 || raw & (DBM | RDONLY) == DBM
}

/// `pte_mkdirty()`.
fn make_dirty(raw: u64) -> u64 {
    let raw = raw | DIRTY;
    if raw & DBM != 0 {
        raw & !RDONLY
    } else {
        raw
    }
}

impl Format for Aarch64 {
    const BITS: &'static [Bit] = &[
        Bit::flag("VALID", 0, Scope::PRESENT),
        // Bit 1 tells a page or table from a block: the level and the kind of the entry say it
        // already.
        Bit::flag("PAGE", 1, Scope::PTE_LEAF),
        Bit::flag("TABLE", 1, Scope::TABLE),
        Bit::field("AttrIndx", 2, 4, Scope::LEAF),
        Bit::flag("NS", 5, Scope::LEAF),
        Bit::flag("USER", 6, Scope::LEAF),
        Bit::flag("RDONLY", 7, Scope::LEAF),
        Bit::field("SH", 8, 9, Scope::LEAF),
        Bit::flag("AF", 10, Scope::PRESENT),
        Bit::flag("nG", 11, Scope::VALID_LEAF),
        Bit::flag("PRESENT_INVALID", 11, Scope::INVALID_LEAF),
        Bit::flag("GP", 50, Scope::LEAF),
        Bit::flag("DBM", 51, Scope::LEAF),
        Bit::flag("CONT", 52, Scope::LEAF),
        Bit::flag("PXN", 53, Scope::LEAF),
        Bit::flag("UXN", 54, Scope::LEAF),
        Bit::flag("dirty", 55, Scope::LEAF),
        Bit::flag("special", 56, Scope::LEAF),
        Bit::flag("uffd-wp", 58, Scope::LEAF),
        Bit::field("POIndex", 60, 62, Scope::LEAF),
        Bit::flag("PXNTable", 59, Scope::TABLE),
        Bit::flag("UXNTable", 60, Scope::TABLE),
        Bit::field("APTable", 61, 62, Scope::TABLE),
        Bit::flag("NSTable", 63, Scope::TABLE),
        Bit::flag("exclusive", 2, Scope::NON_PRESENT),
        Bit::flag("uffd-wp", 3, Scope::NON_PRESENT),
    ];

    const SOFT_NUMBERS: u64 = SWP_TYPE_MASK << SWP_TYPE_SHIFT | SWP_OFFSET_MASK << SWP_OFFSET_SHIFT;

    fn address_bits(&self) -> AddressBits {
        self.address
    }

    /// The size is that of the table and not of the level's name: the top table is a `pgd` whatever
    /// it maps.
    fn leaf_address(&self, _raw: Raw, level: Level) -> u64 {
        let shift = self.shift.get(usize::from(level.number())).copied();
        let below = shift.map_or(0, |s| u64::MAX.checked_shl(u32::from(s)).unwrap_or(0));
        self.address.low & below
    }

    fn decode(&self, raw: Raw, level: Level) -> Entry {
        let Raw(raw) = raw;
        if raw == 0 {
            return Entry::None;
        }
        let is_present = raw & VALID != 0 || raw & PRESENT_INVALID != 0;
        if !is_present {
            let number = ((raw >> SWP_TYPE_SHIFT) & SWP_TYPE_MASK) as u8;
            let offset = (raw >> SWP_OFFSET_SHIFT) & SWP_OFFSET_MASK;
            return Entry::NonPresent(self.soft.decode(number, offset));
        }
        let is_page_or_table = raw & TYPE_MASK == TYPE_TABLE_OR_PAGE;
        let address = self.address.address(raw);
        if level != Level::Pte && is_page_or_table {
            return Entry::Table {
                pfn: address >> self.page_shift(),
            };
        }
        if level == Level::Pte && raw & VALID != 0 && !is_page_or_table {
            return Entry::Bad;
        }
        let leaf = AddressBits {
            low: self.leaf_address(Raw(raw), level),
            ..self.address
        };
        Entry::Leaf {
            pfn: leaf.address(raw) >> self.page_shift(),
        }
    }

    fn rights(&self, raw: Raw, entry: &Entry, _level: Level) -> Rights {
        let Raw(raw) = raw;
        match entry {
            Entry::Leaf { .. } => {
                let valid = raw & VALID != 0;
                let read = valid && raw & USER != 0;
                Rights {
                    read,
                    // DBM is PTE_WRITE: a clean page is read-only until the hardware or a fault
                    // makes it dirty.
                    write: read && (raw & DBM != 0 || raw & RDONLY == 0),
                    // Execute-only memory is not readable: execution has a bit of its own.
                    exec: valid && raw & UXN == 0,
                }
            }
            Entry::Table { .. } => Rights {
                read: raw & NO_USER_TABLE == 0,
                write: raw & (NO_USER_TABLE | RDONLY_TABLE) == 0,
                exec: raw & UXN_TABLE == 0,
            },
            Entry::None | Entry::NonPresent(_) | Entry::Bad => Rights::default(),
        }
    }

    fn memory_type(&self, raw: Raw, _level: Level) -> MemoryType {
        mair_type(self.mair.byte(raw.0 >> ATTRINDX_SHIFT))
    }

    fn is_protnone(&self, raw: Raw) -> bool {
        raw.0 & (VALID | PRESENT_INVALID) == PRESENT_INVALID
    }

    fn is_uffd(&self, raw: Raw) -> bool {
        raw.0 & UFFD != 0
    }

    fn is_swp_uffd(&self, raw: Raw) -> bool {
        raw.0 & SWP_UFFD != 0
    }

    fn is_special(&self, raw: Raw) -> bool {
        raw.0 & SPECIAL != 0
    }

    fn is_accessed(&self, raw: Raw) -> bool {
        raw.0 & AF != 0
    }

    fn is_dirty(&self, raw: Raw) -> bool {
        // The hardware notes it by making the entry writable (`pte_hw_dirty()`).
        raw.0 & DIRTY != 0 || raw.0 & (DBM | RDONLY) == DBM
    }

    fn is_contiguous(&self, raw: Raw) -> bool {
        raw.0 & CONT != 0
    }

    /// `CONT_PTES`, `CONT_PMDS`.
    fn contiguous(&self, level: Level) -> usize {
        match (level, self.page_shift()) {
            (Level::Pte | Level::Pmd, 12) => 16,
            (Level::Pte, 14) => 128,
            (Level::Pmd, 14) | (Level::Pte | Level::Pmd, 16) => 32,
            _ => 1,
        }
    }

    fn gather_contiguous(&self, entries: &mut [Raw], index: usize, level: Level) {
        let block = self.contiguous(level);
        let is_part = |raw: &Raw| raw.0 & (VALID | CONT) == VALID | CONT;
        let mut rest = entries;
        let mut next = block - index % block;
        while !rest.is_empty() {
            let (block_entries, tail) = rest.split_at_mut(next.min(rest.len()));
            let parts = || block_entries.iter().filter(|raw| is_part(raw));
            let young = parts().any(|raw| raw.0 & AF != 0);
            let dirty = parts().any(|raw| is_dirty(raw.0));
            for raw in block_entries.iter_mut().filter(|raw| is_part(raw)) {
                if young {
                    raw.0 |= AF;
                }
                if dirty {
                    raw.0 = make_dirty(raw.0);
                }
            }
            rest = tail;
            next = block;
        }
    }
}
