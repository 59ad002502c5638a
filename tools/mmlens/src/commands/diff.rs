// SPDX-License-Identifier: GPL-2.0

//! `mmlens diff`: what is different between two snapshots.

use crate::{
    context::Context,
    diff::{self, Change, Kinds, Totals, VmaChange},
    error::{Outcome, Result},
    output::{
        color::{Painted, TITLE},
        json::Hex,
    },
    snapshot::{self, Head},
    space,
};
use mmlens_core::text::{
    vma_flags::{Names, VmaFlags},
    Size,
};
use mmlens_device::Vma;
use serde::Serialize;
use std::collections::BTreeMap;

/// Says what is different between two snapshots: VMAs, and entries of page tables, as ranges
///
/// Exit status 0 if nothing is, 1 if something is.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// What was: a file that save wrote, or a process as it is now
    #[arg(value_hint = clap::ValueHint::FilePath)]
    before: String,

    /// What is
    #[arg(value_hint = clap::ValueHint::FilePath)]
    after: String,

    /// Also what was only read, or not read for a while
    #[arg(long)]
    accessed: bool,
}

#[derive(Serialize)]
struct VmaJson {
    kind: &'static str,
    start: Hex,
    end: Hex,
    before: Option<space::VmaJson>,
    after: Option<space::VmaJson>,
}

#[derive(Serialize)]
struct RangeJson {
    start: Hex,
    end: Hex,
    kinds: Vec<&'static str>,
    before: Vec<&'static str>,
    after: Vec<&'static str>,
    vma: String,
}

#[derive(Serialize)]
struct Data {
    before: HeadJson,
    after: HeadJson,
    vmas: Vec<VmaJson>,
    ranges: Vec<RangeJson>,
    bytes: BTreeMap<&'static str, u64>,
    changed: u64,
}

#[derive(Serialize)]
struct HeadJson {
    pid: i32,
    comm: String,
    kernel: String,
    time: u64,
    present: u64,
}

impl HeadJson {
    fn new(head: &Head, present: u64) -> Self {
        Self {
            pid: head.pid,
            comm: head.comm.clone(),
            kernel: head.kernel.clone(),
            time: head.time,
            present,
        }
    }
}

impl Args {
    pub fn run(&self, context: &mut Context) -> Result<Outcome> {
        let (mut lens, mut other) = (None, None);
        let mut before = snapshot::open(&mut lens, &self.before)?;
        let mut after = snapshot::open(&mut other, &self.after)?;
        let heads = [before.head().clone(), after.head().clone()];
        let machine = heads[1].machine.clone();
        let (old, new) = (before.vmas().to_vec(), after.vmas().to_vec());
        let names = Places {
            before: &old,
            after: &new,
        };
        let vmas = diff::vmas(&old, &new);
        if context.json {
            let mut ranges = Vec::new();
            let totals = diff::entries(&mut *before, &mut *after, &mut |change| {
                if self.is_wanted(&change) {
                    ranges.push(names.json(&change));
                }
                Ok(())
            })?;
            let of_vma = |vma: Option<&Vma>| vma.map(|vma| space::VmaJson::new(&machine, vma));
            let [x, y] = &heads;
            let [was, is] = totals.present;
            let data = Data {
                vmas: vmas
                    .iter()
                    .map(|change| VmaJson {
                        kind: change.kind.word(),
                        start: Hex(change.start),
                        end: Hex(change.end),
                        before: of_vma(change.before),
                        after: of_vma(change.after),
                    })
                    .collect(),
                bytes: Kinds::WORDS
                    .iter()
                    .zip(totals.bytes)
                    .map(|((_, word), bytes)| (*word, bytes))
                    .collect(),
                changed: totals.changed,
                before: HeadJson::new(x, was),
                after: HeadJson::new(y, is),
                ranges,
            };
            let outcome = self.outcome(&vmas, &data.ranges);
            context.out.json("diff", Some(&machine), &data)?;
            return Ok(outcome);
        }
        for (sign, head) in ["---", "+++"].iter().zip(&heads) {
            let title = format!(
                "{sign} pid {} {} (Linux {}, {})",
                head.pid,
                head.comm,
                head.kernel,
                date(head.time)
            );
            context.out.line(Painted(TITLE, title))?;
        }
        for change in &vmas {
            context
                .out
                .line(vma_line(change, machine.vma_flag_names()))?;
        }
        let mut any = Vec::new();
        let totals = diff::entries(&mut *before, &mut *after, &mut |change| {
            if !self.is_wanted(&change) {
                return Ok(());
            }
            any = vec![()];
            context.out.line(names.line(&change))
        })?;
        for line in total_lines(&totals) {
            context.out.line(line)?;
        }
        Ok(self.outcome(&vmas, &any))
    }

