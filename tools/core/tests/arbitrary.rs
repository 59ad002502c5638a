// SPDX-License-Identifier: GPL-2.0

//! Tables that make no sense: whatever words there are, and wherever the way down ends, a walk goes on and
//! ends, and says nothing of addresses that it was not asked for.

mod common;

use common::{
    contents::{arm_machines, x86_machines},
    Encode, Machine,
};
use mmlens_core::pt::{
    coalesce::{neighbours, Coalesce},
    entry::{Entry, Raw},
    format::Format,
    level::{Geometry, Level, LEVELS},
    page::PageKind,
    scan::Masks,
    walk::{Snapshot, Span, Step, Tables},
    way::Way,
};
use proptest::prelude::*;

/// Words from a seed, different ones in each look at the same place.
struct Noise {
    geometry: Geometry,
    /// Exclusive end of what the tables translate.
    end: u64,
    state: u64,
}

impl Noise {
    /// As xorshift64* makes them.
    fn next(&mut self) -> u64 {
        self.state ^= self.state >> 12;
        self.state ^= self.state << 25;
        self.state ^= self.state >> 27;
        self.state.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Few bits, many bits, all or none of them; often what looks like a table or a leaf.
    fn word(&mut self) -> Raw {
        let (a, b) = (self.next(), self.next());
        Raw(match self.next() % 8 {
            0 => 0,
            1 => u64::MAX,
            2 => a & b & self.next(),
            3 => a | b | self.next(),
            4 => a << 12 | 1,
            5 => a << 12 | 3,
            6 => a << 12 | 0xe7,
            _ => a,
        })
    }
}

impl Tables for Noise {
    type Error = ();

    fn snapshot(&mut self, va: u64, level: Level, window: &mut [Raw]) -> Result<Snapshot, ()> {
        let levels: Vec<Level> = self.geometry.levels().collect();
        let mut path = [Raw(0); LEVELS];
        for raw in &mut path {
            *raw = self.word();
        }
        let above: Vec<Level> = levels.into_iter().filter(|&l| l > level).collect();
        let way_ends = self.next() % 4 == 0;
        let which = self.next() as usize % above.len().max(1);
        let (reached, count) = match above.get(which) {
            Some(&ended) if way_ends => (ended, 0),
            _ => {
                let end = above
                    .last()
                    .map_or(self.end, |&l| self.geometry.entry_end(va, l));
                let start = self.geometry.entry_start(va, level);
                let left = (end.min(self.end) - start).div_ceil(self.geometry.size(level));
                (level, window.len().min(left as usize))
            }
        };
        for raw in &mut window[..count] {
            *raw = self.word();
        }
        Ok(Snapshot {
            reached,
            count,
            address: self.next(),
            path,
        })
    }
}

fn check<E: Encode>(
    machine: Machine<E>,
    seed: u64,
    start: u64,
    window: usize,
) -> Result<(), TestCaseError> {
    let geometry = machine.geometry;
    let format = machine.encode.format();
    let masks = Masks::new(&format, seed);
    let end = 1 << machine.va_bits;
    let mut window = vec![Raw(0); window];
    let mut noise = Noise {
        geometry,
        end,
        state: seed | 1,
    };
    for level in geometry.levels() {
        let mut at = start % end;
        let mut run = Coalesce::new(format, geometry);
        for _ in 0..60 {
            if at >= end {
                break;
            }
            let span = Span {
                level,
                start: at,
                end,
            };
            let step = Step::take(&geometry, &mut noise, span, &mut window).unwrap();
            prop_assert!(at < step.next && step.next <= end);
            let mut expected = at;
            for found in step.found(&format, &geometry, &window) {
                prop_assert_eq!(found.start, expected);
                prop_assert!(found.start < found.end && found.end <= step.next);
                let mut rights = format.rights(found.raw, &found.entry, found.level);
                for above in geometry.levels().filter(|&above| above > level) {
                    let table = Entry::Table { pfn: 0 };
                    rights = rights.and(format.rights(step.above(above), &table, above));
                }
                prop_assert_eq!(found.effective(&format), rights);
                expected = found.end;
            }
            while let Some(rest) = step.from(&geometry, level, at) {
                let Some(found) = rest.found(&format, &geometry, &window).next() else {
                    break;
                };
                let raws = &window[rest.range()];
                let pages = vec![PageKind::Unknown; raws.len()];
                let (all, same) = neighbours(&format, &geometry, &masks, &found, end, raws, &pages);
                prop_assert!(at < all.end && all.end <= step.next);
                if !run.add_alike(&all, same.count.into(), same.is_in_order()) {
                    run = Coalesce::new(format, geometry);
                }
                at = all.end;
            }
            at = step.next;
        }
        let way = Way::down(&geometry, &format, &mut noise, start % end, &(0..end)).unwrap();
        prop_assert!(way.end().is_none_or(|found| found.start <= start % end));
    }
    Ok(())
}

proptest! {
    // Each case has some thousand words for each level.
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn x86_64_noise(machine in x86_machines(), seed: u64, start: u64, window in 1usize..600) {
        check(machine, seed, start, window)?;
    }

    #[test]
    fn arm64_noise(machine in arm_machines(), seed: u64, start: u64, window in 1usize..600) {
        check(machine, seed, start, window)?;
    }
}
