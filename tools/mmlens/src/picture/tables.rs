// SPDX-License-Identifier: GPL-2.0

//! The tables of each level, and how much of them is in use.

use crate::snapshot::TableUse;
use mmlens_core::pt::level::{Geometry, Level};
use std::ops::Range;

/// The most tables that are kept one by one.
const MOST_TABLES: usize = 1 << 18;

/// The tables of a level.
#[derive(Clone, Debug)]
pub struct Tier {
    pub level: Level,
    /// In the order of addresses.
    pub tables: Vec<TableUse>,
}

impl Tier {
    pub fn used(&self) -> u64 {
        self.tables.iter().map(|t| u64::from(t.used)).sum()
    }

    pub fn entries(&self) -> u64 {
        self.tables.iter().map(|t| u64::from(t.entries)).sum()
    }
}

/// All tables, from the top down.
#[derive(Clone, Debug)]
pub struct Tables {
    pub tiers: Vec<Tier>,
    pub geometry: Geometry,
    /// How many there are no room for.
    pub left_out: usize,
}

impl Tables {
    pub fn of(geometry: Geometry) -> Self {
        let tier = |level| Tier {
            level,
            tables: Vec::new(),
        };
        Self {
            tiers: geometry.levels().map(tier).collect(),
            geometry,
            left_out: 0,
        }
    }

    pub fn add(&mut self, table: &TableUse) {
        let all: usize = self.tiers.iter().map(|tier| tier.tables.len()).sum();
        if all >= MOST_TABLES {
            self.left_out += 1;
            return;
        }
        let is_it = |tier: &&mut Tier| tier.level.number() == table.level;
        if let Some(tier) = self.tiers.iter_mut().find(is_it) {
            let at = tier.tables.partition_point(|t| t.start <= table.start);
            tier.tables.insert(at, *table);
        }
    }

    /// The number of the table of the tier above that leads to this one.
    pub fn parent(&self, tier: usize, table: &TableUse) -> Option<usize> {
        let above = self.tiers.get(tier.checked_sub(1)?)?;
        let next = above.tables.partition_point(|t| t.start <= table.start);
        next.checked_sub(1)
    }
}

/// The bars of a tier: a table each, if there is room.
#[derive(Clone, Debug, Default)]
pub struct Bars {
    /// Which tables each of them is.
    pub parts: Vec<Range<usize>>,
    /// The middle of each, from left to right.
    pub middles: Vec<f64>,
    pub width: f64,
    /// How far they are apart, at least.
    pub slot: f64,
}

/// The least distance of two bars, and the most.
const SLOTS: (f64, f64) = (4.0, 36.0);
/// The widest bar.
const WIDEST: f64 = 28.0;

impl Bars {
    /// Bars for `count` tables, side by side in the middle of the room.
    fn even(count: usize, left: f64, room: f64) -> Self {
        let bars = count
            .min((room / SLOTS.0) as usize)
            .max(usize::from(count > 0));
        let slot = (room / bars.max(1) as f64).min(SLOTS.1);
        let first = left + (room - slot * bars as f64) / 2.0;
        Self {
            parts: (0..bars)
                .map(|n| count * n / bars..count * (n + 1) / bars)
                .collect(),
            middles: (0..bars).map(|n| first + (n as f64 + 0.5) * slot).collect(),
            width: (slot - 2.0).min(WIDEST),
            slot,
        }
    }

    /// Whether each bar is one table.
    pub fn is_single(&self) -> bool {
        self.most() <= 1
    }

    /// The most tables that a bar is.
    pub fn most(&self) -> usize {
        self.parts.iter().map(|part| part.len()).max().unwrap_or(0)
    }

    /// The middles of those bars that a table of the tier above leads to. `tier` is the number of this
    /// one.
    pub fn children<'a>(
        &'a self,
        tables: &'a Tables,
        tier: usize,
        parent: usize,
    ) -> impl Iterator<Item = f64> + 'a {
        let own = tables.tiers.get(tier);
        let bars = self.parts.iter().zip(&self.middles);
        bars.filter(move |(part, _)| {
            let table = own.and_then(|own| own.tables.get(part.start));
            table.is_some_and(|table| tables.parent(tier, table) == Some(parent))
        })
        .map(|(_, &middle)| middle)
    }
}

/// Where the tables are: each in the middle above those that it leads to, so that no lines cross.
#[derive(Clone, Debug)]
pub struct Tree {
    pub tiers: Vec<Bars>,
}

impl Tree {
    pub fn of(tables: &Tables, left: f64, room: f64) -> Self {
        let mut tiers: Vec<Bars> = Vec::new();
        // From the bottom up: that is where most tables are.
        for (n, tier) in tables.tiers.iter().enumerate().rev() {
            let mut bars = Bars::even(tier.tables.len(), left, room);
            if let Some(below) = tiers
                .last()
                .filter(|below| bars.is_single() && below.is_single())
            {
                for (parent, middle) in bars.middles.iter_mut().enumerate() {
                    let children: Vec<f64> = below.children(tables, n + 1, parent).collect();
                    if let (Some(first), Some(last)) = (children.first(), children.last()) {
                        *middle = (first + last) / 2.0;
                    }
                }
                bars.slot = bars.slot.min(below.slot);
                bars.width = (bars.slot - 2.0).min(WIDEST);
                spread(&mut bars.middles, bars.slot, left, left + room);
            }
            tiers.push(bars);
        }
        tiers.reverse();
        Self { tiers }
    }
}

/// Moves what is too close apart, and what is outside back in.
fn spread(middles: &mut [f64], slot: f64, left: f64, right: f64) {
    let mut least = left + slot / 2.0;
    for middle in middles.iter_mut() {
        *middle = middle.max(least);
        least = *middle + slot;
    }
    let mut most = right - slot / 2.0;
    for middle in middles.iter_mut().rev() {
        *middle = middle.min(most);
        most = *middle - slot;
    }
}
