// SPDX-License-Identifier: GPL-2.0

//! Reads filter expressions.
//!
//! ```text
//! or      = and { ("|" | "or") and }
//! and     = not { ("&" | "and") not }
//! not     = ("!" | "not") not | "(" or ")" | raw | phys | level | size | vma | word
//! ```

use super::{
    words::{self, VMA_FLAGS},
    Compare, Expr, Handy, DEPTH,
};
use mmlens_core::pt::{facts::Facts, level::Level};
use std::fmt;
use winnow::{
    ascii::multispace0,
    combinator::{alt, opt, preceded},
    error::{ErrMode, ParserError},
    stream::Stream,
    token::take_while,
    ModalResult, Parser,
};

/// Why an expression cannot be read, and where: the column, from 1, in characters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where it was noticed.
    pub column: usize,
    /// What is wrong.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "filter, column {}: {}", self.column, self.what)
    }
}

impl std::error::Error for Problem {}

/// The same while it is read: the place is how much was left.
#[derive(Debug)]
struct Stuck {
    left: usize,
    what: String,
}

// Deprecated, but the trait wants these.
#[allow(deprecated)]
impl ParserError<&str> for Stuck {
    fn from_error_kind(input: &&str, _kind: winnow::error::ErrorKind) -> Self {
        Stuck {
            left: input.len(),
            what: String::new(),
        }
    }

    fn append(
        self,
        _input: &&str,
        _start: &<&str as Stream>::Checkpoint,
        _kind: winnow::error::ErrorKind,
    ) -> Self {
        self
    }
}

type Read<T> = ModalResult<T, Stuck>;

/// Ends the reading: `what` is wrong at the place where `left` is left.
fn stuck<T>(left: &str, what: impl Into<String>) -> Read<T> {
    Err(ErrMode::Cut(Stuck {
        left: left.len(),
        what: what.into(),
    }))
}

/// Reads an expression; nothing at all is [`Expr::All`].
pub fn parse(text: &str) -> Result<Expr, Problem> {
    let mut rest = text;
    let read = whole(&mut rest);
    read.map_err(|error| {
        let Stuck { left, what } = error.into_inner().unwrap_or(Stuck {
            left: 0,
            what: "it is not complete".into(),
        });
        let read = text.get(..text.len().saturating_sub(left)).unwrap_or(text);
        Problem {
            column: read.chars().count() + 1,
            what,
        }
    })
}

fn whole(input: &mut &str) -> Read<Expr> {
    multispace0.parse_next(input)?;
    if input.is_empty() {
        return Ok(Expr::All);
    }
    let expr = any_of(input, DEPTH)?;
    match input.chars().next() {
        None => Ok(expr),
        Some(')') => stuck(input, "this `)` closes nothing"),
        Some(_) => stuck(
            input,
            format!("expected `&`, `|` or the end, not {}", shown(input)),
        ),
    }
}

/// What stands there, for a message.
fn shown(input: &str) -> String {
    let text: String = input
        .chars()
        .take(20)
        .take_while(|c| !c.is_whitespace())
        .collect();
    if text.is_empty() {
        "the end".to_string()
    } else {
        format!("`{}`", text.escape_debug())
    }
}

