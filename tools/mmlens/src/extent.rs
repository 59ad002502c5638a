// SPDX-License-Identifier: GPL-2.0

//! Neighbouring entries that are alike, with what each of them points to.

use mmlens_core::pt::{
    entry::{Entry, Raw},
    facts::Facts,
    format::Format,
    level::{Geometry, Level},
};
use mmlens_device::{entries_of, AnyFormat, Machine};
use std::io;

/// How many places an extent keeps one by one, at most: a bound for a line of a file.
pub const MOST_PLACES: usize = 512;
/// From so many entries in order on, they are not taken apart because the next one is elsewhere.
const LONG: u64 = 8;

/// What the entries of an extent point to: page frames, or slots of a swap area, each that of the
/// whole entry, even if the extent begins in the middle of what it translates.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Places {
    /// Nothing: holes, markers.
    None,
    /// This, and on from there.
    From(u64),
    /// One by one.
    Each(Vec<u64>),
    /// Here and there, not kept; this is the first one.
    Scattered(u64),
}

/// Neighbours of one level, alike but for their places.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Extent {
    /// First address.
    pub start: u64,
    /// Exclusive.
    pub end: u64,
    /// The first entry.
    pub raw: u64,
    /// What can be said of each; never `IN_ORDER`.
    pub facts: Facts,
    /// What they point to.
    pub places: Places,
}

/// What is known of the tables of a machine.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub geometry: Geometry,
    pub format: AnyFormat,
}

macro_rules! with_format {
    ($self:expr, $format:ident => $code:expr) => {
        match &$self.format {
            AnyFormat::X86_64($format) => $code,
            AnyFormat::Aarch64($format) => $code,
        }
    };
}

impl Shape {
    /// Of a machine; fails if there is none such.
    pub fn of(machine: &Machine) -> io::Result<Self> {
        Ok(Self {
            geometry: machine.geometry()?,
            format: machine.format(),
        })
    }

    /// What an entry points to.
    pub fn place(&self, raw: u64, level: Level) -> Option<u64> {
        match self.format.decode(Raw(raw), level) {
            Entry::NonPresent(soft) => soft.place,
            entry => entry.pfn(),
        }
    }

    /// Whether two entries of a level differ in nothing but their places.
    fn is_alike(&self, a: u64, b: u64, level: Level) -> bool {
        let (a, b) = (Raw(a), Raw(b));
        let (x, y) = (self.format.decode(a, level), self.format.decode(b, level));
        let is_same_kind = match (&x, &y) {
            (Entry::NonPresent(x), Entry::NonPresent(y)) => x.is_like(y),
            (x, y) => std::mem::discriminant(x) == std::mem::discriminant(y),
        };
        let bits = with_format!(self, format => format.flag_bits(a, &x, level));
        is_same_kind && (a.0 ^ b.0) & bits == 0
    }

    /// An entry by itself.
    pub fn extent_of(&self, entry: &mmlens_device::Entry) -> Extent {
        let level = entry.facts.level().unwrap_or(Level::Pte);
        let place = self.place(entry.raw.0, level);
        Extent {
            start: entry.address,
            end: self.geometry.entry_end(entry.address, level),
            raw: entry.raw.0,
            facts: entry.facts,
            places: place.map_or(Places::None, Places::From),
        }
    }

    /// A run as the kernel tells of it.
    pub fn extent_of_run(&self, run: &mmlens_device::Run) -> Extent {
        let is_in_order = run.facts.has(Facts::IN_ORDER);
        Extent {
            start: run.start,
            end: run.end,
            raw: run.raw.0,
            facts: Facts(run.facts.0 & !Facts::IN_ORDER.0),
            places: match run.place {
                None => Places::None,
                Some(place) if is_in_order => Places::From(place),
                Some(place) => Places::Scattered(place),
            },
        }
    }

    /// How many entries an extent is.
    pub fn entries(&self, extent: &Extent) -> u64 {
        entries_of(&self.geometry, extent.level(), extent.start, extent.end)
    }

    /// How far the place goes on from one entry of a level to the next.
    fn step(&self, level: Level) -> u64 {
        self.geometry.size(level) / self.geometry.page_size()
    }

    /// What a page of an extent points to, if that is kept.
    pub fn place_at(&self, extent: &Extent, address: u64) -> Option<u64> {
        let level = extent.level();
        let first = self.geometry.entry_start(extent.start, level);
        let page = address.checked_sub(first)? / self.geometry.page_size();
        let step = self.step(level);
        match &extent.places {
            Places::None | Places::Scattered(_) => None,
            Places::From(place) => place.checked_add(page),
            Places::Each(places) => {
                let place = places.get(usize::try_from(page / step).ok()?)?;
                place.checked_add(page % step)
            }
        }
    }

