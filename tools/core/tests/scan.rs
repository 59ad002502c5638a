// SPDX-License-Identifier: GPL-2.0

//! Looks that take in neighbours at once: what they give is what the entries give one by one.

mod common;

use common::{
    contents::{arm_machines, contents, fill, x86_machines},
    machine, two_huge_pages, Arm, Encode, Memory, X86,
};
use mmlens_core::pt::{
    coalesce::{Coalesce, Run},
    entry::{Entry, Raw, Rights},
    facts::Facts,
    format::Format,
    level::Level,
    page::PageKind,
    scan::{agree, Look, Masks, Piece, Reader, Same, Totals},
    walk::{Found, Tables},
};
use proptest::prelude::*;

#[test]
fn masks_leave_out_the_address() {
    let masks = |more| Masks::new(&X86.format(), more);
    assert_eq!(masks(0).of(Level::Pte), !0x000f_ffff_ffff_f000);
    assert_eq!(masks(0).of(Level::Pmd), !0x000f_ffff_ffe0_0000);
    assert_eq!(masks(0).of(Level::Pud), !0x000f_ffff_c000_0000);
    assert_eq!(masks(0x3000).of(Level::Pte), !0x000f_ffff_ffff_c000);
    assert_eq!(masks(u64::MAX), Masks([u64::MAX; 5]));
    let arm = |page_shift, pa52, levels| Arm {
        page_shift,
        pa52,
        levels,
    };
    let pte = |arm: Arm| Masks::new(&arm.format(), 0).of(Level::Pte);
    assert_eq!(pte(arm(12, false, 4)), !0x0000_ffff_ffff_f000);
    assert_eq!(pte(arm(12, true, 5)), !0x0003_ffff_ffff_f300);
    assert_eq!(pte(arm(14, false, 3)), !0x0000_ffff_ffff_c000);
    assert_eq!(pte(arm(16, true, 3)), !0x0000_ffff_ffff_f000);
}

/// Whether two entries are one `Same`: leaves in the mask, others as a whole.
fn is_alike<F: Format>(format: &F, level: Level, masks: &Masks, a: Raw, b: Raw) -> bool {
    let mask = match format.decode(a, level) {
        Entry::Leaf { .. } => masks.of(level),
        _ => u64::MAX,
    };
    (a.0 ^ b.0) & mask == 0
}

/// One look from `va` on, up to `end`, as `mmlens_scan_tables()` takes it, but entry by entry: at most
/// `max` runs of entries that are alike, and the entries.
fn take<E: Encode>(
    memory: &mut Memory<E>,
    masks: &Masks,
    (va, end): (u64, u64),
    max: usize,
) -> (Look, Vec<Same>, Vec<Raw>) {
    let (geometry, format) = (memory.machine.geometry, memory.machine.encode.format());
    let mut window = vec![Raw(0); 512];
    let mut snapshot = memory.snapshot(va, Level::Pte, &mut window).unwrap();
    if snapshot.reached > Level::Pte {
        snapshot = memory.snapshot(va, snapshot.reached, &mut window).unwrap();
    }
    let level = snapshot.reached;
    let size = geometry.size(level);
    let wanted = (end - geometry.entry_start(va, level)).div_ceil(size);
    window.truncate(snapshot.count.min(wanted as usize));
    let is_table = |raw: &Raw| matches!(format.decode(*raw, level), Entry::Table { .. });
    let tables = window.iter().position(is_table);
    window.truncate(tables.unwrap_or(window.len()));
    let mut same = Vec::new();
    let mut done = 0;
    while done < window.len() && same.len() < max {
        let rest = &window[done..];
        let alike = rest
            .iter()
            .take_while(|&&raw| is_alike(&format, level, masks, rest[0], raw));
        let count = alike.count();
        let pfn = |raw: Raw| format.decode(raw, level).pfn();
        let step = size / geometry.page_size();
        let follows = |pair: &[Raw]| pfn(pair[0]).map(|pfn| pfn + step) == pfn(pair[1]);
        let is_leaf = matches!(format.decode(rest[0], level), Entry::Leaf { .. });
        let in_order = count == 1 || is_leaf && rest[..count].windows(2).all(follows);
        same.push(Same {
            raw: rest[0],
            count: count as u32,
            in_order: in_order.into(),
        });
        done += count;
    }
    window.truncate(done);
    snapshot.count = done;
    let limits = snapshot.limits(&format, &geometry, snapshot.reached);
    let look = Look::new(&geometry, &snapshot, limits, va, end, 0);
    (look, same, window)
}

