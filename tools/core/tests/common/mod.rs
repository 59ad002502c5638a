// SPDX-License-Identifier: GPL-2.0

//! Page tables in ordinary memory, encoded by hand from the manuals: nothing here uses the decoder.

#![allow(dead_code)] // Each test uses its part.

pub mod contents;

use mmlens_core::pt::{
    aarch64::Aarch64,
    entry::{AddressBits, Raw},
    level::{Geometry, Level},
    memory::Attributes,
    softleaf::{SoftKind, SoftTypes},
    walk::{Snapshot, Tables},
    x86_64::X86_64,
};
use std::collections::BTreeMap;

/// The type numbers of a kernel with all options, include/linux/swap.h: 24 swap areas, hwpoison, three
/// of migration, three of devices, the marker. Frames of 40 bits.
pub const SOFT: SoftTypes = {
    let mut kinds = [SoftKind::Swap; 32];
    kinds[24] = SoftKind::HwPoison;
    kinds[25] = SoftKind::MigrationRead;
    kinds[26] = SoftKind::MigrationReadExclusive;
    kinds[27] = SoftKind::MigrationWrite;
    kinds[28] = SoftKind::DevicePrivateWrite;
    kinds[29] = SoftKind::DevicePrivateRead;
    kinds[30] = SoftKind::DeviceExclusive;
    kinds[31] = SoftKind::Marker;
    SoftTypes {
        kinds,
        pfn_bits: 40,
    }
};

/// What an entry is to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Node {
    /// A page or huge page at a frame, writable or not, executable or not.
    Leaf { pfn: u64, write: bool, exec: bool },
    /// `PROT_NONE`: mapped, but not for the hardware.
    ProtNone { pfn: u64 },
    /// Not present: a swap type and an offset.
    Soft { number: u8, offset: u64 },
}

/// How an architecture writes entries.
pub trait Encode: Copy {
    type Format: mmlens_core::pt::format::Format + std::fmt::Debug;
    fn format(&self) -> Self::Format;
    fn table(&self, pfn: u64) -> u64;
    fn node(&self, level: Level, node: Node) -> u64;
}

/// x86_64, Intel SDM volume 3, tables 4-15 to 4-20; swap entries after arch/x86/include/asm/pgtable_64.h.
#[derive(Clone, Copy, Debug)]
pub struct X86;

pub const X86_ADDRESS: AddressBits = AddressBits {
    low: 0x000f_ffff_ffff_f000,
    high: 0,
    high_shift: 0,
};

impl Encode for X86 {
    type Format = X86_64;

    fn format(&self) -> X86_64 {
        X86_64 {
            address: X86_ADDRESS,
            encryption: 0,
            // WB WC UC- UC WB WP UC- WT: arch/x86/mm/pat/memtype.c.
            pat: Attributes(0x0407_0506_0007_0106),
            soft: SOFT,
            has_pti: false,
            has_shadow_stack: true,
        }
    }

    fn table(&self, pfn: u64) -> u64 {
        pfn << 12 | 0x67 // P RW US A D
    }

    fn node(&self, level: Level, node: Node) -> u64 {
        let huge = if level == Level::Pte { 0 } else { 1 << 7 };
        match node {
            Node::Leaf { pfn, write, exec } => {
                let nx = if exec { 0 } else { 1 << 63 };
                pfn << 12 | 0x25 | u64::from(write) << 1 | huge | nx
            }
            // The frame is inverted, bit 8 is set, P is not.
            Node::ProtNone { pfn } => (!(pfn << 12) & X86_ADDRESS.low) | 0x120 | huge,
            Node::Soft { number, offset } => {
                u64::from(number) << 59 | (!offset << 14 >> 5 & ((1 << 59) - 1) & !0x1ff)
            }
        }
    }
}

/// arm64, Arm ARM D8.3; swap entries after arch/arm64/include/asm/pgtable.h.
#[derive(Clone, Copy, Debug)]
pub struct Arm {
    pub page_shift: u8,
    /// Whether bits 49 to 51 of addresses are in use, and kept below.
    pub pa52: bool,
    /// How many levels of tables there are.
    pub levels: usize,
}

