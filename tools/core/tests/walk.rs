// SPDX-License-Identifier: GPL-2.0

//! Whole tables: what the walk finds is what was put there, and runs are what merging its entries gives.

mod common;

use common::{
    address,
    contents::{arm_machines, contents, fill, x86_machines},
    machine, two_huge_pages, Encode, Memory, Node, X86,
};
use mmlens_core::pt::{
    coalesce::{neighbours, Coalesce, Run},
    entry::{Entry, Raw, Rights},
    format::Format,
    level::Level,
    page::PageKind,
    position::Position,
    scan::Masks,
    show::{write_run, Context, Lines},
    walk::{Found, Span, Step},
};
use proptest::prelude::*;

/// All entries of a level in a range that are reached, by steps of `window` entries.
fn entries<E: Encode>(memory: &mut Memory<E>, span: Span, window: usize) -> Vec<Found> {
    let geometry = memory.machine.geometry;
    let format = memory.machine.encode.format();
    let mut window = vec![Raw(0); window];
    let mut all = Vec::new();
    let mut at = span.start;
    while at < span.end {
        let step = Step::take(&geometry, memory, Span { start: at, ..span }, &mut window).unwrap();
        all.extend(step.found(&format, &geometry, &window));
        assert!(step.next > at, "a step goes forward");
        at = step.next;
    }
    all
}

/// All runs of a level in a range, as the module collects them: what is in the window is not read
/// again.
fn runs<E: Encode>(memory: &mut Memory<E>, span: Span, window: usize) -> Vec<Run> {
    let geometry = memory.machine.geometry;
    let format = memory.machine.encode.format();
    let mut window = vec![Raw(0); window];
    let mut all = Vec::new();
    let mut last: Option<Step> = None;
    let mut at = span.start;
    let masks = Masks::new(&format, 0);
    while at < span.end {
        let mut run = Coalesce::new(format, geometry);
        at = loop {
            let kept = last.and_then(|s| s.from(&geometry, span.level, at));
            let step = kept.unwrap_or_else(|| {
                Step::take(&geometry, memory, Span { start: at, ..span }, &mut window).unwrap()
            });
            last = Some(step);
            let mut is_over = false;
            while let Some(rest) = step.from(&geometry, span.level, at) {
                let Some(found) = rest.found(&format, &geometry, &window).next() else {
                    break;
                };
                let (end, raws) = (rest.span().end, &window[rest.range()]);
                let pages = vec![PageKind::Unknown; raws.len()];
                let (found, same) =
                    neighbours(&format, &geometry, &masks, &found, end, raws, &pages);
                is_over = !run.add_alike(&found, same.count.into(), same.is_in_order());
                if is_over {
                    break;
                }
                at = found.end;
            }
            if !is_over {
                at = step.next;
            }
            if is_over || at >= span.end {
                break at;
            }
        };
        all.extend(run.run().copied());
    }
    all
}

fn check<E: Encode>(memory: &mut Memory<E>, window: usize) -> Result<(), TestCaseError> {
    let machine = memory.machine;
    let levels: Vec<Level> = machine.geometry.levels().collect();
    for level in levels {
        let span = Span {
            level,
            start: 0x10000,
            end: 1 << machine.va_bits,
        };
        let found = entries(memory, span, window);
        let expected = memory.of_level(level);
        let got: Vec<(u64, u64)> = found
            .iter()
            .filter(|f| f.entry != Entry::None)
            .map(|f| (machine.geometry.entry_start(f.start, level), f.raw.0))
            .collect();
        prop_assert_eq!(&got, &expected, "level {}", level.name());
        for f in &found {
            let start = machine.geometry.entry_start(f.start, level);
            prop_assert_eq!(f.at, address(start, level, &machine.geometry));
            // The tables of these machines take nothing away.
            prop_assert_eq!(f.limits, Rights::ALL);
        }

        check_runs(memory, span, window, &found)?;
    }
    check_above(memory)
}

