// SPDX-License-Identifier: GPL-2.0

//! The walk contest: everybody tells what the same stopped child has mapped.

use crate::{
    contestants::{
        self,
        Contestant,
        Kind,
        Pass, //
    },
    sample::Sample,
    sys::{
        ensure,
        now,
        Context,
        Res, //
    },
    target::Target,
};

/// One sample takes as long at least, in ns.
const SAMPLE_NS: u64 = 1_000_000;
const MAX_REPS: u64 = 200;
/// Who takes longer for one pass takes part in every fourth round.
const SLOW_NS: u64 = 300_000_000;
const SELDOM: usize = 4;

/// What is measured, and how long.
pub struct Plan<'a> {
    pub contest: &'a str,
    pub case: &'a str,
    pub rounds: usize,
    /// A sample is one pass, whatever it takes: where time does not vary.
    pub is_counted: bool,
    pub is_wanted: &'a dyn Fn(&str) -> bool,
}

/// One that takes part.
struct Runner {
    kind: Kind,
    contestant: Box<dyn Contestant>,
    reps: u64,
    is_slow: bool,
    /// What each pass must give.
    first: Pass,
    checked: String,
}

impl Runner {
    /// `None` if it cannot be had here; says so.
    fn new(kind: Kind, target: &Target, plan: &Plan<'_>) -> Res<Option<Self>> {
        let made = (kind.make)(target);
        let mut contestant = match made {
            Ok(contestant) => contestant,
            Err(failure) => {
                eprintln!("bench: without {}: {failure}", kind.name);
                return Ok(None);
            }
        };
        let first = contestant.pass(true).context(kind.name)?;
        let checked = check(&kind, &first, target)?;
        let start = now();
        contestant.pass(false)?;
        let took = (now() - start).max(1);
        let reps = match plan.is_counted {
            true => 1,
            false => (SAMPLE_NS / took).clamp(1, MAX_REPS),
        };
        Ok(Some(Self {
            kind,
            contestant,
            reps,
            is_slow: took > SLOW_NS,
            first,
            checked,
        }))
    }

    fn sample(&mut self, target: &Target, plan: &Plan<'_>, round: usize) -> Res<()> {
        let mut pass = Pass::default();
        let start = now();
        for _ in 0..self.reps {
            pass = self.contestant.pass(false)?;
        }
        let ns = now() - start;
        // That all is right was checked before and is checked after; this is against a pass that does
        // nothing. Not more, because what is merged may be cut where a call stops for a while.
        ensure((pass.records > 0) == (self.first.records > 0), || {
            let (name, before) = (self.kind.name, self.first.records);
            format!("{name}: {} records, and {before} before", pass.records)
        })?;
        Sample {
            contest: plan.contest,
            case: plan.case,
            bytes: target.end - target.start,
            units: target.slots,
            unit: "entry",
            contestant: self.kind.name,
            round,
            reps: self.reps,
            ns,
            calls: pass.calls,
            records: pass.records,
            out_bytes: pass.bytes,
            checked: &self.checked,
        }
        .print();
        Ok(())
    }
}

/// What a result says, in a word.
///
/// Errors: if it says something else than is the case.
fn check(kind: &Kind, pass: &Pass, target: &Target) -> Res<String> {
    let is_hidden = target.layout == crate::target::Layout::Pfnmap && !kind.sees_frames;
    let present = if is_hidden { 0 } else { target.present };
    for (what, found, wanted) in [
        ("pages", pass.present, present),
        ("VMAs", pass.vmas, target.vmas),
    ] {
        let is_right = found.is_none_or(|found| found == wanted);
        ensure(is_right, || {
            format!(
                "{}: {} {what}, and not {wanted}",
                kind.name,
                found.unwrap_or(0)
            )
        })?;
    }
    Ok(match (pass.present, pass.vmas) {
        (Some(0), _) | (None, None) if is_hidden => "hidden".to_string(),
        (Some(present), _) => format!("{present} pages"),
        (None, Some(vmas)) => format!("{vmas} VMAs"),
        (None, None) => "-".to_string(),
    })
}

/// All rounds over one target. Every other one goes the other way round, so that nobody always runs
/// behind the same one.
pub fn run(target: &Target, plan: &Plan<'_>) -> Res<()> {
    let mut runners = Vec::new();
    for kind in contestants::all() {
        if (plan.is_wanted)(kind.name) {
            runners.extend(Runner::new(kind, target, plan)?);
        }
    }
    for round in 0..plan.rounds {
        let mut order: Vec<_> = runners.iter_mut().collect();
        if round % 2 == 1 {
            order.reverse();
        }
        for runner in order
            .into_iter()
            .filter(|r| !r.is_slow || round % SELDOM == 0)
        {
            runner.sample(target, plan, round)?;
        }
    }
    // Once more, that nobody has got lazy.
    for runner in &mut runners {
        let last = runner.contestant.pass(true).context(runner.kind.name)?;
        check(&runner.kind, &last, target)?;
    }
    Ok(())
}
