// SPDX-License-Identifier: GPL-2.0

//! Whether the levels of a dump fit: who shows the tables level by level looks at each level later
//! than at the one above, and what was split or collapsed meanwhile is shown on both of them or on
//! neither.

use core::ops::Range;

/// What tables are there for at a level, as the level above says, and what was looked at.
///
/// Each is the sum of one number for each range, and such that a range has the number of its parts
/// together: it does not matter how large the steps of the walk are. That two sums are the same by
/// chance does not happen.
#[derive(Clone, Copy, Debug, Default)]
pub struct Seam {
    expected: u64,
    looked_at: u64,
    below: u64,
}

impl Seam {
    /// The top table is there for all of `range`.
    pub fn new(range: &Range<u64>) -> Self {
        Self {
            expected: number(range),
            ..Self::default()
        }
    }

    /// A table of this level was looked at for `range`.
    pub fn look(&mut self, range: &Range<u64>) {
        self.looked_at = self.looked_at.wrapping_add(number(range));
    }

    /// It has an entry for `range` that leads to a table of the level below.
    pub fn lead(&mut self, range: &Range<u64>) {
        self.below = self.below.wrapping_add(number(range));
    }

    /// The level was looked at from end to end: says whether it is the one that was expected, and
    /// goes on to the level below.
    pub fn descend(&mut self) -> bool {
        let fits = self.expected == self.looked_at;
        *self = Self {
            expected: self.below,
            ..Self::default()
        };
        fits
    }
}

/// The number of a range: that of its end without that of its start.
fn number(range: &Range<u64>) -> u64 {
    scramble(range.end).wrapping_sub(scramble(range.start))
}

/// A number for an address, not a linear one: the last step of splitmix64.
fn scramble(va: u64) -> u64 {
    let va = (va ^ (va >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let va = (va ^ (va >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    va ^ (va >> 31)
}
