// SPDX-License-Identifier: GPL-2.0

use super::*;
use proptest::prelude::*;

const PAGE: u64 = 4096;
const RW: Facts = Facts(Facts::WB.0 | Facts::WRITE.0);
const RX: Facts = Facts(Facts::WB.0 | Facts::EXEC.0);
const RWX: Facts = Facts(RW.0 | RX.0);
const UC: Facts = Facts::UC;

fn piece(first: u64, end: u64, who: u32, facts: Facts) -> Piece {
    // Each process maps frames at an offset of its own.
    Piece::new(
        (first, end),
        (first + 1000 * u64::from(who)) * PAGE,
        who,
        facts,
    )
}

fn found(pieces: Vec<Piece>) -> Vec<(ClashKind, u64, u64, usize)> {
    let clashes = clashes(pieces, PAGE);
    let short = |c: &Clash| (c.kind, c.first, c.end, c.pieces.len());
    clashes.iter().map(short).collect()
}

#[test]
fn what_does_not_go_together() {
    use ClashKind::*;
    assert_eq!(found(vec![piece(0, 9, 1, RX), piece(0, 9, 2, RX)]), []);
    assert_eq!(found(vec![piece(0, 9, 1, RX), piece(9, 10, 2, RW)]), []);
    assert_eq!(
        found(vec![piece(0, 9, 1, RX), piece(3, 5, 2, RW)]),
        [(Alias, 3, 5, 2)]
    );
    // Not of itself, but of another.
    assert_eq!(found(vec![piece(0, 9, 1, RWX)]), []);
    assert_eq!(
        found(vec![piece(0, 9, 1, RWX), piece(0, 1, 2, RX)]),
        [(Alias, 0, 1, 2)]
    );
    assert_eq!(
        found(vec![piece(0, 4, 1, UC), piece(2, 9, 2, RW)]),
        [(Types, 2, 4, 2)]
    );
    // One range, though it is mapped in two pieces.
    let parts = vec![piece(0, 8, 1, RX), piece(0, 4, 2, RW), piece(4, 8, 2, RW)];
    assert_eq!(found(parts), [(Alias, 0, 8, 2)]);
    // Two, because a third has a part of it.
    let parts = vec![piece(0, 8, 1, RX), piece(0, 8, 2, RW), piece(4, 8, 3, RX)];
    assert_eq!(found(parts), [(Alias, 0, 4, 2), (Alias, 4, 8, 3)]);
}

#[test]
fn frames_as_ranges() {
    let mut frames = Frames::default();
    for n in 0..10_000u64 {
        frames.add(10 * (n * 7 % 10_000), 10 * (n * 7 % 10_000) + 10);
    }
    frames.join();
    assert_eq!(
        frames.common(5, 2_000_000).collect::<Vec<_>>(),
        [(5, 100_000)]
    );
    assert_eq!(frames.common(100_000, 200_000).count(), 0);
}

proptest! {
    /// Frame by frame, a clash is told of if and only if there is one.
    #[test]
    fn as_frame_by_frame(parts in prop::collection::vec((0u64..30, 1u64..10, 0u32..4, 0usize..4), 0..12)) {
        let pieces: Vec<Piece> = parts
            .iter()
            .map(|&(first, count, who, what)| piece(first, first + count, who, [RW, RX, RWX, UC][what]))
            .collect();
        let clashes = clashes(pieces.clone(), PAGE);
        for frame in 0..40 {
            let here: Vec<&Piece> = pieces.iter().filter(|p| p.first <= frame && frame < p.end).collect();
            for kind in [ClashKind::Alias, ClashKind::Types] {
                let expected = match kind {
                    ClashKind::Alias => (0..here.len()).any(|i| {
                        (0..here.len()).any(|j| i != j && here[i].write && here[j].exec)
                    }),
                    ClashKind::Types => here.iter().any(|p| p.memory != here[0].memory),
                };
                let told = clashes.iter().filter(|c| c.kind == kind && c.first <= frame && frame < c.end);
                let told: Vec<&Clash> = told.collect();
                prop_assert_eq!(told.len(), usize::from(expected), "frame {} {:?}", frame, kind);
                if let [clash] = told.as_slice() {
                    prop_assert_eq!(clash.pieces.len(), here.len());
                    for part in &clash.pieces {
                        // The address is that of the first frame.
                        prop_assert_eq!(part.address, (clash.first + 1000 * u64::from(part.who)) * PAGE);
                    }
                }
            }
        }
    }
}
