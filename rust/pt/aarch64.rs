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
        Rights,
        SoftLeaf, //
    },
    format::Format,
    level::{
        Level,
        LEVELS, //
    }, //
};

const VALID: u64 = 1 << 0;
const TYPE_MASK: u64 = 0b11;
/// A page at the lowest level, a table above.
const TYPE_TABLE_OR_PAGE: u64 = 0b11;
const USER: u64 = 1 << 6;
const RDONLY: u64 = 1 << 7;
/// Where a valid entry has nG, an entry that is not valid has `PTE_PRESENT_INVALID`: mapped, yet
/// `PROT_NONE`.
const PRESENT_INVALID: u64 = 1 << 11;
const DBM: u64 = 1 << 51;
const UXN: u64 = 1 << 54;

const SWP_TYPE_SHIFT: u32 = 6;
const SWP_TYPE_MASK: u64 = 0x1f;
const SWP_OFFSET_SHIFT: u32 = 12;
const SWP_OFFSET_MASK: u64 = (1 << 50) - 1;

/// The arm64 format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Aarch64 {
    address: AddressBits,
    shift: [u8; LEVELS],
}

impl Aarch64 {
    /// The format of a machine whose entries map `1 << shift[level]` bytes, and keep physical
    /// addresses in `address`: `PTE_ADDR_LOW` and, with 52-bit physical addresses in use,
    /// `PTE_ADDR_HIGH`.
    pub const fn new(address: AddressBits, shift: [u8; LEVELS]) -> Self {
        Self { address, shift }
    }

    /// Bits below the page frame in an address.
    fn page_shift(&self) -> u32 {
        let [page_shift, ..] = self.shift;
        u32::from(page_shift)
    }

    /// Page frame of a leaf: the address, without what the leaf translates itself.
    ///
    /// The size is that of the table and not of the level's name: the top table is a `pgd`
    /// whatever it maps.
    fn leaf_pfn(&self, address: u64, level: Level) -> u64 {
        let shift = self.shift.get(usize::from(level.number())).copied();
        let below = shift.map_or(0, |s| u64::MAX.checked_shl(u32::from(s)).unwrap_or(0));
        (address & below) >> self.page_shift()
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
        Bit::flag("nG", 11, Scope::LEAF),
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

    fn address_bits(&self) -> AddressBits {
        self.address
    }

    fn decode(&self, raw: Raw, level: Level) -> Entry {
        let Raw(raw) = raw;
        if raw == 0 {
            return Entry::None;
        }
        let is_present = raw & VALID != 0 || raw & PRESENT_INVALID != 0;
        if !is_present {
            return Entry::NonPresent(SoftLeaf {
                kind: ((raw >> SWP_TYPE_SHIFT) & SWP_TYPE_MASK) as u8,
                offset: (raw >> SWP_OFFSET_SHIFT) & SWP_OFFSET_MASK,
            });
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
        Entry::Leaf {
            pfn: self.leaf_pfn(address, level),
        }
    }

    fn rights(&self, raw: Raw) -> Rights {
        let Raw(raw) = raw;
        let valid = raw & VALID != 0;
        let read = valid && raw & USER != 0;
        Rights {
            read,
            // DBM is PTE_WRITE: a clean page is read-only until the hardware or a fault makes it
            // dirty.
            write: read && (raw & DBM != 0 || raw & RDONLY == 0),
            // Execute-only memory is not readable: execution has a bit of its own.
            exec: valid && raw & UXN == 0,
        }
    }
}
