// SPDX-License-Identifier: GPL-2.0

//! The file `summary`: what is in the tables, all in all, beside what the kernel counts.

use super::{
    tally::Tally,
    target::{
        Subject,
        Target, //
    },
};
use crate::{
    mm::{
        counters::Counters,
        vmas::{
            MmapReadLock,
            VmaInfo, //
        }, //
    },
    pt::{
        count::{
            Count,
            Once, //
        },
        level::{
            Level,
            LEVELS, //
        }, //
    },
    sys::{
        debugfs::Records,
        seq::SeqWriter, //
    }, //
};
use core::fmt::{
    self,
    Write, //
};
use kernel::{
    page::PAGE_SIZE,
    prelude::*,
    sync::ArcBorrow, //
};

/// One record.
pub(super) struct Summary {
    subject: Subject,
    tally: Tally,
}

impl Records for Summary {
    type Data = Target;

    fn open(target: ArcBorrow<'_, Target>) -> Result<Self> {
        Ok(Self {
            subject: target.subject()?,
            tally: Tally::new()?,
        })
    }

    fn emit(&mut self, _pos: u64, out: &mut SeqWriter<'_>) -> Result<Option<u64>> {
        let sums = Sums::take(&self.subject, &mut self.tally)?;
        let Some(counters) = self.subject.memory().map(|mm| Counters::read(&mm)) else {
            return Ok(None);
        };
        self.write_contents(out, &sums)?;
        write_resident(out, &sums, &counters)?;
        let swap = Comparison {
            name: "swap_entries",
            mapped: sums.all.swap,
            counted: counters.swap,
        };
        swap.write(out, None)?;
        write_tables(out, &sums, &counters)?;
        let hugetlb = Comparison {
            name: "hugetlb_usage",
            mapped: sums.hugetlb.present,
            counted: counters.hugetlb,
        };
        hugetlb.write(out, None)?;
        Ok(None)
    }
}

/// What was counted in all VMAs.
#[derive(Default)]
struct Sums {
    vmas: u64,
    pages: u64,
    /// Each table once.
    all: Count,
    /// Of these: what is in VMAs of hugetlbfs.
    hugetlb: Count,
    /// Of these: huge leaves of anonymous memory, each of which keeps a table for its split.
    deposits: u64,
}

impl Sums {
    fn take(subject: &Subject, tally: &mut Tally) -> Result<Self> {
        let mut sums = Self::default();
        let mut once = Once::new();
        let mut at = 0;
        loop {
            let Some(mm) = subject.memory() else {
                return Ok(sums);
            };
            let lock = MmapReadLock::lock(&mm)?;
            let vma = lock.find_vma(at).map(|vma| VmaInfo::read(&lock, vma));
            drop(lock);
            drop(mm);
            let Some(vma) = vma else {
                return Ok(sums);
            };
            let start = vma.start.max(at);
            let count = tally.count(subject, start, vma.end, Some(&mut once))?;
            sums.vmas += 1;
            sums.pages += (vma.end - start) / PAGE_SIZE as u64;
            sums.all.merge(&count);
            if vma.flags.is_hugetlb() {
                sums.hugetlb.merge(&count);
            } else if vma.vm_ops.is_null() {
                sums.deposits += of(&count.leaves, Level::Pmd);
            }
            at = vma.end;
        }
    }
}

fn of(sums: &[u64; LEVELS], level: Level) -> u64 {
    let sum = sums.get(usize::from(level.number()));
    sum.copied().unwrap_or(0)
}

impl Summary {
    /// Writes what the tables hold.
    fn write_contents(&self, out: &mut SeqWriter<'_>, sums: &Sums) -> Result {
        name(out, "vmas")?;
        writeln!(out, "{}", sums.vmas)?;
        pages(out, "mapped", sums.pages)?;

        name(out, "tables")?;
        for level in self.tally.geometry.levels() {
            // No entry points to the top table.
            let tables = match level {
                Level::Pgd => 1,
                level => of(&sums.all.tables, level),
            };
            write!(out, " {}={tables}", level.name())?;
        }
        writeln!(out)?;
        name(out, "leaves")?;
        for level in self.tally.geometry.levels() {
            write!(out, " {}={}", level.name(), of(&sums.all.leaves, level))?;
        }
        writeln!(out)?;
        for (name, sum) in sums.all.fields() {
            pages(out, name, sum)?;
        }
        pages(out, "hugetlb", sums.hugetlb.present)?;
        Ok(())
    }
}

/// Compares the resident pages.
fn write_resident(out: &mut SeqWriter<'_>, sums: &Sums, counters: &Counters) -> Result {
    pages(out, "rss_anon", counters.anon)?;
    pages(out, "rss_file", counters.file)?;
    pages(out, "rss_shmem", counters.shmem)?;
    let Sums { all, hugetlb, .. } = sums;
    let resident = Comparison {
        name: "rss",
        // On its way, a page goes on being counted; without a claim to it, it never is.
        mapped: (all.present - hugetlb.present + all.migration - hugetlb.migration + all.device)
            .saturating_sub(all.special - hugetlb.special),
        counted: counters.resident(),
    };
    resident.write(out, None)
}

/// Compares the tables, of which the kernel counts those of the three lower levels.
fn write_tables(out: &mut SeqWriter<'_>, sums: &Sums, counters: &Counters) -> Result {
    let lower = [Level::Pte, Level::Pmd, Level::Pud];
    let tables = Comparison {
        name: "pgtables",
        mapped: lower.into_iter().map(|l| of(&sums.all.tables, l)).sum(),
        counted: counters.tables,
    };
    let deposits = (sums.deposits, "kept for the split of anonymous huge pages");
    tables.write(out, Some(deposits))
}

/// What was found in the tables, and what the kernel says, of the same thing.
struct Comparison {
    name: &'static str,
    mapped: u64,
    counted: u64,
}

impl Comparison {
    /// Writes both, and in words what is between them; `expected` says how many of what the kernel
    /// counts are in no table.
    fn write(&self, out: &mut SeqWriter<'_>, expected: Option<(u64, &str)>) -> Result {
        let Self {
            mapped, counted, ..
        } = *self;
        name(out, self.name)?;
        write!(out, "{mapped} in tables, {counted} counted")?;
        let (expected, why) = expected.unwrap_or((0, ""));
        if expected != 0 {
            write!(out, ", {expected} {why}")?;
        }
        let difference = (counted as i64)
            .wrapping_sub(mapped as i64)
            .wrapping_sub(expected as i64);
        match difference {
            0 => writeln!(out)?,
            more if more > 0 => writeln!(out, ", {more} not found (did it change meanwhile?)")?,
            less => writeln!(
                out,
                ", {} not counted (did it change meanwhile?)",
                less.unsigned_abs()
            )?,
        }
        Ok(())
    }
}

fn name(out: &mut SeqWriter<'_>, name: &str) -> fmt::Result {
    write!(
        out,
        "{name}:{:width$}",
        "",
        width = 15usize.saturating_sub(name.len())
    )
}

fn pages(out: &mut SeqWriter<'_>, what: &str, sum: u64) -> fmt::Result {
    name(out, what)?;
    writeln!(out, "{sum} pages ({} kB)", sum * (PAGE_SIZE as u64 >> 10))
}
