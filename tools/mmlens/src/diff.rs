// SPDX-License-Identifier: GPL-2.0

//! What is different between two snapshots, as ranges.

mod entries;
mod vmas;

pub use entries::{entries, Kinds, Totals};
pub use vmas::{vmas, VmaChange};

use mmlens_core::pt::facts::Facts;

/// A range of addresses whose entries changed in one way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub start: u64,
    /// Exclusive.
    pub end: u64,
    /// In which way.
    pub kinds: Kinds,
    /// What could be said before; nothing if there was nothing.
    pub before: Facts,
    /// What can be said now.
    pub after: Facts,
}

impl Change {
    pub fn bytes(&self) -> u64 {
        self.end - self.start
    }

    /// The ways in words, with what was and what is where that says more.
    pub fn words(&self) -> Vec<String> {
        let mut words: Vec<String> = Vec::new();
        for (kind, word) in Kinds::WORDS {
            if !self.kinds.has(*kind) {
                continue;
            }
            words.push(match *kind {
                Kinds::APPEARED => format!("{word} {}", what_it_is(self.after)),
                Kinds::GONE => format!("{word} {}", what_it_is(self.before)),
                Kinds::RIGHTS => format!("{}->{}", rights(self.before), rights(self.after)),
                Kinds::PAGE => format!(
                    "{}->{}",
                    first(self.before, Facts::PAGES),
                    first(self.after, Facts::PAGES)
                ),
                Kinds::TYPE => format!(
                    "{}->{}",
                    first(self.before, TYPES),
                    first(self.after, TYPES)
                ),
                Kinds::OTHER => {
                    let differ = Facts(self.before.0 ^ self.after.0);
                    let sign = |word: &str| match Facts::from_word(word) {
                        Some(fact) if self.after.has(fact) => format!("+{word}"),
                        _ => format!("-{word}"),
                    };
                    let others = entries::others(differ).words().map(sign);
                    others.collect::<Vec<_>>().join(" ")
                }
                _ => (*word).to_string(),
            });
        }
        words.retain(|word| !word.is_empty());
        words
    }
}

/// The memory types.
pub const TYPES: Facts = Facts(0x3f << 24);

fn first(facts: Facts, of: Facts) -> &'static str {
    Facts(facts.0 & of.0).words().next().unwrap_or("-")
}

/// `rw-`, as the page table allows.
pub fn rights(facts: Facts) -> String {
    let letter = |fact, letter| if facts.has(fact) { letter } else { '-' };
    [
        letter(Facts::READ, 'r'),
        letter(Facts::WRITE, 'w'),
        letter(Facts::EXEC, 'x'),
    ]
    .iter()
    .collect()
}

/// In a word or two: `rw- page-anon`, `swap`, `guard`.
fn what_it_is(facts: Facts) -> String {
    if facts.has(Facts::PRESENT) {
        let page = Facts(facts.0 & Facts::PAGES.0).words().next();
        let huge = if facts.has(Facts::PTE) { "" } else { " huge" };
        let page = page.map_or(String::new(), |page| format!(" {page}"));
        return format!("{}{page}{huge}", rights(facts));
    }
    let known = [
        Facts::SWAP,
        Facts::MIGRATION,
        Facts::GUARD,
        Facts::POISONED,
        Facts::DEVICE_PAGE,
        Facts::HWPOISON,
        Facts::MARKER,
        Facts::BAD,
        Facts::NONPRESENT,
    ];
    let fact = known.into_iter().find(|&fact| facts.has(fact));
    let word = fact.and_then(|fact| fact.words().next());
    word.unwrap_or("something").to_string()
}

#[cfg(test)]
#[path = "diff/tests.rs"]
mod tests;