    /// The frames of what is present, in pieces that follow one another: the first, the exclusive end,
    /// and the address of the first. Of places that are not kept, nothing.
    pub fn frames(&self, extent: &Extent) -> Vec<(u64, u64, u64)> {
        let page = self.geometry.page_size();
        let Places::Each(places) = &extent.places else {
            let first = self.place_at(extent, extent.start);
            let end = |first: u64| first.saturating_add(extent.bytes() / page);
            return first
                .map(|first| (first, end(first), extent.start))
                .into_iter()
                .collect();
        };
        let mut pieces: Vec<(u64, u64, u64)> = Vec::new();
        let mut start = extent.start;
        for &place in places {
            let level = extent.level();
            let end = self.geometry.entry_end(start, level).min(extent.end);
            let skipped = (start - self.geometry.entry_start(start, level)) / page;
            let first = place.saturating_add(skipped);
            let last = first.saturating_add((end - start) / page);
            match pieces.last_mut() {
                Some(piece) if piece.1 == first => piece.1 = last,
                _ => pieces.push((first, last, start)),
            }
            start = end;
        }
        pieces
    }

    /// Adds `next` to `extent` if it goes on there and is alike; gives it back if not. With `keep`,
    /// no place is forgotten.
    pub fn join(&self, extent: &mut Extent, next: Extent, keep: bool) -> Result<(), Extent> {
        let level = extent.level();
        let is_alike = extent.end == next.start
            && extent.facts == next.facts
            && self.is_alike(extent.raw, next.raw, level);
        if !is_alike {
            return Err(next);
        }
        let (count, more) = (self.entries(extent), self.entries(&next));
        let follows = count.saturating_mul(self.step(level));
        match (&mut extent.places, &next.places) {
            (Places::None, Places::None) | (Places::Scattered(_), _) => {}
            (Places::None, _) | (_, Places::None) => return Err(next),
            (Places::From(a), Places::From(b)) if a.checked_add(follows) == Some(*b) => {}
            (places, _) if !keep => {
                let first = match places {
                    Places::Each(each) => each.first().copied().unwrap_or(0),
                    Places::From(place) | Places::Scattered(place) => *place,
                    Places::None => return Err(next),
                };
                extent.places = Places::Scattered(first);
            }
            (_, Places::Scattered(_)) => return Err(next),
            (places, _) => {
                let is_long = matches!(places, Places::From(_)) && count >= LONG
                    || matches!(next.places, Places::From(_)) && more >= LONG;
                if is_long || count.saturating_add(more) > MOST_PLACES as u64 {
                    return Err(next);
                }
                let mut each = self.one_by_one(places, count, level);
                each.extend(self.one_by_one(&next.places, more, level));
                extent.places = Places::Each(each);
            }
        }
        extent.end = next.end;
        Ok(())
    }

    fn one_by_one(&self, places: &Places, count: u64, level: Level) -> Vec<u64> {
        let step = self.step(level);
        match places {
            Places::None | Places::Scattered(_) => Vec::new(),
            Places::Each(each) => each.clone(),
            Places::From(first) => (0..count)
                .map(|n| first.wrapping_add(n.wrapping_mul(step)))
                .collect(),
        }
    }
}

impl Extent {
    /// The level of the entries.
    pub fn level(&self) -> Level {
        self.facts.level().unwrap_or(Level::Pte)
    }

    /// How many bytes it translates.
    pub fn bytes(&self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// The place of the first entry, if it has one.
    pub fn first_place(&self) -> Option<u64> {
        match &self.places {
            Places::None => None,
            Places::From(place) | Places::Scattered(place) => Some(*place),
            Places::Each(each) => each.first().copied(),
        }
    }

    /// Whether the places follow one another.
    pub fn is_in_order(&self) -> bool {
        matches!(self.places, Places::None | Places::From(_))
    }

    /// The facts with `IN_ORDER`, as the kernel tells them of runs.
    pub fn facts_of_run(&self) -> Facts {
        self.facts.with(Facts::IN_ORDER.when(self.is_in_order()))
    }

    /// As a run of the kernel.
    pub fn run(&self) -> mmlens_device::Run {
        mmlens_device::Run {
            start: self.start,
            end: self.end,
            raw: Raw(self.raw),
            place: self.first_place(),
            facts: self.facts_of_run(),
        }
    }
}

/// Joins what comes in the order of addresses.
#[derive(Debug)]
pub struct Joiner {
    shape: Shape,
    keep: bool,
    open: Option<(usize, Extent)>,
}

impl Joiner {
    /// With `keep`, no place is forgotten.
    pub fn new(shape: Shape, keep: bool) -> Self {
        Self {
            shape,
            keep,
            open: None,
        }
    }

    /// Adds an extent of a VMA, which is known by a number; returns the one before it if that is
    /// complete.
    pub fn push(&mut self, vma: usize, extent: Extent) -> Option<(usize, Extent)> {
        let next = match &mut self.open {
            Some((same, open)) if *same == vma => match self.shape.join(open, extent, self.keep) {
                Ok(()) => return None,
                Err(next) => next,
            },
            _ => extent,
        };
        self.open.replace((vma, next))
    }

    /// The last one.
    pub fn finish(&mut self) -> Option<(usize, Extent)> {
        self.open.take()
    }
}

#[cfg(test)]
#[path = "extent_tests.rs"]
mod tests;
