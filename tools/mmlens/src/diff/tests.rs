// SPDX-License-Identifier: GPL-2.0

use super::*;
use crate::{
    extent::{Extent, Places},
    testing::{run, vma, Made, ANON, PAGE},
};
use proptest::prelude::*;

fn differences(before: Vec<Extent>, after: Vec<Extent>) -> (Vec<String>, Totals) {
    let vmas = vec![vma(0, 100, "[heap]")];
    let mut a = Made::new(vmas.clone(), before);
    let mut b = Made::new(vmas, after);
    let mut lines = Vec::new();
    let totals = entries(&mut a, &mut b, &mut |change| {
        let (start, end) = (change.start / PAGE, change.end / PAGE);
        lines.push(format!("{start}-{end} {}", change.words().join(", ")));
        Ok(())
    });
    (lines, totals.unwrap())
}

fn without(facts: Facts, less: Facts) -> Facts {
    Facts(facts.0 & !less.0)
}

const SWAP: Facts = Facts(Facts::PTE.0 | Facts::NONPRESENT.0 | Facts::SWAP.0);

#[test]
fn what_came_and_went() {
    let (lines, totals) = differences(
        vec![run(0, 4, ANON, 10), run(10, 12, SWAP, 5)],
        vec![run(2, 6, ANON, 12), run(20, 21, SWAP, 9)],
    );
    assert_eq!(
        lines,
        [
            "0-2 gone rw- page-anon",
            "4-6 appeared rw- page-anon",
            "10-12 gone swap",
            "20-21 appeared swap",
        ]
    );
    assert_eq!(totals.present, [4 * PAGE, 4 * PAGE]);
    assert_eq!(totals.changed, 7 * PAGE);
}

#[test]
fn what_changed() {
    let read_only = without(ANON, Facts::WRITE.with(Facts::DIRTY));
    let huge = without(ANON, Facts::PTE).with(Facts::PMD);
    for (before, after, expected) in [
        (run(0, 4, ANON, 10), run(0, 4, ANON, 10), vec![]),
        (run(0, 4, ANON, 10), run(0, 4, ANON, 20), vec!["0-4 moved"]),
        (
            run(0, 4, read_only, 10),
            run(0, 4, ANON, 10),
            vec!["0-4 r--->rw-, dirty"],
        ),
        (
            run(0, 4, read_only, 10),
            run(1, 3, ANON, 77),
            vec![
                "0-1 gone r-- page-anon",
                "1-3 moved, r--->rw-, dirty",
                "3-4 gone r-- page-anon",
            ],
        ),
        (
            run(0, 4, ANON, 10),
            run(0, 4, SWAP, 3),
            vec!["0-4 swapped-out"],
        ),
        (
            run(0, 4, SWAP, 3),
            run(0, 4, ANON, 10),
            vec!["0-4 swapped-in"],
        ),
        (run(0, 4, SWAP, 3), run(0, 4, SWAP, 4), vec!["0-4 moved"]),
        (
            run(0, 512, ANON, 512),
            run(0, 512, huge, 1024),
            vec!["0-512 became-huge, moved"],
        ),
        (
            run(0, 512, huge, 512),
            run(0, 512, ANON, 512),
            vec!["0-512 split"],
        ),
        (
            run(0, 1, without(ANON, Facts::ACCESSED), 1),
            run(0, 1, ANON, 1),
            vec!["0-1 accessed"],
        ),
        (
            run(0, 1, without(ANON, Facts::WB).with(Facts::UC), 1),
            run(0, 1, ANON, 1),
            vec!["0-1 uc->wb"],
        ),
        (
            run(0, 1, ANON, 1),
            run(0, 1, ANON.with(Facts::UFFD), 1),
            vec!["0-1 +uffd"],
        ),
    ] {
        let what = format!("{before:?} {after:?}");
        let (lines, _) = differences(vec![before], vec![after]);
        // The one VMA ends at page 100, which cuts nothing.
        assert_eq!(lines, expected, "{what}");
    }
}

/// Frames one by one: only those that moved.
#[test]
fn single_frames() {
    let mut each = run(0, 6, ANON, 0);
    each.places = Places::Each(vec![10, 11, 99, 98, 14, 15]);
    let (lines, _) = differences(vec![run(0, 6, ANON, 10)], vec![each]);
    assert_eq!(lines, ["2-4 moved"]);
}

/// Each page's frame and facts, as a model to compare with.
fn pages(runs: &[Extent], shape: &crate::extent::Shape) -> Vec<Option<(u64, Option<u64>)>> {
    (0..64u64)
        .map(|page| {
            let address = page * PAGE;
            let run = runs
                .iter()
                .find(|run| run.start <= address && address < run.end)?;
            Some((run.facts.0, shape.place_at(run, address)))
        })
        .collect()
}