/// What the members of a look are, one by one.
fn members<E: Encode>(memory: &Memory<E>, look: &Look, raws: &[Raw]) -> Vec<Found> {
    let (geometry, format) = (memory.machine.geometry, memory.machine.encode.format());
    let size = geometry.size(look.level);
    let first = geometry.entry_start(look.start, look.level);
    let starts = (0u64..).map(|i| first + i * size);
    starts
        .zip(raws)
        .map(|(va, &raw)| Found {
            start: va.max(look.start),
            end: (va + size).min(look.end),
            level: look.level,
            raw,
            entry: format.decode(raw, look.level),
            at: 0,
            limits: look.limits,
            page: PageKind::Unknown,
        })
        .collect()
}

fn check<E: Encode>(memory: &mut Memory<E>, cuts: &[u64], max: usize) -> Result<(), TestCaseError> {
    let machine = memory.machine;
    let (geometry, format) = (machine.geometry, machine.encode.format());
    let masks = Masks::new(&format, 0);
    let mut reader = Reader::new(format, geometry, masks);
    let mut runs: Vec<Piece> = Vec::new();
    let mut expected: Vec<Run> = Vec::new();
    let mut totals = Totals::default();
    let mut sums = Sums::default();
    // VMAs that follow one another.
    let mut bounds = vec![0x10000, 1 << machine.va_bits];
    bounds.extend(cuts.iter().map(|&page| {
        let table = machine.geometry.page_size() * (machine.geometry.page_size() / 8);
        3 * table + page * geometry.page_size() - 20 * geometry.page_size()
    }));
    bounds.sort_unstable();
    bounds.dedup();
    for vma in bounds.windows(2) {
        let mut coalesce = Coalesce::new(format, geometry);
        let mut va = vma[0];
        while va < vma[1] {
            let (look, same, raws) = take(memory, &masks, (va, vma[1]), max);
            let look = Look {
                owner: vma[0],
                ..look
            };
            for found in members(memory, &look, &raws) {
                sums.add(Facts::of(&format, &found), &found);
                prop_assert_eq!(
                    reader.facts(&look, found.raw, PageKind::Unknown),
                    Facts::of(&format, &found)
                );
                if !coalesce.add(&found) {
                    expected.extend(coalesce.run());
                    coalesce = Coalesce::new(format, geometry);
                    coalesce.add(&found);
                }
            }
            let mut at = va;
            for same in &same {
                let piece = reader.piece(&look, at, same, PageKind::Unknown);
                prop_assert_eq!(piece.start, at);
                at = piece.end;
                totals.add(&piece);
                let is_joined = runs.last_mut().is_some_and(|run| reader.join(run, &piece));
                if !is_joined {
                    runs.push(piece);
                }
            }
            prop_assert_eq!(at, look.end);
            prop_assert!(at > va, "a look goes forward");
            va = at;
        }
        expected.extend(coalesce.run());
    }
    totals.finish();
    // That a run is in order is told of places; there are counts of entries only.
    prop_assert_eq!(totals.entries, sums.entries);
    prop_assert_eq!(totals.bytes, sums.bytes);
    prop_assert_eq!(&totals.bytes_with[..56], &sums.bytes_with[..56]);
    prop_assert_eq!(runs.len(), expected.len());
    for (run, expected) in runs.iter().zip(&expected) {
        let first = &expected.first;
        prop_assert_eq!((run.start, run.end), (first.start, first.end));
        prop_assert_eq!((run.raw, run.level), (first.raw, first.level));
        prop_assert_eq!(run.entries, expected.entries);
        let place = match first.entry {
            Entry::NonPresent(soft) => soft.place,
            entry => entry.pfn(),
        };
        prop_assert_eq!(run.place, place);
        let in_order = Facts::IN_ORDER.when(expected.contiguous && place.is_some());
        prop_assert_eq!(run.facts, Facts::of(&format, first).with(in_order));
    }
    Ok(())
}