/// A look at the lowest level has seen what is above: the same as a look at each of them.
fn check_above<E: Encode>(memory: &mut Memory<E>) -> Result<(), TestCaseError> {
    let (geometry, format) = (memory.machine.geometry, memory.machine.encode.format());
    let levels: Vec<Level> = geometry.levels().collect();
    let pages = memory.of_level(Level::Pte);
    for va in pages.iter().map(|&(va, _)| va).chain([1 << 30, 3 << 21]) {
        let range = va..va + geometry.page_size();
        let mut take = |level| {
            let (start, end) = (range.start, range.end);
            let mut entry = [Raw(0)];
            let step = Step::take(&geometry, memory, Span { level, start, end }, &mut entry);
            let step = step.unwrap();
            let found = step.found(&format, &geometry, &entry).next();
            (step, found)
        };
        let (lowest, _) = take(Level::Pte);
        for &level in levels.iter().filter(|&&level| level > Level::Pte) {
            let above = lowest.snapshot().above(&format, &geometry, level, &range);
            prop_assert_eq!(above, take(level).1.map(|found| Found { at: 0, ..found }));
        }
        let pte = lowest
            .snapshot()
            .above(&format, &geometry, Level::Pte, &range);
        prop_assert_eq!(pte, None);
    }
    Ok(())
}

/// Runs are the entries, merged as far as their lines look the same.
fn check_runs<E: Encode>(
    memory: &mut Memory<E>,
    span: Span,
    window: usize,
    found: &[Found],
) -> Result<(), TestCaseError> {
    let format = memory.machine.encode.format();
    let page = memory.machine.geometry.page_size();
    let runs = runs(memory, span, window);
    let mut lines = Lines::default();
    for run in &runs {
        let mut line = String::new();
        write_run(&mut line, &format, &Context::default(), run).unwrap();
        let remembered = lines.run(&format, &Context::default(), run).unwrap();
        prop_assert_eq!(remembered.as_str(), &line);
    }
    let mut rest = found;
    for run in &runs {
        let (members, others) = rest.split_at(run.entries as usize);
        rest = others;
        prop_assert_eq!(run.first.start, members[0].start);
        prop_assert_eq!(run.first.at, members[0].at);
        prop_assert_eq!(run.first.end, members.last().unwrap().end);
        let mut contiguous = true;
        for pair in members.windows(2) {
            prop_assert_eq!(pair[0].end, pair[1].start);
            prop_assert!(alike(&format, &pair[0], &pair[1]));
            let pages = (pair[1].start - pair[0].start) / page;
            contiguous &= match (pair[0].entry, pair[1].entry) {
                (Entry::Table { pfn: a }, Entry::Table { pfn: b }) => b == a + 1,
                (Entry::Leaf { pfn: a }, Entry::Leaf { pfn: b }) => b == a + pages,
                (Entry::NonPresent(a), Entry::NonPresent(b)) => {
                    a.place.map(|a| a + pages) == b.place
                }
                (a, b) => a == b,
            };
        }
        prop_assert_eq!(run.contiguous, contiguous);
        if let Some(next) = others.first() {
            let last = members.last().unwrap();
            prop_assert!(
                last.end != next.start || !alike(&format, last, next),
                "a run ends too early"
            );
        }
    }
    prop_assert!(rest.is_empty());
    Ok(())
}

/// Whether two entries have the same kind and the same bits, the frame aside.
fn alike<F: Format>(format: &F, a: &Found, b: &Found) -> bool {
    let kind = match (a.entry, b.entry) {
        (Entry::NonPresent(a), Entry::NonPresent(b)) => {
            (a.kind, a.number, a.flags) == (b.kind, b.number, b.flags)
        }
        (a, b) => a.name() == b.name(),
    };
    let flags = format.flag_bits(a.raw, &a.entry, a.level);
    kind && (a.entry == Entry::None || (a.raw.0 ^ b.raw.0) & flags == 0)
}

proptest! {
    // Each case visits some thousand entries, most of them empty.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn x86_64_walk(machine in x86_machines(), contents in contents(), window in 1usize..600) {
        check(&mut fill(machine, &contents), window)?;
    }

    #[test]
    fn arm64_walk(machine in arm_machines(), contents in contents(), window in 1usize..600) {
        check(&mut fill(machine, &contents), window)?;
    }

    /// A walk that begins or ends inside of what an entry covers shows it cut to its bounds.
    #[test]
    fn walk_is_clamped(start in 0u64..3000, pages in 1u64..3000) {
        let machine = machine(X86, 12, 4, 47);
        let mut memory = Memory::new(machine);
        let leaf = Node::Leaf { pfn: 0x400, write: true, exec: false };
        memory.map(0x20_0000, Level::Pmd, leaf);
        memory.map(0x40_0000, Level::Pte, leaf);
        let span = Span { level: Level::Pmd, start: start << 12, end: (start + pages) << 12 };
        for found in entries(&mut memory, span, 512) {
            prop_assert!(found.start >= span.start && found.end <= span.end && found.start < found.end);
        }
    }

    #[test]
    fn positions_are_numbers(page in 0u64..1 << 44, kind in 0u8..6) {
        let position = match Level::from_number(kind) {
            Some(level) => Position::Entries(page << 12, level),
            None => Position::Vma(page << 12),
        };
        prop_assert_eq!(Position::from_number(position.number()), position);
        prop_assert!(position.number() > 0 && position.number() < i64::MAX as u64);
    }
}

