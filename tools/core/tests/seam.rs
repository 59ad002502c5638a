// SPDX-License-Identifier: GPL-2.0

//! Levels fit if the tables are the same all the time, and not if something changed between them.

mod common;

use common::{
    contents::{arm_machines, contents, fill, x86_machines},
    two_huge_pages, Encode, Memory, Node,
};
use mmlens_core::pt::{
    entry::{Entry, Raw},
    level::Level,
    seam::Seam,
    walk::{Span, Step},
};
use proptest::prelude::*;
use std::ops::Range;

/// Looks at all levels of `range`, at each in the memory that `at` has for it, and returns those
/// that do not fit.
fn torn<'a, E: Encode + 'a>(
    range: Range<u64>,
    window: usize,
    at: impl Fn(Level) -> &'a Memory<E>,
) -> Vec<Level> {
    let machine = at(Level::Pgd).machine;
    let (geometry, format) = (machine.geometry, machine.encode.format());
    let mut window = vec![Raw(0); window];
    let mut seam = Seam::new(&range);
    let mut levels = Vec::new();
    for level in geometry.levels() {
        let mut memory = at(level).clone();
        let mut va = range.start;
        while va < range.end {
            let span = Span {
                level,
                start: va,
                end: range.end,
            };
            let step = Step::take(&geometry, &mut memory, span, &mut window).unwrap();
            if step.reached() == level {
                seam.look(&(va..step.next));
            }
            for found in step.found(&format, &geometry, &window) {
                if matches!(found.entry, Entry::Table { .. }) {
                    seam.lead(&(found.start..found.end));
                }
            }
            va = step.next;
        }
        if !seam.descend() {
            levels.push(level);
        }
    }
    levels
}

fn check<E: Encode>(memory: &Memory<E>, window: usize) -> Result<(), TestCaseError> {
    let end = 1 << memory.machine.va_bits;
    prop_assert_eq!(torn(0x10000..end, window, |_| memory), []);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn what_stays_fits(x86 in x86_machines(), arm in arm_machines(), contents in contents(),
                       window in 1usize..600) {
        check(&fill(x86, &contents), window)?;
        check(&fill(arm, &contents), window)?;
    }
}

/// The second of two huge pages, split.
fn split() -> Memory<common::X86> {
    let mut memory = Memory::new(two_huge_pages().machine);
    let leaf = |pfn| Node::Leaf {
        pfn,
        write: true,
        exec: false,
    };
    assert!(memory.map(0x20_0000, Level::Pmd, leaf(0x4000)));
    for page in 0..512 {
        assert!(memory.map(0x40_0000 + (page << 12), Level::Pte, leaf(0x4200 + page)));
    }
    memory
}

#[test]
fn what_is_split_or_collapsed_does_not() {
    let (huge, split) = (two_huge_pages(), split());
    let range = 0x20_0000..0x60_0000;
    for window in [1, 7, 512] {
        for memory in [&huge, &split] {
            assert_eq!(torn(range.clone(), window, |_| memory), []);
        }
        // Shown at both levels, and at neither.
        for (early, late) in [(&huge, &split), (&split, &huge)] {
            let changed = |level| if level > Level::Pte { early } else { late };
            assert_eq!(torn(range.clone(), window, changed), [Level::Pte]);
            // Of what is not looked at, it does not matter.
            assert_eq!(torn(0x20_0000..0x40_0000, window, changed), []);
        }
    }
}

#[test]
fn as_much_here_as_there_does_not() {
    // One is split while another one is collapsed.
    let mut other = Memory::new(two_huge_pages().machine);
    let leaf = |pfn| Node::Leaf {
        pfn,
        write: true,
        exec: false,
    };
    assert!(other.map(0x40_0000, Level::Pmd, leaf(0x4200)));
    for page in 0..512 {
        assert!(other.map(0x20_0000 + (page << 12), Level::Pte, leaf(0x4000 + page)));
    }
    let split = split();
    let changed = |level| if level > Level::Pte { &split } else { &other };
    assert_eq!(
        torn(0x20_0000..0x60_0000, 512, changed),
        [Level::Pte],
        "the sums of bytes would be the same"
    );
}