/// One of `signs`, or the word, with the space behind it.
fn operator(input: &mut &str, signs: [&'static str; 2], word: &'static str) -> Read<bool> {
    let sign = alt((signs[0], signs[1])).void();
    let spelled = take_while(1.., is_word).verify(|w: &str| w == word).void();
    let found = opt((alt((sign, spelled)), multispace0)).parse_next(input)?;
    Ok(found.is_some())
}

fn any_of(input: &mut &str, depth: usize) -> Read<Expr> {
    let mut parts = vec![all_of(input, depth)?];
    while operator(input, ["||", "|"], "or")? {
        parts.push(all_of(input, depth)?);
    }
    Ok(one_or(parts, Expr::Or))
}

fn all_of(input: &mut &str, depth: usize) -> Read<Expr> {
    let mut parts = vec![negation(input, depth)?];
    while operator(input, ["&&", "&"], "and")? {
        parts.push(negation(input, depth)?);
    }
    Ok(one_or(parts, Expr::And))
}

fn one_or(mut parts: Vec<Expr>, several: fn(Vec<Expr>) -> Expr) -> Expr {
    match parts.len() {
        1 => parts.remove(0),
        _ => several(parts),
    }
}

fn negation(input: &mut &str, depth: usize) -> Read<Expr> {
    let Some(depth) = depth.checked_sub(1) else {
        return stuck(input, format!("nested more than {DEPTH} deep"));
    };
    if operator(input, ["!", "!"], "not")? {
        return Ok(Expr::Not(Box::new(negation(input, depth)?)));
    }
    let opened = *input;
    if opt(("(", multispace0)).parse_next(input)?.is_some() {
        let inner = any_of(input, depth)?;
        if opt((")", multispace0)).parse_next(input)?.is_none() {
            return match input.is_empty() {
                true => stuck(opened, "this `(` is not closed"),
                false => stuck(
                    input,
                    format!("expected `&`, `|` or `)`, not {}", shown(input)),
                ),
            };
        }
        return Ok(inner);
    }
    condition(input)
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// A word and the space behind it; `None` if there is something else.
fn word<'a>(input: &mut &'a str) -> Read<Option<&'a str>> {
    let word = opt(take_while(1.., is_word)).parse_next(input)?;
    multispace0.parse_next(input)?;
    Ok(word)
}

fn condition(input: &mut &str) -> Read<Expr> {
    let start = *input;
    let Some(name) = word(input)? else {
        return stuck(start, format!("expected a word, not {}", shown(start)));
    };
    match name {
        "all" => Ok(Expr::All),
        "raw" => raw(input),
        "phys" => phys(input),
        "level" => level(input),
        "size" => {
            let compare = comparison(input)?;
            Ok(Expr::Size(compare, number(input)?))
        }
        "vma" => vma(input),
        name => match (
            Facts::from_word(name),
            Handy::ALL.iter().find(|h| h.word() == name),
        ) {
            (Some(fact), _) => Ok(Expr::Word(fact)),
            (None, Some(&handy)) => Ok(Expr::Handy(handy)),
            (None, None) => stuck(start, unknown_word(name)),
        },
    }
}

fn unknown_word(name: &str) -> String {
    const KEYWORDS: [&str; 9] = [
        "raw", "phys", "level", "size", "vma", "all", "and", "or", "not",
    ];
    let facts = Facts::WORDS.iter().map(|&(_, word)| word);
    let known = facts
        .chain(Handy::ALL.iter().map(|h| h.word()))
        .chain(KEYWORDS);
    // One who knows the flags of VMAs may not know how to ask for them.
    let flag = VMA_FLAGS
        .iter()
        .find(|(_, flag)| flag.eq_ignore_ascii_case(name));
    match (words::suggest(name, known), flag) {
        (Some(near), _) => format!("there is no word `{name}`: did you mean `{near}`?"),
        (None, Some((_, flag))) => format!("there is no word `{name}`: did you mean `vma:{flag}`?"),
        (None, None) => format!("there is no word `{name}`: see `mmlens filter --list`"),
    }
}

fn comparison(input: &mut &str) -> Read<Compare> {
    for (compare, sign) in Compare::ALL {
        if opt((sign, multispace0)).parse_next(input)?.is_some() {
            return Ok(compare);
        }
    }
    let what = format!("expected == != < <= > or >=, not {}", shown(input));
    stuck(input, what)
}

