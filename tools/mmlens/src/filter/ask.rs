// SPDX-License-Identifier: GPL-2.0

//! What of an expression the kernel is asked for.

use super::{Compare, Expr};
use mmlens_core::pt::{
    facts::Facts,
    filter::Filter,
    level::Level, //
};

/// Conditions for the kernel. All that an expression matches passes them; more may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Those of entries.
    pub filter: Filter,
    /// Flags that the VMA must have.
    pub vma_required: u64,
    /// Flags that it must not have.
    pub vma_excluded: u64,
}

impl Asked {
    /// No condition.
    pub const ALL: Asked = Asked {
        filter: Filter::ALL,
        vma_required: 0,
        vma_excluded: 0,
    };

    /// The conditions for `expr`; `None` if they contradict each other, so that nothing matches.
    pub fn of(expr: &Expr) -> Option<Asked> {
        let mut asked = conditions(expr, true)?;
        if expr.is_of_size() {
            // These would cut runs.
            let Filter {
                required,
                any,
                excluded,
                ..
            } = asked.filter;
            asked.filter = Filter {
                required,
                any,
                excluded,
                ..Filter::ALL
            };
        }
        let is_sound = asked.filter.is_sound() && asked.vma_required & asked.vma_excluded == 0;
        is_sound.then_some(asked)
    }

    fn of_filter(filter: Filter) -> Self {
        Self {
            filter,
            ..Self::ALL
        }
    }
}

/// Each bit of `facts` that can be asked for.
const fn askable(facts: Facts) -> bool {
    facts.0 & !(Facts::ALL.0 & !Facts::IN_ORDER.0) == 0
}

/// The conditions for `expr`, or for its opposite if it is not `wanted`.
fn conditions(expr: &Expr, wanted: bool) -> Option<Asked> {
    match expr {
        Expr::All => wanted.then_some(Asked::ALL),
        Expr::Word(fact) => some_of(*fact, wanted),
        Expr::Handy(handy) => conditions(&handy.expr(), wanted),
        &Expr::Vma(bit) => Some(Asked {
            vma_required: u64::from(wanted) << bit,
            vma_excluded: u64::from(!wanted) << bit,
            ..Asked::ALL
        }),
        &Expr::Raw { mask, value, equal } => raw(mask, value, equal == wanted),
        Expr::Phys(range) => Some(match wanted {
            true => Asked::of_filter(Filter {
                phys_start: range.start,
                phys_end: range.end,
                ..Filter::ALL
            }),
            false => Asked::ALL,
        }),
        &Expr::Level(compare, level) => levels(compare, level, wanted),
        Expr::Size(..) => Some(Asked::ALL),
        Expr::Not(inner) => conditions(inner, !wanted),
        Expr::And(parts) if wanted => all(parts, wanted),
        Expr::Or(parts) if !wanted => all(parts, wanted),
        Expr::And(parts) | Expr::Or(parts) => some(parts, wanted),
    }
}

/// One of `facts` at least, or none of them. Entries that point to tables are never told, so there is
/// none to ask for.
fn some_of(facts: Facts, wanted: bool) -> Option<Asked> {
    if !askable(facts) {
        return Some(Asked::ALL);
    }
    let mut filter = Filter::ALL;
    let facts = match wanted {
        true => Facts(facts.0 & !Facts::TABLE.0),
        false => facts,
    };
    match (wanted, facts.0.count_ones()) {
        (true, 0) => return None,
        (false, _) => filter.excluded = facts,
        (true, 1) => filter.required = facts,
        (true, _) => filter.any = facts,
    }
    Some(Asked::of_filter(filter))
}

fn raw(mask: u64, value: u64, equal: bool) -> Option<Asked> {
    let value = match (equal, mask.count_ones()) {
        (true, _) => value,
        // No bits at all are always equal.
        (false, 0) => return None,
        // The one bit is the other way round.
        (false, 1) => mask ^ value,
        (false, _) => return Some(Asked::ALL),
    };
    Some(Asked::of_filter(Filter {
        raw_mask: mask,
        raw_value: value,
        ..Filter::ALL
    }))
}

