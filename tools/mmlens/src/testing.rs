// SPDX-License-Identifier: GPL-2.0

//! For tests: a machine, and entries as its kernel writes them.

use crate::{
    error::Result,
    extent::{Extent, Places, Shape},
    snapshot::{Head, Source, TableUse, VERSION},
};
use mmlens_core::pt::facts::Facts;
use mmlens_device::{Arch, Machine, Vma};

pub const PAGE: u64 = 4096;

/// An x86_64 machine with 4 levels.
pub fn machine() -> Machine {
    let mut soft = [1; 32];
    soft[31] = 9;
    Machine {
        arch: Arch::X86_64,
        shift: [12, 21, 30, 39, 39],
        folded: [false, false, false, true, false],
        has_pti: false,
        has_shadow_stack: false,
        attributes: 0x0407_0506_0007_0106,
        address_low: 0x000f_ffff_ffff_f000,
        address_high: 0,
        address_high_shift: 0,
        encryption: 0,
        soft_pfn_bits: 40,
        soft,
    }
}

/// A user's page: P US A NX.
pub fn leaf(pfn: u64) -> u64 {
    1 << 63 | pfn << 12 | 0x25
}

/// A page in a swap area.
pub fn swap(number: u64, slot: u64) -> u64 {
    number << 59 | (!slot << 14 >> 5 & ((1 << 59) - 1) & !0x1ff)
}

/// A snapshot in memory.
#[derive(Clone, Debug)]
pub struct Made {
    pub head: Head,
    pub vmas: Vec<Vma>,
    pub runs: Vec<Extent>,
    pub tables: Vec<TableUse>,
    next: (usize, usize),
}

impl Made {
    pub fn new(vmas: Vec<Vma>, runs: Vec<Extent>) -> Self {
        Self {
            head: Head {
                version: VERSION,
                pid: 42,
                comm: "made".into(),
                kernel: "7.3.0".into(),
                time: 1_700_000_000,
                machine: machine(),
            },
            vmas,
            runs,
            tables: vec![TableUse {
                start: 0,
                at: 0x1000,
                level: 4,
                entries: 512,
                used: 2,
            }],
            next: (0, 0),
        }
    }
}

impl Source for Made {
    fn head(&self) -> &Head {
        &self.head
    }

    fn vmas(&self) -> &[Vma] {
        &self.vmas
    }

    fn shape(&self) -> Shape {
        Shape::of(&self.head.machine).unwrap()
    }

    fn run(&mut self) -> Result<Option<Extent>> {
        let run = self.runs.get(self.next.0).cloned();
        self.next.0 += usize::from(run.is_some());
        Ok(run)
    }

    fn table(&mut self) -> Result<Option<TableUse>> {
        let table = self.tables.get(self.next.1).copied();
        self.next.1 += usize::from(table.is_some());
        Ok(table)
    }
}

/// A VMA of these pages, `rw-p` if nothing else is said.
pub fn vma(start: u64, end: u64, name: &str) -> Vma {
    Vma {
        start: start * PAGE,
        end: end * PAGE,
        flags: 3,
        pgoff: start,
        facts: 1,
        name: name.as_bytes().to_vec(),
        ..Vma::default()
    }
}

/// What a user's anonymous page is like.
pub const ANON: Facts = Facts(
    Facts::PTE.0
        | Facts::PRESENT.0
        | Facts::READ.0
        | Facts::WRITE.0
        | Facts::ACCESSED.0
        | Facts::DIRTY.0
        | Facts::WB.0
        | Facts::PAGE_ANON.0,
);

/// Pages from one number to another, at frames from `frame` on.
pub fn run(start: u64, end: u64, facts: Facts, frame: u64) -> Extent {
    Extent {
        start: start * PAGE,
        end: end * PAGE,
        raw: leaf(frame),
        facts,
        places: Places::From(frame),
    }
}
