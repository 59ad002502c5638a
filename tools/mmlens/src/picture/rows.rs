// SPDX-License-Identifier: GPL-2.0

//! What is in each VMA, summed up in cells.

use crate::{extent::Extent, space};
use mmlens_core::pt::facts::Facts;
use mmlens_device::Vma;

/// The most rows: of an address space with more VMAs, neighbours share one.
pub const MOST_ROWS: usize = 160;
/// Pixels of a cell.
const CELL: f64 = 2.0;

/// What an entry is in the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Anon,
    File,
    Special,
    Huge,
    Swap,
    Guard,
    Note,
}

/// All of them: class, and words for the legend.
pub const KINDS: [(Kind, &str, &str); 7] = [
    (Kind::Anon, "anon", "anonymous"),
    (Kind::File, "file", "file or shmem"),
    (Kind::Special, "special", "zero, kernel, device, by number"),
    (Kind::Huge, "huge", "huge"),
    (Kind::Swap, "swap", "swapped out"),
    (Kind::Guard, "guard", "guard, poison"),
    (Kind::Note, "note", "migration and other notes"),
];

impl Kind {
    fn of(facts: Facts) -> Self {
        let any = |facts_of: Facts| facts.0 & facts_of.0 != 0;
        if !facts.has(Facts::PRESENT) {
            let trap = Facts::GUARD.with(Facts::POISONED).with(Facts::HWPOISON);
            return match () {
                () if facts.has(Facts::SWAP) => Self::Swap,
                () if any(trap) => Self::Guard,
                () => Self::Note,
            };
        }
        let file = Facts::PAGE_FILE.with(Facts::PAGE_SHMEM);
        let anon = Facts::PAGE_ANON.with(Facts::PAGE_KSM);
        match () {
            () if !facts.has(Facts::PTE) => Self::Huge,
            () if any(anon) => Self::Anon,
            () if any(file) => Self::File,
            () => Self::Special,
        }
    }
}

/// A part of a VMA.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Cell {
    /// Bytes by kind.
    pub bytes: [u64; 7],
    pub write: u64,
    pub exec: u64,
}

impl Cell {
    /// The kind that there is most of, and how much of the cell is not a hole, from 1 to 4 quarters.
    pub fn look(&self, size: u64) -> Option<(usize, u8)> {
        let all: u64 = self.bytes.iter().sum();
        // The last of those with the most: what is rarer comes later.
        let (kind, &most) = self
            .bytes
            .iter()
            .enumerate()
            .max_by_key(|(_, bytes)| **bytes)?;
        let quarters = u128::from(all) * 4;
        let quarters = quarters.div_ceil(u128::from(size.max(1))).clamp(1, 4) as u8;
        (most > 0).then_some((kind, quarters))
    }
}

/// A VMA, or several neighbours.
#[derive(Clone, Debug)]
pub struct Row {
    pub start: u64,
    pub end: u64,
    pub rights: String,
    pub name: String,
    /// How many VMAs.
    pub vmas: usize,
    /// Pixels of the strip.
    pub width: f64,
    pub cells: Vec<Cell>,
    pub mapped: u64,
    pub swapped: u64,
}

impl Row {
    /// Exact bounds of a cell.
    pub fn bounds(&self, cell: usize) -> (u64, u64) {
        let bytes = u128::from(self.end - self.start);
        let count = self.cells.len().max(1) as u128;
        let at = |n: usize| self.start + (bytes * n as u128 / count) as u64;
        (at(cell), at(cell + 1))
    }