/// The sums of [`Totals`], made entry by entry and bit by bit.
struct Sums {
    entries: [u64; 5],
    bytes: u64,
    bytes_with: [u64; 64],
}

impl Default for Sums {
    fn default() -> Self {
        Self {
            entries: [0; 5],
            bytes: 0,
            bytes_with: [0; 64],
        }
    }
}

impl Sums {
    fn add(&mut self, facts: Facts, found: &Found) {
        let bytes = found.end - found.start;
        self.entries[usize::from(found.level.number())] += 1;
        self.bytes += bytes;
        for bit in (0..64).filter(|bit| facts.0 >> bit & 1 != 0) {
            self.bytes_with[bit] += bytes;
        }
    }
}

fn piece(facts: u64, level: u8, bytes: u64, entries: u64) -> Piece {
    Piece {
        start: 0x1000,
        end: 0x1000 + bytes,
        entries,
        raw: Raw(0),
        place: None,
        facts: Facts(facts),
        level: Level::from_number(level).unwrap(),
        owner: 0,
    }
}

proptest! {
    #[test]
    fn agree_is_a_loop(
        first: u64,
        // Where they differ, a bit each, and mostly far on.
        differ in proptest::collection::vec(prop_oneof![9 => Just(64u32), 1 => 0u32..64], 0..70),
        mask: u64,
    ) {
        let change = |&bit: &u32| first ^ 1u64.checked_shl(bit).unwrap_or(0);
        let raws: Vec<Raw> = differ.iter().map(change).map(Raw).collect();
        let mut expected = 0;
        while expected < raws.len() && (raws[expected].0 ^ raws[0].0) & mask == 0 {
            expected += 1;
        }
        prop_assert_eq!(agree(&raws, mask), expected);
        prop_assert_eq!(agree(&raws, 0), raws.len());
    }

    /// Few sets come again and again, others only once.
    #[test]
    fn totals_are_sums(
        pieces in proptest::collection::vec(
            (prop_oneof![0u64..16, any::<u64>()], 0u8..5, 1u64..1 << 40, 1u64..1000), 0..100),
    ) {
        let mut totals = Totals::default();
        let mut entries = [0; 5];
        let mut bytes_with = [0; 64];
        for &(facts, level, bytes, count) in &pieces {
            totals.add(&piece(facts, level, bytes, count));
            entries[usize::from(level)] += count;
            for (bit, sum) in bytes_with.iter_mut().enumerate() {
                *sum += (facts >> bit & 1) * bytes;
            }
        }
        totals.finish();
        prop_assert_eq!(totals.entries, entries);
        prop_assert_eq!(totals.bytes, pieces.iter().map(|&(_, _, bytes, _)| bytes).sum::<u64>());
        prop_assert_eq!(totals.bytes_with, bytes_with);
        // Nothing is added twice.
        totals.finish();
        prop_assert_eq!(totals.bytes_with, bytes_with);
    }
}

proptest! {
    // Each case visits some thousand entries, most of them empty.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn x86_64_runs(
        machine in x86_machines(),
        contents in contents(),
        cuts in proptest::collection::vec(0u64..60, 0..6),
        max in 1usize..20,
    ) {
        check(&mut fill(machine, &contents), &cuts, max)?;
    }

    #[test]
    fn arm64_runs(
        machine in arm_machines(),
        contents in contents(),
        cuts in proptest::collection::vec(0u64..60, 0..6),
        max in 1usize..20,
    ) {
        check(&mut fill(machine, &contents), &cuts, max)?;
    }
}

