// SPDX-License-Identifier: GPL-2.0

//! x86_64 entries, 4 and 5 levels.
//!
//! Source: `arch/x86/include/asm/pgtable_types.h`, `pgtable.h`, `pgtable_64.h`, `pgtable-invert.h`;
//! Intel SDM volume 3, section "4-Level Paging and 5-Level Paging".

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
    level::Level,
    memory::{
        pat_type,
        Attributes,
        MemoryType, //
    },
    softleaf::SoftTypes, //
};

pub(super) const PRESENT: u64 = 1 << 0;
pub(super) const RW: u64 = 1 << 1;
const USER: u64 = 1 << 2;
const PWT: u64 = 1 << 3;
const PCD: u64 = 1 << 4;
const ACCESSED: u64 = 1 << 5;
const DIRTY: u64 = 1 << 6;
/// The entry of an upper level is a leaf.
pub(super) const PSE: u64 = 1 << 7;
const PAT: u64 = 1 << 7;
const PAT_LARGE: u64 = 1 << 12;
/// Where a present entry has G, an entry that is not present has `_PAGE_PROTNONE`: mapped, yet
/// `PROT_NONE`.
const PROTNONE: u64 = 1 << 8;
const SPECIAL: u64 = 1 << 9;
const UFFD: u64 = 1 << 10;
const SOFT_DIRTY: u64 = 1 << 11;
const SWP_SOFT_DIRTY: u64 = 1 << 1;
const SWP_UFFD: u64 = 1 << 2;
pub(super) const NX: u64 = 1 << 63;
/// Where the dirty bit is kept of what is not writable, which with it would be a shadow stack.
const SAVED_DIRTY: u64 = 1 << 58;
/// `_KERNPG_TABLE`.
const TABLE: u64 = PRESENT | RW | ACCESSED | DIRTY;

/// Erratum: a processor may set A and D in an entry that is not there (`_PAGE_KNL_ERRATUM_MASK`).
const NONE_IGNORES: u64 = ACCESSED | DIRTY;

const SWP_TYPE_BITS: u32 = 5;
const SWP_OFFSET_SHIFT: u32 = 9 + SWP_TYPE_BITS;

/// The x86_64 format of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct X86_64 {
    /// Where physical addresses are (`PTE_PFN_MASK`), which leaves out the encryption bit.
    pub address: AddressBits,
    /// The memory encryption bit, 0 if there is none (`sme_me_mask`).
    pub encryption: u64,
    /// The PAT MSR.
    pub pat: Attributes,
    /// What non-present entries mean.
    pub soft: SoftTypes,
    /// Page-table isolation: user space runs on a copy of the top table, and the kernel's has NX.
    pub has_pti: bool,
    /// User shadow stacks: pages that are dirty and not writable are theirs.
    pub has_shadow_stack: bool,
}

impl X86_64 {
    /// What the kernel would not follow (`pgd_bad()`, `p4d_bad()`, `pud_bad()`, `pmd_bad()`).
    fn is_bad(&self, raw: u64, level: Level) -> bool {
        let flags = raw & !self.address.mask() & !self.encryption;
        match level {
            Level::Pte => false,
            Level::Pmd => flags & !(USER | ACCESSED) != PRESENT | RW | DIRTY,
            Level::Pud => flags & !(TABLE | USER) != 0,
            // With page-table isolation the kernel's copy of user entries is NX.
            Level::P4d => flags & !(TABLE | USER | NX) != 0,
            Level::Pgd => flags & !(USER | NX) != TABLE,
        }
    }

    /// Page frame of a leaf or of the table that the entry points to.
    pub(super) fn pfn(&self, raw: u64, level: Level, is_leaf: bool) -> u64 {
        // Entries that are not present hold the frame inverted, so that they name no memory that a
        // speculating processor could reach (L1TF, pgtable-invert.h).
        let raw = if raw & PRESENT == 0 { !raw } else { raw };
        let below = if is_leaf { below(level) } else { 0 };
        (raw & self.address.low & !below) >> 12
    }
}

/// The bits below the size of a leaf.
const fn below(level: Level) -> u64 {
    match level {
        Level::Pte => (1 << 12) - 1,
        Level::Pmd => (1 << 21) - 1,
        Level::Pud | Level::P4d | Level::Pgd => (1 << 30) - 1,
    }
}

