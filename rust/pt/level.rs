// SPDX-License-Identifier: GPL-2.0

//! The levels of a page table, and how many address bits each one translates.

/// A level of the page table, named as the C types are.
///
/// `Pte` is the lowest. The numbers are those of `enum pgtable_level` and part of the interface
/// with `tables.c`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Level {
    /// Page table entries: each maps one page.
    Pte = 0,
    /// Page middle directory.
    Pmd = 1,
    /// Page upper directory.
    Pud = 2,
    /// Page 4th-level directory.
    P4d = 3,
    /// Page global directory: the table that `mm->pgd` points to.
    Pgd = 4,
}

/// How many levels the kernel's types know.
pub const LEVELS: usize = 5;

impl Level {
    /// All levels from the top down, as the hardware visits them.
    pub const TOP_DOWN: [Level; LEVELS] =
        [Level::Pgd, Level::P4d, Level::Pud, Level::Pmd, Level::Pte];

    /// The level with number `n`.
    pub const fn from_number(n: u8) -> Option<Level> {
        match n {
            0 => Some(Level::Pte),
            1 => Some(Level::Pmd),
            2 => Some(Level::Pud),
            3 => Some(Level::P4d),
            4 => Some(Level::Pgd),
            _ => None,
        }
    }

    /// The number of the level, 0 for `Pte`.
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The C name: `pgd`, `p4d`, `pud`, `pmd` or `pte`.
    pub const fn name(self) -> &'static str {
        match self {
            Level::Pte => "pte",
            Level::Pmd => "pmd",
            Level::Pud => "pud",
            Level::P4d => "p4d",
            Level::Pgd => "pgd",
        }
    }
}

/// The shape of the page tables of a running kernel.
///
/// A value and not a set of constants: x86_64 and arm64 both decide at boot how many levels there
/// are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    shift: [u8; LEVELS],
    folded: [bool; LEVELS],
}

impl Geometry {
    /// Checks and keeps the shape.
    ///
    /// `shift[level]` is the number of low address bits below an entry of the level (`PAGE_SHIFT`,
    /// `PMD_SHIFT`, ...), and `folded[level]` says that the level has no table of its own.
    ///
    /// Returns `None` for shapes that no machine has: a page below 4 KiB, shifts that decrease or
    /// exceed an address, a folded top or bottom level.
    pub fn new(shift: [u8; LEVELS], folded: [bool; LEVELS]) -> Option<Self> {
        let [page, .., top] = shift;
        let ordered = shift.iter().zip(shift.iter().skip(1)).all(|(a, b)| a <= b);
        let [pte_folded, .., pgd_folded] = folded;
        if page < 12 || top > 57 || !ordered || pte_folded || pgd_folded {
            return None;
        }
        Some(Self { shift, folded })
    }

    /// Bytes that one entry of `level` maps.
    pub fn size(&self, level: Level) -> u64 {
        let shift = self.shift.get(usize::from(level.number())).copied();
        1 << shift.unwrap_or(0)
    }

    /// Bytes of a page.
    pub fn page_size(&self) -> u64 {
        self.size(Level::Pte)
    }

    /// Whether `level` has no table of its own on this machine.
    pub fn is_folded(&self, level: Level) -> bool {
        let folded = self.folded.get(usize::from(level.number())).copied();
        folded.unwrap_or(false)
    }

    /// The exclusive end of what the entry of `level` that translates `va` covers.
    pub fn entry_end(&self, va: u64, level: Level) -> u64 {
        (va | (self.size(level) - 1)).saturating_add(1)
    }

    /// The inclusive start of what the entry of `level` that translates `va` covers.
    pub fn entry_start(&self, va: u64, level: Level) -> u64 {
        va & !(self.size(level) - 1)
    }

    /// The levels that have tables of their own, from the top down.
    pub fn levels(&self) -> impl Iterator<Item = Level> + '_ {
        Level::TOP_DOWN.into_iter().filter(|&l| !self.is_folded(l))
    }

    /// The next level below that is not folded, or `None` below `Pte`.
    pub fn below(&self, level: Level) -> Option<Level> {
        self.levels().find(|&l| l < level)
    }
}