/// A run begins inside of a huge page; what it points to begins with the page.
#[test]
fn runs_from_the_middle_of_a_leaf() {
    let mut memory = two_huge_pages();
    let machine = memory.machine;
    let format = machine.encode.format();
    let masks = Masks::new(&format, 0);
    let mut reader = Reader::new(format, machine.geometry, masks);
    let mut piece = |va, end| {
        let (look, same, _) = take(&mut memory, &masks, (va, end), 1);
        reader.piece(&look, va, &same[0], PageKind::Anon)
    };
    let both = piece(0x25_0000, 0x50_0000);
    assert_eq!(
        (both.start, both.end, both.entries),
        (0x25_0000, 0x50_0000, 2)
    );
    assert_eq!(both.place, Some(0x4000));
    assert!(both.facts.has(Facts::IN_ORDER.with(Facts::PAGE_ANON)));
    let mut first = piece(0x25_0000, 0x40_0000);
    let second = piece(0x40_0000, 0x60_0000);
    assert!(reader.join(&mut first, &second));
    assert_eq!((first.end, first.entries), (0x60_0000, 2));
    assert!(first.facts.has(Facts::IN_ORDER));
}

#[test]
fn what_makes_no_run() {
    let machine = machine(X86, 12, 4, 47);
    let format = machine.encode.format();
    let reader = Reader::new(format, machine.geometry, Masks::new(&format, 0));
    let one = Piece {
        raw: Raw(0x5025),
        place: Some(5),
        ..piece((Facts::PTE.with(Facts::PRESENT)).0, 0, 0x1000, 1)
    };
    let next = Piece {
        start: one.end,
        end: one.end + 0x1000,
        raw: Raw(0x9025),
        place: Some(9),
        ..one
    };
    assert!(reader.join(&mut one.clone(), &next));
    for other in [
        // Not the next one; of another VMA; that says something else.
        Piece {
            start: one.end + 0x1000,
            ..next
        },
        Piece { owner: 1, ..next },
        Piece {
            facts: next.facts.with(Facts::DIRTY),
            ..next
        },
        // A bit that has no word: a protection key.
        Piece {
            raw: Raw(0x9025 | 1 << 59),
            ..next
        },
    ] {
        assert!(!reader.join(&mut one.clone(), &other), "{other:?}");
    }
    // What was asked for is a difference, too.
    let reader = Reader::new(format, machine.geometry, Masks::new(&format, 0x4000));
    assert!(reader.join(
        &mut one.clone(),
        &Piece {
            raw: Raw(0x7025),
            ..next
        }
    ));
    assert!(!reader.join(&mut one.clone(), &next));
}

#[test]
fn what_became_a_table() {
    let format = X86.format();
    let same = |raw| Same {
        raw: Raw(raw),
        count: 1,
        in_order: 1,
    };
    assert!(same(X86.table(0x777)).became_table(&format, Level::Pmd));
    assert!(!same(X86.table(0x777)).became_table(&format, Level::Pte));
    assert!(!same(0).became_table(&format, Level::Pmd));
}

#[test]
fn no_limits_are_looked_up_for_others() {
    // The same leaf under another table, and with another page.
    let machine = machine(X86, 12, 4, 47);
    let format = machine.encode.format();
    let mut reader = Reader::new(format, machine.geometry, Masks::new(&format, 0));
    let look = Look {
        start: 0x1000,
        end: 0x2000,
        level: Level::Pte,
        limits: Rights::ALL,
        owner: 0,
    };
    let limited = Look {
        limits: Rights {
            write: false,
            ..Rights::ALL
        },
        ..look
    };
    let leaf = Raw(0x5027);
    assert!(reader.facts(&look, leaf, PageKind::Anon).has(Facts::WRITE));
    assert!(!reader
        .facts(&limited, leaf, PageKind::Anon)
        .has(Facts::WRITE));
    assert!(reader
        .facts(&look, leaf, PageKind::File)
        .has(Facts::PAGE_FILE));
    assert!(reader
        .facts(&look, leaf, PageKind::Anon)
        .has(Facts::PAGE_ANON));
}
