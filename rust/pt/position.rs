// SPDX-License-Identifier: GPL-2.0

//! Where a dump of page tables has got to, as one number.
//!
//! The dumps go VMA by VMA, and in each VMA level by level from the top. A position names the next
//! thing to show by address, so that nothing has to be held between two reads. Addresses of VMAs
//! are multiples of a page: the low bits say what is to be shown there.

use super::level::{
    Geometry,
    Level, //
};

/// A place in a dump.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// The heading.
    Heading,
    /// The first VMA that ends above the address.
    Vma(u64),
    /// The entries of a level, in the VMA that contains the address, from there on.
    Entries(u64, Level),
}

const LOW: u64 = 0xfff;
const VMA: u64 = 6;

impl Position {
    /// The position with number `n`; numbers that [`Self::number`] never returns are taken for the
    /// VMA there.
    pub fn from_number(n: u64) -> Self {
        let va = n & !LOW;
        if n == 0 {
            return Position::Heading;
        }
        // Levels are numbered from 1 here: 0 is the heading.
        let level = (n & LOW).checked_sub(1).and_then(|l| u8::try_from(l).ok());
        match level.and_then(Level::from_number) {
            Some(level) => Position::Entries(va, level),
            None => Position::Vma(va),
        }
    }

    /// The number of the position; the heading is 0.
    pub fn number(self) -> u64 {
        match self {
            Position::Heading => 0,
            Position::Vma(va) => va | VMA,
            Position::Entries(va, level) => va | (u64::from(level.number()) + 1),
        }
    }

    /// What follows when the entries of `level` have been shown up to `reached`, of those that
    /// translate `start..end`.
    pub fn after(geometry: &Geometry, level: Level, reached: u64, start: u64, end: u64) -> Self {
        if reached < end {
            return Position::Entries(reached, level);
        }
        match geometry.below(level) {
            Some(below) => Position::Entries(start, below),
            None => Position::Vma(end),
        }
    }
}
