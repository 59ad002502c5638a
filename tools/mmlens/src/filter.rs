// SPDX-License-Identifier: GPL-2.0

//! The filter language: which entries are wanted.
//!
//! An expression is a tree ([`Expr`]). It is looked at twice: the kernel gets as much of it as
//! `struct mmlens_walk` can say ([`Asked`]), which is never less than what is wanted, and each
//! record that comes back is matched here ([`Expr::matches`]). So any expression works, and a narrow
//! one costs little.

mod ask;
mod parse;
mod print;
#[cfg(test)]
mod tests;
mod words;

pub use ask::Asked;
pub use parse::parse;
pub use words::{listing, plain};

use mmlens_core::pt::{facts::Facts, level::Level};
use std::ops::Range;

/// How deep an expression may nest, so that none can exhaust the stack.
pub const DEPTH: usize = 64;

/// How two numbers compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compare {
    /// `==`
    Equal,
    /// `!=`
    NotEqual,
    /// `<`
    Less,
    /// `<=`
    AtMost,
    /// `>`
    More,
    /// `>=`
    AtLeast,
}

impl Compare {
    /// All of them and how they are written, the longer ones first.
    pub const ALL: [(Compare, &'static str); 6] = [
        (Self::Equal, "=="),
        (Self::NotEqual, "!="),
        (Self::AtMost, "<="),
        (Self::AtLeast, ">="),
        (Self::Less, "<"),
        (Self::More, ">"),
    ];

    /// Whether `a` and `b` are so.
    pub fn holds<T: Ord>(self, a: T, b: T) -> bool {
        match self {
            Self::Equal => a == b,
            Self::NotEqual => a != b,
            Self::Less => a < b,
            Self::AtMost => a <= b,
            Self::More => a > b,
            Self::AtLeast => a >= b,
        }
    }
}

/// A name for an expression that is often wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Handy {
    /// A leaf above the lowest table.
    Huge,
    /// Writable and executable.
    Wx,
    /// A leaf that the processor follows.
    Mapped,
    /// Readable, and nothing more.
    ReadOnly,
    /// A note of the kernel that makes accesses fail.
    Trap,
}

/// A filter expression.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Expr {
    /// Everything: what no expression at all stands for.
    All,
    /// A word of [`Facts::WORDS`].
    Word(Facts),
    /// A name for more than one word.
    Handy(Handy),
    /// A flag of the VMA, by its bit.
    Vma(u8),
    /// Bits of the entry: whether `raw & mask` is `value`.
    Raw {
        /// Bits to compare.
        mask: u64,
        /// What they are to be, or not to be.
        value: u64,
        /// Whether they are to be that.
        equal: bool,
    },
    /// Memory of the entry lies in the range, a part of it at least.
    Phys(Range<u64>),
    /// The level of the table.
    Level(Compare, Level),
    /// Bytes of the run of neighbours that the entry belongs to.
    Size(Compare, u64),
    /// The opposite.
    Not(Box<Expr>),
    /// All of these, two at least.
    And(Vec<Expr>),
    /// Some of these, two at least.
    Or(Vec<Expr>),
}

/// What an expression is matched against: one entry, and the run and VMA that it is in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Look {
    /// What can be said of it.
    pub facts: Facts,
    /// The entry as it stands.
    pub raw: u64,
    /// The physical address of the memory that it maps.
    pub address: Option<u64>,
    /// Bytes that it translates.
    pub bytes: u64,
    /// Bytes of its run.
    pub run: u64,
    /// Flags of its VMA.
    pub vma_flags: u64,
}

impl Handy {
    /// All of them.
    pub const ALL: [Handy; 5] = [
        Self::Huge,
        Self::Wx,
        Self::Mapped,
        Self::ReadOnly,
        Self::Trap,
    ];

    /// How it is written.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Huge => "huge",
            Self::Wx => "wx",
            Self::Mapped => "mapped",
            Self::ReadOnly => "read-only",
            Self::Trap => "trap",
        }
    }

    /// What it stands for.
    pub fn expr(self) -> Expr {
        let word = |fact| Expr::Word(fact);
        let not = |fact| Expr::Not(Box::new(Expr::Word(fact)));
        match self {
            Self::Huge => Expr::And(vec![word(Facts::PRESENT), not(Facts::PTE)]),
            Self::Wx => Expr::And(vec![
                word(Facts::PRESENT),
                word(Facts::WRITE),
                word(Facts::EXEC),
            ]),
            Self::Mapped => Expr::And(vec![word(Facts::PRESENT), not(Facts::PROTNONE)]),
            Self::ReadOnly => Expr::And(vec![
                word(Facts::PRESENT),
                word(Facts::READ),
                not(Facts::WRITE),
                not(Facts::EXEC),
            ]),
            Self::Trap => Expr::Or(vec![
                word(Facts::GUARD),
                word(Facts::POISONED),
                word(Facts::HWPOISON),
            ]),
        }
    }
}

impl Expr {
    /// What is shown if nobody says what is wanted: all but holes and tables.
    pub fn usual() -> Expr {
        let not = |fact| Expr::Not(Box::new(Expr::Word(fact)));
        Expr::And(vec![not(Facts::HOLE), not(Facts::TABLE)])
    }

    /// Whether the entry is wanted.
    pub fn matches(&self, look: &Look) -> bool {
        match self {
            Expr::All => true,
            Expr::Word(fact) => look.facts.has(*fact),
            Expr::Handy(handy) => handy.expr().matches(look),
            Expr::Vma(bit) => look.vma_flags >> bit & 1 != 0,
            Expr::Raw { mask, value, equal } => (look.raw & mask == *value) == *equal,
            Expr::Phys(range) => look.address.is_some_and(|address| {
                address < range.end && address.saturating_add(look.bytes) > range.start
            }),
            Expr::Level(compare, level) => {
                look.facts.level().is_some_and(|l| compare.holds(l, *level))
            }
            Expr::Size(compare, bytes) => compare.holds(look.run, *bytes),
            Expr::Not(inner) => !inner.matches(look),
            Expr::And(all) => all.iter().all(|e| e.matches(look)),
            Expr::Or(some) => some.iter().any(|e| e.matches(look)),
        }
    }

    /// Whether some part of the expression is so.
    fn has_part(&self, is_so: &dyn Fn(&Expr) -> bool) -> bool {
        is_so(self)
            || match self {
                Expr::Not(inner) => inner.has_part(is_so),
                Expr::And(parts) | Expr::Or(parts) => parts.iter().any(|e| e.has_part(is_so)),
                _ => false,
            }
    }

    /// Whether neighbours that differ only in their place may differ in whether they match: then
    /// each entry has to be looked at by itself.
    pub fn is_of_entries(&self) -> bool {
        self.has_part(&|e| matches!(e, Expr::Raw { .. } | Expr::Phys(_)))
    }

    /// Whether the length of runs matters: then they must not be cut before they are matched.
    pub fn is_of_size(&self) -> bool {
        let in_order = |e: &Expr| *e == Expr::Word(Facts::IN_ORDER);
        self.has_part(&|e| matches!(e, Expr::Size(..)) || in_order(e))
    }

    /// Whether it asks for what only a look at the page tells.
    pub fn wants_pages(&self) -> bool {
        self.has_part(&|e| matches!(e, Expr::Word(fact) if fact.0 & Facts::PAGES.0 != 0))
    }
}
