// SPDX-License-Identifier: GPL-2.0

//! Entries that differ: both snapshots are read once, side by side.

use super::{Change, TYPES};
use crate::{
    error::{Error, Result},
    extent::{Extent, Places, Shape},
    snapshot::Source,
};
use mmlens_core::pt::facts::Facts;

/// In which ways entries differ, a bit for each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Kinds(pub u32);

macro_rules! kinds {
    ($($name:ident = $bit:literal, $word:literal;)+) => {
        impl Kinds {
            $(pub const $name: Kinds = Kinds(1 << $bit);)+

            /// Each of them, and its word.
            pub const WORDS: &'static [(Kinds, &'static str)] = &[$((Self::$name, $word),)+];
        }
    };
}

kinds! {
    APPEARED = 0, "appeared";
    GONE = 1, "gone";
    SWAPPED_OUT = 2, "swapped-out";
    SWAPPED_IN = 3, "swapped-in";
    COLLAPSED = 4, "became-huge";
    SPLIT = 5, "split";
    MOVED = 6, "moved";
    RIGHTS = 7, "rights";
    PAGE = 8, "page";
    TYPE = 9, "type";
    DIRTIED = 10, "dirty";
    CLEANED = 11, "clean";
    ACCESSED = 12, "accessed";
    AGED = 13, "aged";
    OTHER = 14, "other";
}

impl Kinds {
    pub const fn has(self, other: Kinds) -> bool {
        self.0 & other.0 == other.0
    }

    fn add(&mut self, other: Kinds, condition: bool) {
        if condition {
            self.0 |= other.0;
        }
    }
}

/// The sums.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Bytes that changed in a way, in the order of [`Kinds::WORDS`].
    pub bytes: [u64; 15],
    /// Bytes that changed in any way.
    pub changed: u64,
    /// Bytes that were mapped before, and are now.
    pub present: [u64; 2],
}

impl Totals {
    fn add(&mut self, change: &Change) {
        self.changed += change.bytes();
        for ((kind, _), bytes) in Kinds::WORDS.iter().zip(&mut self.bytes) {
            if change.kinds.has(*kind) {
                *bytes += change.bytes();
            }
        }
    }
}

/// The facts that have no kind of their own.
pub fn others(differ: Facts) -> Facts {
    let own = [
        Facts::LEVELS,
        Facts::PAGES,
        TYPES,
        Facts::READ,
        Facts::WRITE,
        Facts::EXEC,
        Facts::PRESENT,
        Facts::NONPRESENT,
        Facts::SWAP,
        Facts::DIRTY,
        Facts::ACCESSED,
    ];
    let own = own.into_iter().fold(Facts(0), Facts::with);
    Facts(differ.0 & !own.0)
}

/// How two entries differ, their places aside.
fn compare(before: Facts, after: Facts) -> Kinds {
    let mut kinds = Kinds::default();
    let differ = Facts(before.0 ^ after.0);
    let comes = |fact: Facts| after.has(fact) && !before.has(fact);
    let goes = |fact: Facts| before.has(fact) && !after.has(fact);
    let both_present = before.has(Facts::PRESENT) && after.has(Facts::PRESENT);
    kinds.add(Kinds::SWAPPED_OUT, comes(Facts::SWAP));
    kinds.add(
        Kinds::SWAPPED_IN,
        goes(Facts::SWAP) && after.has(Facts::PRESENT),
    );
    kinds.add(
        Kinds::COLLAPSED,
        both_present && before.level() < after.level(),
    );
    kinds.add(Kinds::SPLIT, both_present && before.level() > after.level());
    if both_present {
        let rights = Facts::READ.with(Facts::WRITE).with(Facts::EXEC);
        kinds.add(Kinds::RIGHTS, differ.0 & rights.0 != 0);
        kinds.add(Kinds::PAGE, differ.0 & Facts::PAGES.0 != 0);
        kinds.add(Kinds::TYPE, differ.0 & TYPES.0 != 0);
        kinds.add(Kinds::DIRTIED, comes(Facts::DIRTY));
        kinds.add(Kinds::CLEANED, goes(Facts::DIRTY));
        kinds.add(Kinds::ACCESSED, comes(Facts::ACCESSED));
        kinds.add(Kinds::AGED, goes(Facts::ACCESSED));
    }
    let is_explained = kinds.0 & (Kinds::SWAPPED_OUT.0 | Kinds::SWAPPED_IN.0) != 0;
    let is_other = others(differ).0 != 0 || differ.has(Facts::PRESENT);
    kinds.add(Kinds::OTHER, is_other && !is_explained);
    kinds
}

/// One of the two, and its present run.
struct Side<'a> {
    source: &'a mut dyn Source,
    shape: Shape,
    run: Option<Extent>,
    present: u64,
}

impl<'a> Side<'a> {
    fn new(source: &'a mut dyn Source) -> Result<Self> {
        let mut side = Self {
            shape: source.shape(),
            source,
            run: None,
            present: 0,
        };
        side.advance()?;
        Ok(side)
    }

    fn advance(&mut self) -> Result<()> {
        self.run = self.source.run()?;
        if let Some(run) = self
            .run
            .as_ref()
            .filter(|run| run.facts.has(Facts::PRESENT))
        {
            self.present += run.bytes();
        }
        Ok(())
    }

