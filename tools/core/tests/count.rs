// SPDX-License-Identifier: GPL-2.0

//! What is counted is what was put into the tables.

mod common;

use common::{machine, Arm, Encode, Machine, Memory, Node, SOFT, X86};
use mmlens_core::pt::{
    count::{Count, Once},
    entry::{Entry, Raw},
    level::Level,
    softleaf::SoftKind,
    walk::{Span, Step},
};
use proptest::prelude::*;
use std::collections::BTreeSet;

/// Counts `start..end` as the module does, but level by level.
fn count<E: Encode>(memory: &mut Memory<E>, start: u64, end: u64, once: &mut Once) -> Count {
    let geometry = memory.machine.geometry;
    let format = memory.machine.encode.format();
    let mut window = [Raw(0); 512];
    let mut sum = Count::default();
    for level in geometry.levels() {
        let mut at = start;
        while at < end {
            let span = Span {
                level,
                start: at,
                end,
            };
            let step = Step::take(&geometry, memory, span, &mut window).unwrap();
            for found in step.found(&format, &geometry, &window) {
                let is_table = matches!(found.entry, Entry::Table { .. });
                if !is_table || once.is_new(&geometry, &found) {
                    sum.add(&format, &geometry, &found);
                }
            }
            at = step.next;
        }
    }
    sum
}

/// The sum by what was put where; `is_dirty` says of which leaves the manual says so.
fn expected<E: Encode>(
    machine: &Machine<E>,
    nodes: &[(u64, Level, Node)],
    start: u64,
    end: u64,
    is_dirty: fn(&Node) -> bool,
) -> Count {
    let geometry = &machine.geometry;
    let mut sum = Count::default();
    let mut tables = BTreeSet::new();
    for &(va, level, node) in nodes {
        let from = geometry.entry_start(va, level).max(start);
        let to = geometry.entry_end(va, level).min(end);
        // Its tables serve the range even where it does not.
        for above in geometry.levels().filter(|&l| l > level) {
            let (first, last) = (
                geometry.entry_start(va, above),
                geometry.entry_end(va, above),
            );
            if first < end && start < last {
                tables.insert((above, first));
            }
        }
        if from >= to {
            continue;
        }
        let pages = (to - from) / geometry.page_size();
        match node {
            Node::Leaf { .. } | Node::ProtNone { .. } => {
                sum.leaves[usize::from(level.number())] += 1;
                sum.present += pages;
                sum.dirty += if is_dirty(&node) { pages } else { 0 };
            }
            Node::Soft { number, .. } => match SOFT.kinds[usize::from(number)] {
                SoftKind::Swap => sum.swap += pages,
                SoftKind::HwPoison => sum.hwpoison += pages,
                SoftKind::Marker => sum.marker += pages,
                SoftKind::MigrationRead
                | SoftKind::MigrationReadExclusive
                | SoftKind::MigrationWrite => sum.migration += pages,
                _ => sum.device += pages,
            },
        }
        match node {
            Node::Leaf { write, .. } => {
                // All of them were encoded as accessed.
                sum.accessed += pages;
                sum.writable += if write { pages } else { 0 };
            }
            Node::ProtNone { .. } => sum.protnone += pages,
            Node::Soft { .. } => {}
        }
    }
    for (level, _) in tables {
        let below = geometry.levels().find(|&l| l < level).unwrap();
        sum.tables[usize::from(below.number())] += 1;
    }
    sum
}

fn nodes() -> impl Strategy<Value = Vec<(u64, bool, Node)>> {
    let node = prop_oneof![
        4 => (any::<bool>(), any::<bool>())
            .prop_map(|(write, exec)| Node::Leaf { pfn: 0x10_0000, write, exec }),
        1 => Just(Node::ProtNone { pfn: 0x10_0000 }),
        2 => (0u8..32, 1u64..99).prop_map(|(number, offset)| Node::Soft { number, offset }),
    ];
    proptest::collection::vec((0u64..1600, any::<bool>(), node), 1..60)
}

fn check<E: Encode>(
    machine: Machine<E>,
    nodes: &[(u64, bool, Node)],
    cuts: &[u64],
    is_dirty: fn(&Node) -> bool,
    is_none_accessed: bool,
) -> Result<(), TestCaseError> {
    let mut memory = Memory::new(machine);
    let page = machine.geometry.page_size();
    let mut put = Vec::new();
    for &(index, huge, node) in nodes {
        // Huge ones are not among the others.
        let (va, level) = match node {
            Node::Leaf { .. } if huge && !machine.geometry.is_folded(Level::Pmd) => {
                let size = machine.geometry.size(Level::Pmd);
                ((index % 4 + 8) * size, Level::Pmd)
            }
            _ => (index * page, Level::Pte),
        };
        if memory.map(va, level, node) {
            put.push((va, level, node));
        }
    }
    let end = machine.geometry.size(Level::Pmd) * 12;
    let whole = count(&mut memory, 0, end, &mut Once::new());
    let mut want = expected(&machine, &put, 0, end, is_dirty);
    if is_none_accessed {
        want.accessed += want.protnone;
    }
    prop_assert_eq!(whole, want);

    // The same memory as neighbouring VMAs: each table counts once.
    let mut once = Once::new();
    let mut sum = Count::default();
    let mut at = 0;
    let mut bounds: Vec<u64> = cuts.iter().map(|cut| cut * page).collect();
    bounds.sort_unstable();
    bounds.push(end);
    for bound in bounds.into_iter().filter(|&b| b <= end) {
        if bound > at {
            sum.merge(&count(&mut memory, at, bound, &mut once));
            at = bound;
        }
    }
    // A huge leaf that is cut is an entry of both.
    sum.leaves = whole.leaves;
    prop_assert_eq!(sum, whole);
    Ok(())
}

proptest! {
    #[test]
    fn x86_64_is_counted(nodes in nodes(), cuts in proptest::collection::vec(1u64..6000, 0..9)) {
        // D is never set, A always.
        check(machine(X86, 12, 4, 47), &nodes, &cuts, |_| false, true)?;
        check(machine(X86, 12, 5, 56), &nodes, &cuts, |_| false, true)?;
    }

    #[test]
    fn aarch64_is_counted(nodes in nodes(), cuts in proptest::collection::vec(1u64..6000, 0..9)) {
        let arm = |page_shift, levels, pa52| Arm { page_shift, pa52, levels };
        // Writable by DBM and not read-only: the hardware's way to say dirty.
        let is_dirty = |node: &Node| matches!(node, Node::Leaf { write: true, .. });
        check(machine(arm(12, 3, false), 12, 3, 39), &nodes, &cuts, is_dirty, false)?;
        check(machine(arm(12, 5, true), 12, 5, 52), &nodes, &cuts, is_dirty, false)?;
        check(machine(arm(16, 2, false), 16, 2, 42), &nodes, &cuts, is_dirty, false)?;
    }
}

#[test]
fn words_leave_out_what_is_not_there() {
    let words = |count: &Count| {
        let mut text = String::new();
        count.write_words(&mut text).unwrap();
        text
    };
    assert_eq!(words(&Count::default()), "");
    let count = Count {
        present: 520,
        dirty: 8,
        swap: 3,
        leaves: [8, 1, 0, 0, 0],
        tables: [1, 1, 1, 0, 0],
        ..Count::default()
    };
    assert_eq!(words(&count), " present=520 dirty=8 swap=3 pmd=1 tables=3");
}
