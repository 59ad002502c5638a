// SPDX-License-Identifier: GPL-2.0

//! Sets of page frames, as ranges.

/// A set of frames. Ranges are joined now and then, so that it takes twice the memory of what is in
/// it at most.
#[derive(Clone, Debug, Default)]
pub struct Frames {
    ranges: Vec<(u64, u64)>,
    /// How many were there when they were joined last.
    joined: usize,
}

const FEW: usize = 1024;

impl Frames {
    /// Adds those from `first` to `end`, which is exclusive.
    pub fn add(&mut self, first: u64, end: u64) {
        match self.ranges.last_mut() {
            Some(last) if last.1 == first => last.1 = end,
            _ if first < end => self.ranges.push((first, end)),
            _ => {}
        }
        if self.ranges.len() > 2 * self.joined + FEW {
            self.join();
        }
    }

    /// Sorts and joins. Has to be called before anybody asks.
    pub fn join(&mut self) {
        self.ranges.sort_unstable();
        let mut joined: Vec<(u64, u64)> = Vec::new();
        for &(first, end) in &self.ranges {
            match joined.last_mut() {
                Some(last) if first <= last.1 => last.1 = last.1.max(end),
                _ => joined.push((first, end)),
            }
        }
        self.joined = joined.len();
        self.ranges = joined;
    }

    pub fn is_empty(&self) -> bool {
        self.ranges.is_empty()
    }

    /// The parts of `first..end` that are in the set, which was joined.
    pub fn common(&self, first: u64, end: u64) -> impl Iterator<Item = (u64, u64)> + '_ {
        let from = self.ranges.partition_point(|range| range.1 <= first);
        let rest = self.ranges.get(from..).unwrap_or_default();
        rest.iter()
            .take_while(move |range| range.0 < end)
            .map(move |range| (range.0.max(first), range.1.min(end)))
    }
}
