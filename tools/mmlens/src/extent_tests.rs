// SPDX-License-Identifier: GPL-2.0

use super::*;
use crate::testing::{leaf, machine, swap, PAGE};
use mmlens_core::pt::page::PageKind;

fn shape() -> Shape {
    Shape::of(&machine()).unwrap()
}

fn entry(address: u64, raw: u64, facts: u64) -> Extent {
    shape().extent_of(&mmlens_device::Entry {
        address,
        raw: Raw(raw),
        facts: Facts(facts),
    })
}

const PTE: u64 = Facts::PTE.0 | Facts::PRESENT.0;
const PMD: u64 = Facts::PMD.0 | Facts::PRESENT.0;
const SWAP: u64 = Facts::PTE.0 | Facts::NONPRESENT.0 | Facts::SWAP.0;

/// Pages at `frames`, from address 0x10000 on.
fn pages(frames: &[u64]) -> impl Iterator<Item = Extent> + '_ {
    let addresses = (0x10u64..).map(|page| page * PAGE);
    addresses
        .zip(frames)
        .map(|(address, &frame)| entry(address, leaf(frame), PTE))
}

fn joined(extents: impl Iterator<Item = Extent>, keep: bool) -> Vec<Extent> {
    let mut joiner = Joiner::new(shape(), keep);
    let mut all: Vec<Extent> = extents
        .filter_map(|extent| joiner.push(0, extent))
        .map(|(_, extent)| extent)
        .collect();
    all.extend(joiner.finish().map(|(_, extent)| extent));
    all
}

#[test]
fn what_follows_is_one_extent() {
    let all = joined(pages(&[5, 6, 7, 8]), true);
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].places, Places::From(5));
    assert_eq!(all[0].end, 0x14000);
    assert!(all[0].facts_of_run().has(Facts::IN_ORDER));
    assert_eq!(shape().place_at(&all[0], 0x12000), Some(7));
}

/// Whatever is joined, each page keeps its place.
#[test]
fn no_place_is_lost() {
    let mut frames = vec![9, 3, 4, 77];
    frames.extend(100..120);
    frames.extend((0..2000).map(|n| n * 7 % 1013));
    let all = joined(pages(&frames), true);
    assert!(all.len() < 12, "{}", all.len());
    let mut address = 0x10000;
    for extent in &all {
        assert_eq!(extent.start, address);
        if let Places::Each(each) = &extent.places {
            assert!(each.len() <= MOST_PLACES);
            assert_eq!(each.len() as u64, shape().entries(extent));
        }
        address = extent.end;
    }
    for (address, &frame) in (0x10u64..).map(|page| page * PAGE).zip(&frames) {
        let extent = all.iter().find(|e| e.start <= address && address < e.end);
        assert_eq!(shape().place_at(extent.unwrap(), address), Some(frame));
    }
    let forgotten = joined(pages(&frames), false);
    assert_eq!(forgotten.len(), 1);
    assert_eq!(forgotten[0].places, Places::Scattered(9));
    assert!(!forgotten[0].is_in_order());
}

/// What differs in more than the place is apart: a bit, a fact that the page tells, the VMA, a gap.
#[test]
fn what_differs_is_apart() {
    let a = entry(0x10000, leaf(5), PTE);
    let written = entry(0x11000, leaf(6) | 1 << 6, PTE | Facts::DIRTY.0);
    let anon = entry(0x11000, leaf(6), PTE | Facts::of_page(PageKind::Anon).0);
    let far = entry(0x12000, leaf(6), PTE);
    for other in [written, anon, far] {
        assert_eq!(joined([a.clone(), other].into_iter(), true).len(), 2);
    }
    let mut joiner = Joiner::new(shape(), true);
    assert_eq!(joiner.push(0, a.clone()), None);
    assert_eq!(joiner.push(1, entry(0x11000, leaf(6), PTE)), Some((0, a)));
}

/// Of a huge page, the places of its pages; and of swap areas the slots.
#[test]
fn huge_pages_and_slots() {
    let huge = |n: u64, frame| entry(n << 21, leaf(frame) | 1 << 7, PMD);
    let all = joined(
        [huge(1, 0x200), huge(2, 0x400), huge(3, 0x1000)].into_iter(),
        true,
    );
    assert_eq!(all.len(), 1);
    assert_eq!(all[0].places, Places::Each(vec![0x200, 0x400, 0x1000]));
    assert_eq!(
        shape().place_at(&all[0], (3 << 21) + 5 * PAGE),
        Some(0x1005)
    );
    // Cut by a VMA.
    let cut = Extent {
        start: (1 << 21) + 3 * PAGE,
        ..huge(1, 0x200)
    };
    assert_eq!(shape().place_at(&cut, (1 << 21) + 4 * PAGE), Some(0x204));
    let slots = [7, 8].map(|slot| entry((slot + 9) * PAGE, swap(0, slot), SWAP));
    let all = joined(slots.into_iter(), true);
    assert_eq!(all[0].places, Places::From(7));
    assert_eq!(all.len(), 1);
}