/// The usual one: pages of 4K, addresses of 48 bits.
pub const ARM_4K: Arm = Arm {
    page_shift: 12,
    pa52: false,
    levels: 4,
};

impl Arm {
    fn address(&self, pfn: u64) -> u64 {
        let pa = pfn << self.page_shift;
        match (self.page_shift, self.pa52) {
            (_, false) => pa,
            // 64K: PA[51:48] in bits 15:12.
            (16, true) => (pa & 0x0000_ffff_ffff_0000) | (pa >> 48 & 0xf) << 12,
            // 4K and 16K with LPA2: PA[51:50] in bits 9:8.
            (_, true) => (pa & 0x0003_ffff_ffff_f000) | (pa >> 50 & 0x3) << 8,
        }
    }
}

impl Encode for Arm {
    type Format = Aarch64;

    fn format(&self) -> Aarch64 {
        let page = (1u64 << self.page_shift) - 1;
        let bits = match (self.page_shift, self.pa52) {
            (16, true) => AddressBits {
                low: 0x0000_ffff_ffff_0000,
                high: 0xf000,
                high_shift: 36,
            },
            (_, true) => AddressBits {
                low: 0x0003_ffff_ffff_ffff & !page,
                high: 0x300,
                high_shift: 42,
            },
            (_, false) => AddressBits {
                low: 0x0000_ffff_ffff_ffff & !page,
                high: 0,
                high_shift: 0,
            },
        };
        Aarch64 {
            address: bits,
            shift: shifts(self.page_shift, self.levels),
            // Normal, Tagged, NC, nGnRnE, nGnRE: arch/arm64/include/asm/memory.h, MT_*.
            mair: Attributes(0x0000_0004_0044_f0ff),
            soft: SOFT,
        }
    }

    fn table(&self, pfn: u64) -> u64 {
        self.address(pfn) | 3
    }

    fn node(&self, level: Level, node: Node) -> u64 {
        let kind = if level == Level::Pte { 3 } else { 1 };
        match node {
            Node::Leaf { pfn, write, exec } => {
                let dbm = if write { 1 << 51 } else { 1 << 7 };
                let uxn = if exec { 0 } else { 1 << 54 };
                // AF, nG, USER, PXN.
                self.address(pfn) | kind | 1 << 10 | 1 << 11 | 1 << 6 | 1 << 53 | dbm | uxn
            }
            // Not valid, but with PTE_PRESENT_INVALID (bit 11).
            Node::ProtNone { pfn } => self.address(pfn) | (kind & !1) | 1 << 11 | 1 << 7,
            Node::Soft { number, offset } => u64::from(number) << 6 | offset << 12,
        }
    }
}

/// A machine: how it encodes, and the shape of its tables.
#[derive(Clone, Copy, Debug)]
pub struct Machine<E> {
    pub encode: E,
    pub geometry: Geometry,
    /// Bits of a user address.
    pub va_bits: u32,
}

/// Address bits below an entry of each level. With fewer levels the top table is still called pgd,
/// and folded levels have its shift.
fn shifts(page_shift: u8, levels: usize) -> [u8; 5] {
    let step = usize::from(page_shift) - 3;
    [0, 1, 2, 3, 4].map(|level: usize| page_shift + (step * level.min(levels - 1)) as u8)
}

/// The machine with these levels.
pub fn machine<E: Encode>(encode: E, page_shift: u8, levels: usize, va_bits: u32) -> Machine<E> {
    let shift = shifts(page_shift, levels);
    let folded = [false, levels < 3, levels < 4, levels < 5, false];
    Machine {
        encode,
        geometry: Geometry::new(shift, folded).expect("a shape that exists"),
        va_bits,
    }
}

/// Tables in ordinary memory.
#[derive(Clone, Debug)]
pub struct Memory<E> {
    pub machine: Machine<E>,
    /// Entries by level and the start of what they cover; a table is there if an entry below needs it.
    entries: BTreeMap<(Level, u64), u64>,
    next_table: u64,
}