    fn add(&mut self, run: &Extent) {
        let (start, end) = (run.start.max(self.start), run.end.min(self.end));
        if start >= end {
            return;
        }
        let facts = run.facts;
        let kind = Kind::of(facts) as usize;
        if facts.has(Facts::PRESENT) {
            self.mapped += end - start;
        }
        if facts.has(Facts::SWAP) {
            self.swapped += end - start;
        }
        let bytes = u128::from(self.end - self.start);
        let first = u128::from(start - self.start) * self.cells.len() as u128 / bytes;
        for n in first as usize..self.cells.len() {
            let (from, to) = self.bounds(n);
            if from >= end {
                break;
            }
            let common = to.min(end).saturating_sub(from.max(start));
            let Some(cell) = self.cells.get_mut(n) else {
                break;
            };
            if let Some(sum) = cell.bytes.get_mut(kind) {
                *sum += common;
            }
            cell.write += if facts.has(Facts::WRITE) { common } else { 0 };
            cell.exec += if facts.has(Facts::EXEC) { common } else { 0 };
        }
    }
}

/// All rows, in the order of addresses.
#[derive(Clone, Debug)]
pub struct Rows {
    pub all: Vec<Row>,
    /// The row that the last run was in.
    last: usize,
}

/// The columns that depend on the width of the picture.
pub fn strip_width(width: u32) -> f64 {
    (f64::from(width) * 0.45).floor()
}

impl Rows {
    pub fn of(vmas: &[Vma], width: u32) -> Self {
        // Neighbours of the same name first, then whatever there is.
        let mut groups: Vec<&[Vma]> = vmas.chunks(1).collect();
        if groups.len() > MOST_ROWS {
            groups = vmas
                .chunk_by(|a, b| a.end == b.start && a.name == b.name)
                .collect();
        }
        if groups.len() > MOST_ROWS {
            let most = vmas.len().div_ceil(MOST_ROWS / 2);
            // Not over a gap, unless that makes too many.
            let parts = vmas.chunk_by(|a, b| a.end == b.start);
            groups = parts.flat_map(|part| part.chunks(most)).collect();
        }
        if groups.len() > MOST_ROWS {
            groups = vmas.chunks(vmas.len().div_ceil(MOST_ROWS)).collect();
        }
        let mut all: Vec<Row> = groups.into_iter().filter_map(row).collect();
        let most = all.iter().map(|row| row.end - row.start).max().unwrap_or(1);
        for row in &mut all {
            let pages = ((row.end - row.start) >> 12).max(1);
            let scale = |bytes: u64| ((bytes >> 12).max(1) as f64).log2() + 1.0;
            let share = scale(row.end - row.start) / scale(most).max(1.0);
            row.width = (strip_width(width) * share / CELL).floor().max(8.0) * CELL;
            let cells = (row.width / CELL) as u64;
            row.cells = vec![Cell::default(); cells.min(pages) as usize];
        }
        Self { all, last: 0 }
    }

    /// Adds a run. They come in the order of addresses.
    pub fn add(&mut self, run: &Extent) {
        while self
            .all
            .get(self.last)
            .is_some_and(|row| row.end <= run.start)
        {
            self.last += 1;
        }
        let rows = self.all.get_mut(self.last..).unwrap_or_default();
        rows.iter_mut()
            .take_while(|row| row.start < run.end)
            .for_each(|row| row.add(run));
    }
}

fn row(vmas: &[Vma]) -> Option<Row> {
    let (first, last) = (vmas.first()?, vmas.last()?);
    let is_one = vmas.iter().all(|vma| vma.name == first.name);
    let rights = space::rights_of(first);
    let is_alike = vmas.iter().all(|vma| space::rights_of(vma) == rights);
    let name = match space::name_of(first) {
        name if name.is_empty() && first.is_anonymous() => "anonymous".to_string(),
        name => name,
    };
    Some(Row {
        start: first.start,
        end: last.end,
        rights: if is_alike { rights } else { "*".into() },
        name: match (vmas.len(), is_one) {
            (1, _) => name,
            (n, true) => format!("{name} ({n} mappings)"),
            (n, false) => format!("{name} and others ({n} mappings)"),
        },
        vmas: vmas.len(),
        width: 0.0,
        cells: Vec::new(),
        mapped: 0,
        swapped: 0,
    })
}
