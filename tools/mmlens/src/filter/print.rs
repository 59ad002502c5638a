// SPDX-License-Identifier: GPL-2.0

//! How an expression is written: so that reading it gives the same tree.

use super::{words::VMA_FLAGS, Compare, Expr};
use std::fmt;

impl fmt::Display for Compare {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = Self::ALL.iter().find(|(compare, _)| compare == self);
        f.write_str(known.map_or("==", |&(_, sign)| sign))
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Expr::All => f.write_str("all"),
            Expr::Word(fact) => f.write_str(fact.words().next().unwrap_or("all")),
            Expr::Handy(handy) => f.write_str(handy.word()),
            Expr::Vma(bit) => match VMA_FLAGS.iter().find(|(known, _)| known == bit) {
                Some((_, name)) => write!(f, "vma:{name}"),
                None => write!(f, "vma:{bit}"),
            },
            Expr::Raw { mask, value, equal } => {
                let sign = if *equal { "==" } else { "!=" };
                match *mask {
                    u64::MAX => write!(f, "raw {sign} {value:#x}"),
                    mask => write!(f, "raw & {mask:#x} {sign} {value:#x}"),
                }
            }
            Expr::Phys(range) => write!(f, "phys in {:#x}..{:#x}", range.start, range.end),
            Expr::Level(compare, level) => write!(f, "level {compare} {}", level.name()),
            Expr::Size(compare, bytes) => write!(f, "size {compare} {bytes:#x}"),
            Expr::Not(inner) => {
                f.write_str("!")?;
                // A comparison would read as that of the negation.
                let is_word = matches!(
                    **inner,
                    Expr::All | Expr::Word(_) | Expr::Handy(_) | Expr::Vma(_) | Expr::Not(_)
                );
                write_part(f, inner, !is_word)
            }
            Expr::And(parts) => write_parts(f, parts, " & ", |part| {
                matches!(part, Expr::And(_) | Expr::Or(_))
            }),
            Expr::Or(parts) => write_parts(f, parts, " | ", |part| matches!(part, Expr::Or(_))),
        }
    }
}

fn write_part(f: &mut fmt::Formatter<'_>, part: &Expr, enclosed: bool) -> fmt::Result {
    if enclosed {
        write!(f, "({part})")
    } else {
        write!(f, "{part}")
    }
}

fn write_parts(
    f: &mut fmt::Formatter<'_>,
    parts: &[Expr],
    between: &str,
    is_enclosed: impl Fn(&Expr) -> bool,
) -> fmt::Result {
    for (i, part) in parts.iter().enumerate() {
        if i > 0 {
            f.write_str(between)?;
        }
        write_part(f, part, is_enclosed(part))?;
    }
    Ok(())
}
