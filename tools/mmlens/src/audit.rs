// SPDX-License-Identifier: GPL-2.0

//! Page frames that are mapped in two ways that do not go together.
//!
//! Memory is bounded by what is unusual, not by what is mapped. Three passes over the tables of all
//! processes:
//!
//! 1. frames that are mapped executable, and those whose memory type is not write-back, as ranges
//!    ([`Frames`]);
//! 2. those of them that are mapped otherwise elsewhere: suspects, as ranges;
//! 3. every mapping of a suspect ([`Piece`]). Sorted by frame and swept once, they show what they have
//!    in common ([`clashes`]).
//!
//! Mostly there are no suspects, and the third pass is left out.

mod finding;
mod frames;

pub use finding::{Finding, Why};
pub use frames::Frames;

use mmlens_core::pt::facts::Facts;

/// How many mappings of suspects are kept, at most.
pub const MOST_PIECES: usize = 1 << 20;

/// The memory types that are told apart.
pub const TYPES: [Facts; 6] = [
    Facts::WB,
    Facts::WT,
    Facts::WC,
    Facts::UC,
    Facts::DEVICE,
    Facts::OTHER_TYPE,
];

/// Frames in a row that are mapped in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The first frame.
    pub first: u64,
    /// Exclusive.
    pub end: u64,
    /// The address of the first one.
    pub address: u64,
    /// A number for the process that maps it.
    pub who: u32,
    /// The number of the memory type in [`TYPES`].
    pub memory: u8,
    pub write: bool,
    pub exec: bool,
}

impl Piece {
    pub fn new(frames: (u64, u64), address: u64, who: u32, facts: Facts) -> Self {
        let (first, end) = frames;
        Self {
            first,
            end,
            address,
            who,
            memory: memory_of(facts),
            write: facts.has(Facts::WRITE),
            exec: facts.has(Facts::EXEC),
        }
    }

    /// The part from one frame to another, which it has.
    fn part(&self, first: u64, end: u64, page: u64) -> Self {
        let skipped = first.saturating_sub(self.first).saturating_mul(page);
        Self {
            first,
            end,
            address: self.address.saturating_add(skipped),
            ..*self
        }
    }

    /// Whether `next` goes on where this ends.
    fn goes_on(&self, next: &Piece, page: u64) -> bool {
        let bytes = (self.end - self.first).saturating_mul(page);
        let like = |p: &Piece| (p.who, p.memory, p.write, p.exec);
        like(self) == like(next) && self.address.saturating_add(bytes) == next.address
    }
}

/// The number of a memory type; write-back if none is told.
pub fn memory_of(facts: Facts) -> u8 {
    let known = TYPES.iter().position(|&memory| facts.has(memory));
    known.map_or(0, |n| n as u8)
}

/// What two mappings of a frame have against each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClashKind {
    /// Written in one place, executed in another.
    Alias,
    /// Two memory types.
    Types,
}

/// Frames whose mappings do not go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clash {
    pub kind: ClashKind,
    pub first: u64,
    /// Exclusive.
    pub end: u64,
    /// All mappings of them.
    pub pieces: Vec<Piece>,
}

/// Sweeps over the pieces in the order of their frames.
pub fn clashes(mut pieces: Vec<Piece>, page: u64) -> Vec<Clash> {
    pieces.sort_unstable_by_key(|piece| (piece.first, piece.end, piece.who, piece.address));
    let mut bounds: Vec<u64> = pieces.iter().flat_map(|p| [p.first, p.end]).collect();
    bounds.sort_unstable();
    bounds.dedup();
    let mut coming = pieces.iter().peekable();
    let mut active: Vec<&Piece> = Vec::new();
    let mut found: Vec<Clash> = Vec::new();
    for pair in bounds.windows(2) {
        let &[first, end] = pair else {
            continue;
        };
        active.retain(|piece| piece.end > first);
        while let Some(piece) = coming.next_if(|piece| piece.first <= first) {
            active.push(piece);
        }
        for kind in [ClashKind::Alias, ClashKind::Types] {
            if is_clash(kind, &active) {
                let mut parts: Vec<Piece> =
                    active.iter().map(|p| p.part(first, end, page)).collect();
                parts.sort_unstable_by_key(|piece| (piece.who, piece.address));
                add(
                    &mut found,
                    Clash {
                        kind,
                        first,
                        end,
                        pieces: parts,
                    },
                    page,
                );
            }
        }
    }
    found
}

fn is_clash(kind: ClashKind, pieces: &[&Piece]) -> bool {
    match kind {
        // A mapping that is both is no alias of itself: it is found by its rights.
        ClashKind::Alias => {
            let mut pairs = pieces.iter().enumerate().filter(|(_, a)| a.write);
            let exec = |i: usize| pieces.iter().enumerate().any(|(j, b)| i != j && b.exec);
            pairs.any(|(i, _)| exec(i))
        }
        ClashKind::Types => pieces
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a.memory != b.memory)),
    }
}

/// Adds a clash; one that goes on where one of the last two of its kind ends is a part of that.
fn add(found: &mut Vec<Clash>, next: Clash, page: u64) {
    let last = found.iter_mut().rev().take(2).find(|c| c.kind == next.kind);
    if let Some(last) = last {
        let goes_on = last.end == next.first
            && last.pieces.len() == next.pieces.len()
            && last
                .pieces
                .iter()
                .zip(&next.pieces)
                .all(|(a, b)| a.goes_on(b, page));
        if goes_on {
            last.end = next.end;
            for piece in &mut last.pieces {
                piece.end = next.end;
            }
            return;
        }
    }
    found.push(next);
}

#[cfg(test)]
#[path = "audit/tests.rs"]
mod tests;