fn runs() -> impl Strategy<Value = Vec<Extent>> {
    let facts = prop::sample::select(vec![
        ANON,
        without(ANON, Facts::WRITE),
        without(ANON, Facts::DIRTY),
        SWAP,
    ]);
    let run_of = (0u64..4, 1u64..8, facts, 0u64..4, any::<bool>());
    prop::collection::vec(run_of, 0..10).prop_map(|parts| {
        let mut page = 0;
        let mut runs = Vec::new();
        for (gap, pages, facts, frame, is_each) in parts {
            let start = page + gap;
            page = start + pages;
            let mut one = run(start, page, facts, 64 * frame + start);
            if is_each {
                let frames = (0..pages).map(|n| 64 * (frame + n % 2) + start + n);
                one.places = Places::Each(frames.collect());
            }
            runs.push(one);
        }
        runs
    })
}

proptest! {
    /// What is reported is what differs, page by page, and the sums are those of the ranges.
    #[test]
    fn as_the_model_says(before in runs(), after in runs(), cut in 1u64..60) {
        let vmas = vec![vma(0, cut, "a"), vma(cut, 100, "b")];
        let mut a = Made::new(vmas.clone(), before.clone());
        let mut b = Made::new(vmas, after.clone());
        let mut changes = Vec::new();
        let totals = entries(&mut a, &mut b, &mut |change| {
            changes.push(change);
            Ok(())
        }).unwrap();
        let shape = crate::snapshot::Source::shape(&a);
        let (x, y) = (pages(&before, &shape), pages(&after, &shape));
        for (page, (x, y)) in x.iter().zip(&y).enumerate() {
            let address = page as u64 * PAGE;
            let change = changes.iter().find(|c| c.start <= address && address < c.end);
            prop_assert_eq!(change.is_some(), x != y, "page {}: {:?} {:?}", page, x, y);
            if let (Some(change), Some(x), Some(y)) = (change, x, y) {
                let both = x.0 & y.0 & (Facts::PRESENT.0 | Facts::SWAP.0) != 0;
                prop_assert_eq!(change.kinds.has(Kinds::MOVED), both && x.1 != y.1);
                prop_assert_eq!(change.kinds.has(Kinds::SWAPPED_OUT), x.0 & !y.0 & Facts::PRESENT.0 != 0);
            }
        }
        for pair in changes.windows(2) {
            prop_assert!(pair[0].end <= pair[1].start);
        }
        for change in &changes {
            prop_assert!(change.end <= cut * PAGE || change.start >= cut * PAGE);
        }
        prop_assert_eq!(totals.changed, changes.iter().map(Change::bytes).sum::<u64>());
        let mapped = |pages: &[Option<(u64, Option<u64>)>]| {
            let present = |page: &&Option<(u64, Option<u64>)>| page.is_some_and(|(facts, _)| facts & Facts::PRESENT.0 != 0);
            pages.iter().filter(present).count() as u64 * PAGE
        };
        // The model ends at page 64.
        if before.iter().chain(&after).all(|run| run.end <= 64 * PAGE) {
            prop_assert_eq!(totals.present, [mapped(&x), mapped(&y)]);
        }
    }
}

fn kinds(before: &[mmlens_device::Vma], after: &[mmlens_device::Vma]) -> Vec<String> {
    let line = |change: &VmaChange<'_>| {
        format!(
            "{} {}-{}",
            change.kind.word(),
            change.start / PAGE,
            change.end / PAGE
        )
    };
    vmas(before, after).iter().map(line).collect()
}

#[test]
fn vmas_that_differ() {
    let heap = vma(10, 20, "[heap]");
    let mut read_only = vma(12, 14, "[heap]");
    read_only.flags = 1;
    let mut file = vma(10, 20, "/bin/true");
    (file.ino, file.facts) = (7, 8);
    let mut cut = file.clone();
    (cut.end, cut.pgoff) = (15 * PAGE, file.pgoff);
    for (before, after, expected) in [
        (vec![heap.clone()], vec![heap.clone()], vec![]),
        (vec![], vec![heap.clone()], vec!["new 10-20"]),
        (vec![heap.clone()], vec![], vec!["gone 10-20"]),
        (
            vec![heap.clone()],
            vec![vma(10, 30, "[heap]")],
            vec!["grown 20-30"],
        ),
        (
            vec![heap.clone()],
            vec![vma(10, 12, "[heap]"), vma(18, 20, "[heap]")],
            vec!["shrunk 12-18"],
        ),
        // A split is none; other rights in the middle are.
        (
            vec![heap.clone()],
            vec![vma(10, 12, "[heap]"), vma(12, 20, "[heap]")],
            vec![],
        ),
        (
            vec![heap.clone()],
            vec![vma(10, 12, "[heap]"), read_only, vma(14, 20, "[heap]")],
            vec!["changed 12-14"],
        ),
        (
            vec![heap.clone()],
            vec![file.clone()],
            vec!["replaced 10-20"],
        ),
        (vec![file], vec![cut], vec!["shrunk 15-20"]),
    ] {
        assert_eq!(kinds(&before, &after), expected);
    }
}
