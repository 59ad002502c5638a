// SPDX-License-Identifier: GPL-2.0

//! The way down to an address.

mod common;

use common::{address, machine, Encode, Machine, Memory, Node, ARM_4K, X86};
use mmlens_core::pt::{
    entry::{Entry, Raw},
    level::Level,
    walk::{Snapshot, Tables},
    way::Way,
};
use proptest::prelude::*;

const LEAF: Node = Node::Leaf {
    pfn: 0x40_0000,
    write: true,
    exec: false,
};

fn check_way<E: Encode>(machine: Machine<E>, va: u64, offset: u64, level: Level) {
    let geometry = machine.geometry;
    let format = machine.encode.format();
    let mut memory = Memory::new(machine);
    assert!(memory.map(va, level, LEAF));
    let va = va + offset % geometry.page_size();
    let way = Way::down(&geometry, &format, &mut memory, va, &(0..u64::MAX)).unwrap();
    assert!(way.is_steady);
    let levels: Vec<Level> = way.iter().map(|found| found.level).collect();
    let expected: Vec<Level> = geometry.levels().filter(|&l| l >= level).collect();
    assert_eq!(levels, expected);
    for found in way.iter() {
        assert_eq!(found.at, address(va, found.level, &geometry));
        assert_eq!(found.start, geometry.entry_start(va, found.level));
        let is_table = matches!(found.entry, Entry::Table { .. });
        assert_eq!(is_table, found.level > level);
        assert_eq!(way.at(found.level), Some(found));
    }
    let end = way.end().unwrap();
    assert_eq!(end.level, level);
    let in_leaf = va & (geometry.size(level) - 1);
    let physical = 0x40_0000 * geometry.page_size() + in_leaf;
    assert_eq!(way.physical(&geometry, va), Some(physical));

    // Cut to the VMA.
    let page = va & !(geometry.page_size() - 1);
    let bounds = page..page + geometry.page_size();
    let way = Way::down(&geometry, &format, &mut memory, va, &bounds).unwrap();
    for found in way.iter() {
        assert_eq!((found.start, found.end), (bounds.start, bounds.end));
    }
    assert_eq!(way.physical(&geometry, va), Some(physical));
}

proptest! {
    #[test]
    fn the_way_down(page in 0u64..1 << 34, offset: u64) {
        for level in [Level::Pte, Level::Pmd] {
            let x86 = machine(X86, 12, 5, 56);
            check_way(x86, x86.geometry.entry_start(page << 12, level), offset, level);
            let arm = machine(ARM_4K, 12, 4, 48);
            check_way(arm, arm.geometry.entry_start(page << 12, level), offset, level);
        }
    }
}

#[test]
fn a_way_that_ends_early() {
    let machine = machine(X86, 12, 4, 47);
    let geometry = machine.geometry;
    let format = X86.format();
    let mut memory = Memory::new(machine);
    let way = Way::down(&geometry, &format, &mut memory, 0x1000, &(0..u64::MAX)).unwrap();
    assert_eq!(way.iter().count(), 1);
    assert_eq!(way.end().map(|f| f.entry), Some(Entry::None));
    assert_eq!(way.physical(&geometry, 0x1000), None);
    let swap = Node::Soft {
        number: 3,
        offset: 77,
    };
    assert!(memory.map(0x1000, Level::Pte, swap));
    let way = Way::down(&geometry, &format, &mut memory, 0x1234, &(0..u64::MAX)).unwrap();
    assert_eq!(way.iter().count(), 4);
    assert!(way.is_steady);
    assert_eq!(way.physical(&geometry, 0x1234), None);
}

/// Tables that are one thing at odd looks and another at even ones.
struct Flickering {
    tables: [Memory<X86>; 2],
    looks: usize,
    changes: usize,
}

impl Tables for Flickering {
    type Error = ();

    fn snapshot(&mut self, va: u64, level: Level, window: &mut [Raw]) -> Result<Snapshot, ()> {
        let which = if self.looks < self.changes {
            self.looks % 2
        } else {
            0
        };
        self.looks += 1;
        self.tables[which].snapshot(va, level, window)
    }
}

#[test]
fn a_way_that_changes_is_gone_again_or_said_to_change() {
    let machine = machine(X86, 12, 4, 47);
    let geometry = machine.geometry;
    let mut small = Memory::new(machine);
    let mut huge = Memory::new(machine);
    assert!(small.map(0x1000, Level::Pte, LEAF));
    assert!(huge.map(0, Level::Pmd, LEAF));
    for changes in 0..40 {
        let tables = [small.clone(), huge.clone()];
        let mut tables = Flickering {
            tables,
            looks: 0,
            changes,
        };
        let way = Way::down(
            &geometry,
            &X86.format(),
            &mut tables,
            0x1000,
            &(0..u64::MAX),
        )
        .unwrap();
        if way.is_steady {
            // As one of the two, and no mixture.
            let end = way.end().unwrap().level;
            assert_eq!(way.iter().count(), if end == Level::Pte { 4 } else { 3 });
            assert!(way.physical(&geometry, 0x1000).is_some());
        } else {
            assert!(changes > 1);
        }
    }
}