/// `0x1f`, `4096`, `2M`, with `_` between digits if one likes.
fn number(input: &mut &str) -> Read<u64> {
    let start = *input;
    let text = opt(take_while(1.., is_word))
        .parse_next(input)?
        .unwrap_or("");
    multispace0.parse_next(input)?;
    let digits = text.replace('_', "");
    let hexadecimal = digits
        .strip_prefix("0x")
        .or_else(|| digits.strip_prefix("0X"));
    let value = match hexadecimal {
        Some(hex) => u64::from_str_radix(hex, 16).ok(),
        None => {
            let unit = digits
                .find(|c: char| !c.is_ascii_digit())
                .unwrap_or(digits.len());
            let (digits, unit) = digits.split_at(unit);
            let shift = match unit {
                "" => Some(0),
                "K" | "k" => Some(10),
                "M" => Some(20),
                "G" => Some(30),
                "T" => Some(40),
                "P" => Some(50),
                _ => None,
            };
            let value = digits.parse::<u64>().ok();
            value
                .zip(shift)
                .and_then(|(value, shift)| value.checked_mul(1 << shift))
        }
    };
    match value {
        Some(value) => Ok(value),
        None => stuck(
            start,
            format!(
                "expected a number such as 0x1000 or 2M, not {}",
                shown(start)
            ),
        ),
    }
}

fn raw(input: &mut &str) -> Read<Expr> {
    let mask = match opt(("&", multispace0)).parse_next(input)? {
        Some(_) => number(input)?,
        None => u64::MAX,
    };
    let sign = *input;
    let equal = match comparison(input)? {
        Compare::Equal => true,
        Compare::NotEqual => false,
        _ => return stuck(sign, "bits can be compared with == and != only"),
    };
    let at = *input;
    let value = number(input)?;
    if value & !mask != 0 {
        let what =
            format!("{value:#x} has bits that are not in {mask:#x}: it would never be equal");
        return stuck(at, what);
    }
    Ok(Expr::Raw { mask, value, equal })
}

fn phys(input: &mut &str) -> Read<Expr> {
    let at = *input;
    if word(input)? != Some("in") {
        return stuck(at, format!("expected `in A..B`, not {}", shown(at)));
    }
    let at = *input;
    let start = number(input)?;
    if opt(preceded("..", multispace0))
        .parse_next(input)?
        .is_none()
    {
        return stuck(input, format!("expected `..`, not {}", shown(input)));
    }
    let end = number(input)?;
    if start >= end {
        return stuck(at, format!("there is nothing from {start:#x} to {end:#x}"));
    }
    Ok(Expr::Phys(start..end))
}

fn level(input: &mut &str) -> Read<Expr> {
    let compare = comparison(input)?;
    let at = *input;
    let name = word(input)?.unwrap_or("");
    match Level::TOP_DOWN.into_iter().find(|l| l.name() == name) {
        Some(level) => Ok(Expr::Level(compare, level)),
        None => stuck(
            at,
            format!("expected pte, pmd, pud, p4d or pgd, not {}", shown(at)),
        ),
    }
}

fn vma(input: &mut &str) -> Read<Expr> {
    if opt((":", multispace0)).parse_next(input)?.is_none() {
        return stuck(input, format!("expected `:`, not {}", shown(input)));
    }
    let at = *input;
    let Some(name) = word(input)? else {
        return stuck(at, format!("expected a flag of VMAs, not {}", shown(at)));
    };
    let plain = match name.get(..3) {
        Some(prefix) if prefix.eq_ignore_ascii_case("vm_") => name.get(3..).unwrap_or(name),
        _ => name,
    };
    let known = VMA_FLAGS
        .iter()
        .find(|(_, flag)| flag.eq_ignore_ascii_case(plain));
    let bit = known.map(|&(bit, _)| bit);
    if let Some(bit) = bit.or_else(|| plain.parse().ok().filter(|&bit| bit < 64)) {
        return Ok(Expr::Vma(bit));
    }
    let near = words::suggest(plain, VMA_FLAGS.iter().map(|(_, flag)| flag.as_str()));
    match near {
        Some(near) => stuck(
            at,
            format!("there is no flag `{name}`: did you mean `{near}`?"),
        ),
        None => stuck(
            at,
            format!("there is no flag `{name}`: see `mmlens filter --list`"),
        ),
    }
}