#[test]
fn the_heading_is_at_zero() {
    assert_eq!(Position::from_number(0), Position::Heading);
    assert_eq!(Position::Heading.number(), 0);
}

/// A dump of a VMA visits each level once, from the top, and then the next VMA.
#[test]
fn levels_follow_one_another() {
    for levels in 2..=5 {
        let geometry = machine(X86, 12, levels, 47).geometry;
        let mut position = Position::Entries(0x1000, Level::Pgd);
        let mut seen = Vec::new();
        while let Position::Entries(va, level) = position {
            assert_eq!(va, 0x1000);
            seen.push(level);
            position = Position::after(&geometry, level, 0x9000, 0x1000, 0x9000);
        }
        assert_eq!(position, Position::Vma(0x9000));
        assert_eq!(seen, geometry.levels().collect::<Vec<_>>());
        assert_eq!(seen.len(), levels);
    }
}

/// A run may begin inside of a huge page; what it points to begins with the page.
#[test]
fn runs_from_the_middle_of_a_leaf() {
    let mut memory = two_huge_pages();
    let span = Span {
        level: Level::Pmd,
        start: 0x25_0000,
        end: 0x60_0000,
    };
    let runs = runs(&mut memory, span, 512);
    assert_eq!(runs.len(), 1);
    assert_eq!((runs[0].entries, runs[0].contiguous), (2, true));
}

/// A part of a step is for its level and addresses only.
#[test]
fn parts_of_steps() {
    let machine = machine(X86, 12, 4, 47);
    let mut memory = Memory::new(machine);
    let leaf = Node::Leaf {
        pfn: 0x9000,
        write: false,
        exec: false,
    };
    assert!(memory.map(0x5000, Level::Pte, leaf));
    let span = Span {
        level: Level::Pte,
        start: 0x3000,
        end: 0x20_0000,
    };
    let mut window = [Raw(0); 8];
    let step = Step::take(&machine.geometry, &mut memory, span, &mut window).unwrap();
    assert_eq!(step.next, 0xb000);
    let part = |level, va| step.from(&machine.geometry, level, va);
    assert!(part(Level::Pmd, 0x5000).is_none());
    assert!(part(Level::Pte, 0x2fff).is_none());
    assert!(part(Level::Pte, 0xb000).is_none());
    let rest = part(Level::Pte, 0x5000).unwrap();
    let found: Vec<Found> = rest
        .found(&X86.format(), &machine.geometry, &window)
        .collect();
    assert_eq!(found.len(), 6);
    assert_eq!(found[0].entry, Entry::Leaf { pfn: 0x9000 });
    assert_eq!(rest.range(), 2..8);
    // A part of a part.
    let less = rest.from(&machine.geometry, Level::Pte, 0x7000).unwrap();
    assert_eq!((less.range(), less.next), (4..8, 0xb000));
}

/// A run goes on in the next table.
#[test]
fn runs_cross_tables() {
    let machine = machine(X86, 12, 4, 47);
    let mut memory = Memory::new(machine);
    for page in 500..530u64 {
        let leaf = Node::Leaf {
            pfn: 0x9000 + page,
            write: false,
            exec: false,
        };
        assert!(memory.map(page << 12, Level::Pte, leaf));
    }
    let span = Span {
        level: Level::Pte,
        start: 0,
        end: 1 << 30,
    };
    let runs = runs(&mut memory, span, 512);
    let (holes, leaves): (Vec<Run>, Vec<Run>) =
        runs.iter().partition(|run| run.first.entry == Entry::None);
    assert_eq!(leaves.len(), 1);
    assert_eq!((leaves[0].entries, leaves[0].contiguous), (30, true));
    // What is empty in the two tables, before and behind.
    let holes: Vec<u64> = holes.iter().map(|run| run.entries).collect();
    assert_eq!(holes, [500, 1024 - 530]);
}