impl Format for X86_64 {
    const BITS: &'static [Bit] = &[
        Bit::flag("P", 0, Scope::PRESENT),
        Bit::flag("RW", 1, Scope::PRESENT),
        Bit::flag("US", 2, Scope::PRESENT),
        Bit::flag("PWT", 3, Scope::PRESENT),
        Bit::flag("PCD", 4, Scope::PRESENT),
        Bit::flag("A", 5, Scope::PRESENT),
        Bit::flag("D", 6, Scope::PRESENT),
        Bit::flag("PAT", 7, Scope::PTE_LEAF),
        Bit::flag("PSE", 7, Scope::HUGE_LEAF),
        Bit::flag("PAT", 12, Scope::HUGE_LEAF),
        Bit::flag("G", 8, Scope::VALID_LEAF),
        Bit::flag("PROTNONE", 8, Scope::INVALID_LEAF),
        Bit::flag("special", 9, Scope::LEAF),
        Bit::flag("uffd-wp", 10, Scope::LEAF),
        Bit::flag("soft-dirty", 11, Scope::LEAF),
        Bit::flag("saved-dirty", 58, Scope::LEAF),
        Bit::field("pkey", 59, 62, Scope::LEAF),
        Bit::flag("NX", 63, Scope::PRESENT),
        Bit::flag("soft-dirty", 1, Scope::NON_PRESENT),
        Bit::flag("uffd-wp", 2, Scope::NON_PRESENT),
        Bit::flag("exclusive", 3, Scope::NON_PRESENT),
    ];

    /// The type in the top bits, and the offset from bit 9 on, inverted.
    const SOFT_NUMBERS: u64 = u64::MAX << (SWP_OFFSET_SHIFT - SWP_TYPE_BITS);

    fn address_bits(&self) -> AddressBits {
        self.address
    }

    fn leaf_address(&self, raw: Raw, level: Level) -> u64 {
        let below = self.address.low & below(level);
        // hugetlb has PROT_NONE inverted as it does it for small pages, down to bit 12.
        if raw.0 & PRESENT == 0 && raw.0 & below == below {
            self.address.low
        } else {
            // Bit 12 of a huge leaf is PAT.
            self.address.low & !below
        }
    }

    fn decode(&self, raw: Raw, level: Level) -> Entry {
        let Raw(raw) = raw;
        if raw & !NONE_IGNORES == 0 {
            return Entry::None;
        }
        let present = match level {
            Level::Pte => PRESENT | PROTNONE,
            // A huge page being split or changed is not P, yet mapped (`pmd_present()`).
            Level::Pmd => PRESENT | PROTNONE | PSE,
            // A huge page of hugetlbfs that is PROT_NONE, which hugetlb asks `pte_present()` of.
            Level::Pud => PRESENT | PROTNONE,
            Level::P4d | Level::Pgd => PRESENT,
        };
        if raw & present == 0 {
            let number = (raw >> (64 - SWP_TYPE_BITS)) as u8;
            let offset = !raw << SWP_TYPE_BITS >> SWP_OFFSET_SHIFT;
            return Entry::NonPresent(self.soft.decode(number, offset));
        }
        let is_leaf = match level {
            Level::Pte => true,
            Level::Pmd | Level::Pud => raw & PSE != 0,
            Level::P4d | Level::Pgd => false,
        };
        if is_leaf {
            return Entry::Leaf {
                pfn: self.pfn(raw, level, true),
            };
        }
        if self.is_bad(raw, level) {
            return Entry::Bad;
        }
        Entry::Table {
            pfn: self.pfn(raw, level, false),
        }
    }

    fn rights(&self, raw: Raw, entry: &Entry, level: Level) -> Rights {
        let Raw(raw) = raw;
        let nx = match entry {
            Entry::Leaf { .. } => NX,
            // The copy of the top table that user space runs on has no NX.
            Entry::Table { .. } if level == Level::Pgd && self.has_pti => 0,
            Entry::Table { .. } => NX,
            Entry::None | Entry::NonPresent(_) | Entry::Bad => return Rights::default(),
        };
        let user = raw & (PRESENT | USER) == PRESENT | USER;
        Rights {
            read: user,
            write: user && raw & RW != 0,
            exec: user && raw & nx == 0,
        }
    }

    fn memory_type(&self, raw: Raw, level: Level) -> MemoryType {
        let Raw(raw) = raw;
        let pat = if level == Level::Pte { PAT } else { PAT_LARGE };
        let pat = pat & !self.leaf_address(Raw(raw), level);
        let bit = |mask: u64, value: u64| if raw & mask != 0 { value } else { 0 };
        pat_type(self.pat.byte(bit(pat, 4) | bit(PCD, 2) | bit(PWT, 1)))
    }

    fn is_protnone(&self, raw: Raw) -> bool {
        raw.0 & (PRESENT | PROTNONE) == PROTNONE
    }

    fn is_uffd(&self, raw: Raw) -> bool {
        raw.0 & UFFD != 0
    }

    fn is_special(&self, raw: Raw) -> bool {
        raw.0 & SPECIAL != 0
    }

    fn is_accessed(&self, raw: Raw) -> bool {
        raw.0 & ACCESSED != 0
    }

    fn is_dirty(&self, raw: Raw) -> bool {
        raw.0 & (DIRTY | SAVED_DIRTY) != 0
    }

    fn encryption(&self) -> u64 {
        self.encryption
    }

    fn is_soft_dirty(&self, raw: Raw) -> bool {
        raw.0 & SOFT_DIRTY != 0
    }

    fn is_shadow_stack(&self, raw: Raw) -> bool {
        self.has_shadow_stack && raw.0 & (PRESENT | USER | RW | DIRTY) == PRESENT | USER | DIRTY
    }

    fn is_swp_uffd(&self, raw: Raw) -> bool {
        raw.0 & SWP_UFFD != 0
    }

    fn is_swp_soft_dirty(&self, raw: Raw) -> bool {
        raw.0 & SWP_SOFT_DIRTY != 0
    }
}
