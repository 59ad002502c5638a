// SPDX-License-Identifier: GPL-2.0

//! Questions about an address space: what one can ask, and how it is written.
//!
//! *Pure* code: `core` only. Who answers is elsewhere.

pub mod huge;
pub mod reason;

/// A question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// What can be asked.
    Help,
    /// The VMA that contains an address, or else the next one above (`find_vma()`).
    FindVma(u64),
    /// That, and the VMA below it (`find_vma_prev()`).
    FindVmaPrev(u64),
    /// The first VMA that has addresses in a range (`find_vma_intersection()`).
    FindVmaIntersection {
        /// First address.
        start: u64,
        /// Exclusive end; greater than `start`.
        end: u64,
    },
    /// Room for so many bytes between VMAs; not 0.
    Gap(u64),
    /// The way through the tables from an address to memory.
    Translate(u64),
    /// Everything about an address, and why it is so.
    Explain(u64),
    /// Who else maps the page at an address.
    Rmap(u64),
}

/// What [`Question::Help`] is answered.
pub const HELP: &str = "\
Write one of these, then read the answer from the same open file. Numbers are hexadecimal.

find_vma A                 the VMA that contains address A, or else the next one above
find_vma_prev A            that, and the VMA below it
find_vma_intersection A B  the first VMA with addresses in A..B
gap LEN                    where LEN bytes fit between VMAs: lowest, highest, and where mmap() would go
translate A                the entry of each level for address A, and the physical address
explain A                  the VMA, the entries and the page at A, and why it is so
rmap A                     who maps the page of the file that is mapped at A
help                       this
";

impl Question {
    /// Reads a question: a word and its numbers, with one space between.
    ///
    /// Returns `None` if it is anything else.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(' ');
        let question = match words.next()? {
            "help" => Question::Help,
            "find_vma" => Question::FindVma(number(words.next()?)?),
            "find_vma_prev" => Question::FindVmaPrev(number(words.next()?)?),
            "find_vma_intersection" => {
                let start = number(words.next()?)?;
                let end = number(words.next()?).filter(|&end| end > start)?;
                Question::FindVmaIntersection { start, end }
            }
            "gap" => Question::Gap(number(words.next()?).filter(|&len| len > 0)?),
            "translate" => Question::Translate(number(words.next()?)?),
            "explain" => Question::Explain(number(words.next()?)?),
            "rmap" => Question::Rmap(number(words.next()?)?),
            _ => return None,
        };
        words.next().is_none().then_some(question)
    }
}

/// Reads a hexadecimal number, with or without `0x`.
fn number(word: &str) -> Option<u64> {
    let digits = word.strip_prefix("0x").unwrap_or(word);
    // `from_str_radix` takes a sign.
    if !digits.bytes().all(|c| c.is_ascii_hexdigit()) {
        return None;
    }
    u64::from_str_radix(digits, 16).ok()
}