    fn is_wanted(&self, change: &Change) -> bool {
        self.accessed || change.kinds.0 & !(Kinds::ACCESSED.0 | Kinds::AGED.0) != 0
    }

    fn outcome<T>(&self, vmas: &[VmaChange<'_>], ranges: &[T]) -> Outcome {
        match vmas.is_empty() && ranges.is_empty() {
            true => Outcome::Done,
            false => Outcome::Found,
        }
    }
}

/// Where the names of ranges come from.
pub struct Places<'a> {
    pub before: &'a [Vma],
    pub after: &'a [Vma],
}

impl Places<'_> {
    /// The name of the VMA at an address, or of the one that was there.
    pub fn of(&self, address: u64) -> String {
        let find = |vmas: &[Vma]| {
            let next = vmas.partition_point(|vma| vma.end <= address);
            let vma = vmas.get(next).filter(|vma| vma.start <= address);
            vma.map(space::name_of)
        };
        find(self.after)
            .or_else(|| find(self.before))
            .unwrap_or_default()
    }

    pub fn line(&self, change: &Change) -> String {
        let size = Size(change.bytes()).to_string();
        let name = self.of(change.start);
        let what = change.words().join(", ");
        format!(
            "{:016x}-{:016x} {size:>7} {what:<32} {name}",
            change.start, change.end
        )
        .trim_end()
        .to_string()
    }

    fn json(&self, change: &Change) -> RangeJson {
        let kinds = Kinds::WORDS
            .iter()
            .filter(|(kind, _)| change.kinds.has(*kind));
        RangeJson {
            start: Hex(change.start),
            end: Hex(change.end),
            kinds: kinds.map(|&(_, word)| word).collect(),
            before: change.before.words().collect(),
            after: change.after.words().collect(),
            vma: self.of(change.start),
        }
    }
}

/// A line for a VMA that differs.
pub fn vma_line(change: &VmaChange<'_>, names: &'static Names) -> String {
    let rights = |vma: Option<&Vma>| vma.map(space::rights_of);
    let (old, new) = (rights(change.before), rights(change.after));
    let name = |vma: Option<&Vma>| vma.map(space::name_of).unwrap_or_default();
    let rights = match (&old, &new) {
        (Some(old), Some(new)) if old != new => format!("{old}->{new}"),
        (Some(_), Some(new)) => format!("{new}{}", other_flags(change, names)),
        (_, Some(one)) | (Some(one), None) => one.clone(),
        (None, None) => String::new(),
    };
    let name = match (change.before, change.after) {
        (Some(old), Some(new)) if old.name != new.name => {
            format!("{} -> {}", name(Some(old)), name(Some(new)))
        }
        (old, new) => name(new.or(old)),
    };
    let size = Size(change.end - change.start).to_string();
    let word = change.kind.word();
    format!(
        "vma {:016x}-{:016x} {size:>7} {word:<8} {rights} {name}",
        change.start, change.end
    )
    .trim_end()
    .to_string()
}

/// Flags that came and went, if it is not the rights that differ: ` +LOCKED -ACCOUNT`.
fn other_flags(change: &VmaChange<'_>, names: &'static Names) -> String {
    let flags = |vma: Option<&Vma>| vma.map_or(0, |vma| vma.flags);
    let (old, new) = (flags(change.before), flags(change.after));
    let named = |sign: &str, flags: u64| match flags {
        0 => String::new(),
        flags => format!(" {sign}{}", VmaFlags(flags).named(names)),
    };
    format!("{}{}", named("+", new & !old), named("-", old & !new))
}

/// The sums, a line each, without what is zero.
pub fn total_lines(totals: &Totals) -> Vec<String> {
    let [was, is] = totals.present.map(|bytes| Size(bytes).to_string());
    let mut lines = vec![format!("total present:     {was} -> {is}")];
    for ((_, word), bytes) in Kinds::WORDS.iter().zip(totals.bytes) {
        if bytes > 0 {
            let name = format!("total {word}:");
            lines.push(format!("{name:<18} {}", Size(bytes)));
        }
    }
    lines
}

/// Seconds since 1970 as `2026-01-31 12:34:56 UTC` (Howard Hinnant's `civil_from_days`).
pub fn date(time: u64) -> String {
    let (days, rest) = ((time / 86_400).min(3_000_000), time % 86_400);
    let z = days + 719_468;
    let (era, day_of_era) = (z / 146_097, z % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let mp = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * mp + 2) / 5 + 1;
    let month = if mp < 10 { mp + 3 } else { mp - 9 };
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    format!("{year}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02} UTC")
}