fn levels(compare: Compare, level: Level, wanted: bool) -> Option<Asked> {
    let so = Level::TOP_DOWN
        .into_iter()
        .filter(|&l| compare.holds(l, level) == wanted);
    let facts = so.fold(Facts(0), |facts, l| facts.with(Facts::of_level(l)));
    match facts {
        Facts(0) => None,
        Facts::LEVELS => Some(Asked::ALL),
        facts => some_of(facts, true),
    }
}

/// The conditions for all of `parts`, or for none of them.
fn all(parts: &[Expr], wanted: bool) -> Option<Asked> {
    parts.iter().try_fold(Asked::ALL, |so_far, part| {
        both(so_far, conditions(part, wanted)?)
    })
}

/// The conditions of both; `None` if nothing could pass.
fn both(a: Asked, b: Asked) -> Option<Asked> {
    let (f, g) = (a.filter, b.filter);
    let common = f.raw_mask & g.raw_mask;
    let required = f.required.with(g.required);
    let excluded = f.excluded.with(g.excluded);
    if (f.raw_value ^ g.raw_value) & common != 0 || required.0 & excluded.0 != 0 {
        return None;
    }
    let any = match (f.any.0 & !excluded.0, g.any.0 & !excluded.0) {
        (0, 0) if f.any.0 | g.any.0 != 0 => return None,
        (0, _) if f.any.0 != 0 => return None,
        (_, 0) if g.any.0 != 0 => return None,
        (0, any) | (any, 0) => any,
        // There is room for one: that which fewer have, it is hoped.
        (x, y) if x.count_ones() <= y.count_ones() => x,
        (_, y) => y,
    };
    // A huge page may be in two places that have nothing in common, so they cannot be joined.
    let (phys_start, phys_end) = match (f.phys_end, g.phys_end) {
        (_, 0) => (f.phys_start, f.phys_end),
        (0, _) => (g.phys_start, g.phys_end),
        (x, y) if x - f.phys_start <= y - g.phys_start => (f.phys_start, x),
        (_, y) => (g.phys_start, y),
    };
    Some(Asked {
        filter: Filter {
            required,
            any: Facts(any),
            excluded,
            raw_mask: f.raw_mask | g.raw_mask,
            raw_value: f.raw_value | g.raw_value,
            phys_start,
            phys_end,
        },
        vma_required: a.vma_required | b.vma_required,
        vma_excluded: a.vma_excluded | b.vma_excluded,
    })
}

/// The conditions for one at least of `parts`, or for one at least not.
fn some(parts: &[Expr], wanted: bool) -> Option<Asked> {
    let possible = parts.iter().filter_map(|part| conditions(part, wanted));
    possible.reduce(either)
}

/// What both ask for.
fn either(a: Asked, b: Asked) -> Asked {
    let (f, g) = (a.filter, b.filter);
    let required = f.required.0 & g.required.0;
    // Of each one fact at least that it must have, if it must have any beyond the common ones.
    let one = |f: &Filter| match f.required.0 & !required {
        0 => f.any.0,
        own => 1 << (63 - own.leading_zeros()),
    };
    let any = match (one(&f), one(&g)) {
        (0, _) | (_, 0) => 0,
        (x, y) => x | y,
    };
    let raw_mask = f.raw_mask & g.raw_mask & !(f.raw_value ^ g.raw_value);
    let (phys_start, phys_end) = match (f.phys_end, g.phys_end) {
        (0, _) | (_, 0) => (0, 0),
        (x, y) => (f.phys_start.min(g.phys_start), x.max(y)),
    };
    Asked {
        filter: Filter {
            required: Facts(required),
            any: Facts(any),
            excluded: Facts(f.excluded.0 & g.excluded.0),
            raw_mask,
            raw_value: f.raw_value & raw_mask,
            phys_start,
            phys_end,
        },
        vma_required: a.vma_required & b.vma_required,
        vma_excluded: a.vma_excluded & b.vma_excluded,
    }
}