    /// Goes on until the run ends behind `address`.
    fn reach(&mut self, address: u64) -> Result<()> {
        while self.run.as_ref().is_some_and(|run| run.end <= address) {
            self.advance()?;
        }
        Ok(())
    }

    /// The run if `address` is in it, and up to where that is so.
    fn at(&self, address: u64) -> (Option<&Extent>, u64) {
        match &self.run {
            Some(run) if run.start <= address => (Some(run), run.end),
            Some(run) => (None, run.start),
            None => (None, u64::MAX),
        }
    }
}

/// Tells `report` of each range whose entries differ, in order; returns the sums.
///
/// Ranges that differ in the same way are one, but not over the bounds of a VMA: those after `cuts`.
pub fn entries(
    before: &mut dyn Source,
    after: &mut dyn Source,
    report: &mut dyn FnMut(Change) -> Result<()>,
) -> Result<Totals> {
    if before.shape().geometry != after.shape().geometry {
        return Err(Error::usage(
            "the two are of machines whose page tables differ",
        ));
    }
    // New VMAs cut ranges, so that each range has one name.
    let mut cuts: Vec<u64> = after
        .vmas()
        .iter()
        .chain(before.vmas())
        .map(|vma| vma.start)
        .collect();
    cuts.sort_unstable();
    cuts.dedup();
    let (mut a, mut b) = (Side::new(before)?, Side::new(after)?);
    let mut out = Ranges {
        cuts,
        open: None,
        totals: Totals::default(),
        report,
    };
    let mut position = 0;
    while a.run.is_some() || b.run.is_some() {
        let (old, old_end) = a.at(position);
        let (new, new_end) = b.at(position);
        let end = old_end.min(new_end);
        match (old, new) {
            (None, None) => {}
            (Some(old), None) => out.add(position, end, Kinds::GONE, old.facts, Facts(0))?,
            (None, Some(new)) => out.add(position, end, Kinds::APPEARED, Facts(0), new.facts)?,
            (Some(old), Some(new)) => {
                let both = ((&a.shape, old), (&b.shape, new));
                places(both, position, end, &mut out)?;
            }
        }
        position = end;
        a.reach(position)?;
        b.reach(position)?;
    }
    out.finish()?;
    out.totals.present = [a.present, b.present];
    Ok(out.totals)
}

/// Compares what both have from `start` to `end`, place by place where it is needed.
fn places(
    ((x, old), (y, new)): ((&Shape, &Extent), (&Shape, &Extent)),
    start: u64,
    end: u64,
    out: &mut Ranges<'_>,
) -> Result<()> {
    let kinds = compare(old.facts, new.facts);
    // A frame and a slot have nothing to do with each other.
    let is_same_kind = (old.facts.0 ^ new.facts.0) & (Facts::PRESENT.0 | Facts::SWAP.0) == 0;
    let moved = |address| is_same_kind && x.place_at(old, address) != y.place_at(new, address);
    // Within an entry, and in order, the one goes on as the other does.
    let steps = [old, new]
        .into_iter()
        .filter(|extent| is_same_kind && matches!(extent.places, Places::Each(_)));
    let step = steps.map(|extent| x.geometry.size(extent.level())).min();
    let mut at = start;
    while at < end {
        let next = step.map_or(end, |step| (at | (step - 1)).saturating_add(1).min(end));
        let mut kinds = kinds;
        kinds.add(Kinds::MOVED, moved(at));
        if kinds != Kinds::default() {
            out.add(at, next, kinds, old.facts, new.facts)?;
        }
        at = next;
    }
    Ok(())
}

/// Joins neighbours that changed alike.
struct Ranges<'a> {
    cuts: Vec<u64>,
    open: Option<Change>,
    totals: Totals,
    report: &'a mut dyn FnMut(Change) -> Result<()>,
}

impl Ranges<'_> {
    fn add(
        &mut self,
        start: u64,
        end: u64,
        kinds: Kinds,
        before: Facts,
        after: Facts,
    ) -> Result<()> {
        let mut start = start;
        while start < end {
            let next = self.cuts.partition_point(|&cut| cut <= start);
            let cut = self.cuts.get(next).copied().unwrap_or(u64::MAX);
            let is_cut = self.cuts.binary_search(&start).is_ok();
            self.piece(start, cut.min(end), is_cut, (kinds, before, after))?;
            start = cut.min(end);
        }
        Ok(())
    }

    fn piece(
        &mut self,
        start: u64,
        end: u64,
        is_cut: bool,
        (kinds, before, after): (Kinds, Facts, Facts),
    ) -> Result<()> {
        let next = Change {
            start,
            end,
            kinds,
            before,
            after,
        };
        match &mut self.open {
            Some(open) if !is_cut && open.end == start && looks_like(open, &next) => {
                open.end = end;
                return Ok(());
            }
            _ => {}
        }
        match self.open.replace(next) {
            Some(complete) => self.tell(complete),
            None => Ok(()),
        }
    }

    fn finish(&mut self) -> Result<()> {
        match self.open.take() {
            Some(complete) => self.tell(complete),
            None => Ok(()),
        }
    }

    fn tell(&mut self, change: Change) -> Result<()> {
        self.totals.add(&change);
        (self.report)(change)
    }
}

/// Whether the lines of both say the same: accessed and dirty bits of what came or went do not matter.
fn looks_like(a: &Change, b: &Change) -> bool {
    a.kinds == b.kinds && a.words() == b.words()
}
