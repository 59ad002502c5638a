// SPDX-License-Identifier: GPL-2.0

//! A snapshot that is kept in memory, to compare with the next one: a few words for each run, and 8
//! bytes for each page that is not beside its neighbour.

use super::{Head, Source, TableUse};
use crate::{
    error::Result,
    extent::{Extent, Shape},
};
use mmlens_core::pt::facts::Facts;
use mmlens_device::Vma;

#[derive(Debug)]
pub struct Kept {
    head: Head,
    shape: Shape,
    vmas: Vec<Vma>,
    runs: Vec<Extent>,
    next: usize,
}

impl Kept {
    /// All but the tables of `source`.
    pub fn of(source: &mut dyn Source) -> Result<Self> {
        let mut runs = Vec::new();
        while let Some(run) = source.run()? {
            runs.push(run);
        }
        Ok(Self {
            head: source.head().clone(),
            shape: source.shape(),
            vmas: source.vmas().to_vec(),
            runs,
            next: 0,
        })
    }

    /// To be read again.
    pub fn rewind(&mut self) {
        self.next = 0;
    }

    /// Bytes of what has all of `facts`.
    pub fn bytes_with(&self, facts: Facts) -> u64 {
        let so = self.runs.iter().filter(|run| run.facts.has(facts));
        so.map(Extent::bytes).sum()
    }

    /// Bytes of leaves above the lowest table.
    pub fn bytes_huge(&self) -> u64 {
        self.bytes_with(Facts::PRESENT) - self.bytes_with(Facts::PRESENT.with(Facts::PTE))
    }
}

impl Source for Kept {
    fn head(&self) -> &Head {
        &self.head
    }

    fn vmas(&self) -> &[Vma] {
        &self.vmas
    }

    fn shape(&self) -> Shape {
        self.shape
    }

    fn run(&mut self) -> Result<Option<Extent>> {
        let run = self.runs.get(self.next).cloned();
        self.next += usize::from(run.is_some());
        Ok(run)
    }

    fn table(&mut self) -> Result<Option<TableUse>> {
        Ok(None)
    }
}