impl<E: Encode> Memory<E> {
    pub fn new(machine: Machine<E>) -> Self {
        Self {
            machine,
            entries: BTreeMap::new(),
            next_table: 0x1000,
        }
    }

    /// Puts `node` where `va` is translated at `level`, unless something is mapped above or below already.
    pub fn map(&mut self, va: u64, level: Level, node: Node) -> bool {
        let geometry = self.machine.geometry;
        let start = geometry.entry_start(va, level);
        let end = geometry.entry_end(va, level);
        let taken = self
            .entries
            .keys()
            .any(|&(l, s)| l < level && s >= start && s < end)
            || self.entries.contains_key(&(level, start));
        if taken {
            return false;
        }
        let above: Vec<Level> = geometry.levels().filter(|&l| l > level).collect();
        for &l in &above {
            let key = (l, geometry.entry_start(va, l));
            if let Some(&raw) = self.entries.get(&key) {
                if !self.is_table(raw) {
                    return false;
                }
            }
        }
        for l in above {
            let key = (l, geometry.entry_start(va, l));
            self.next_table += 1;
            let table = self.machine.encode.table(self.next_table);
            self.entries.entry(key).or_insert(table);
        }
        let raw = self.machine.encode.node(level, node);
        self.entries.insert((level, start), raw);
        true
    }

    /// Tables are the only entries with these frames.
    fn is_table(&self, raw: u64) -> bool {
        (0x1000..=self.next_table).any(|pfn| raw == self.machine.encode.table(pfn))
    }

    fn raw(&self, level: Level, va: u64) -> u64 {
        let start = self.machine.geometry.entry_start(va, level);
        self.entries.get(&(level, start)).copied().unwrap_or(0)
    }

    /// All entries of `level`, in address order, as (start, raw).
    pub fn of_level(&self, level: Level) -> Vec<(u64, u64)> {
        let all = self.entries.iter();
        all.filter(|((l, _), _)| *l == level)
            .map(|((_, va), raw)| (*va, *raw))
            .collect()
    }
}

/// Where the entry lies that translates `va`: any function of the two that grows by 8 will do.
pub fn address(va: u64, level: Level, geometry: &Geometry) -> u64 {
    (u64::from(level.number()) << 60) + va / geometry.size(level) * 8
}

impl<E: Encode> Tables for Memory<E> {
    type Error = ();

    fn snapshot(&mut self, va: u64, level: Level, window: &mut [Raw]) -> Result<Snapshot, ()> {
        let geometry = self.machine.geometry;
        let mut path = [Raw(0); 5];
        for l in geometry.levels() {
            if l == level {
                // A table covers what the entry above it does; the top one, everything.
                let above = geometry.levels().filter(|&a| a > l).last();
                let end = above.map_or(u64::MAX, |a| geometry.entry_end(va, a));
                let mut count = 0;
                let mut at = geometry.entry_start(va, l);
                while count < window.len() && at < end {
                    window[count] = Raw(self.raw(l, at));
                    count += 1;
                    at = at.saturating_add(geometry.size(l));
                }
                return Ok(Snapshot {
                    reached: l,
                    count,
                    address: address(va, l, &geometry),
                    path,
                });
            }
            path[usize::from(l.number())] = Raw(self.raw(l, va));
            if !self.is_table(self.raw(l, va)) {
                return Ok(Snapshot {
                    reached: l,
                    count: 0,
                    address: 0,
                    path,
                });
            }
        }
        Err(())
    }
}

/// Two huge pages from 2M on, one behind the other also in memory.
pub fn two_huge_pages() -> Memory<X86> {
    let mut memory = Memory::new(machine(X86, 12, 4, 47));
    for (va, pfn) in [(0x20_0000, 0x4000), (0x40_0000, 0x4200)] {
        let leaf = Node::Leaf {
            pfn,
            write: true,
            exec: false,
        };
        assert!(memory.map(va, Level::Pmd, leaf));
    }
    memory
}
