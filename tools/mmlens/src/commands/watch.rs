// SPDX-License-Identifier: GPL-2.0

//! `mmlens watch`: what happens in an address space.

use super::diff::{vma_line, Places};
use crate::{
    context::Context,
    diff::{self, Change, Kinds, Totals},
    error::{Error, Outcome, Result},
    matching::{is_gone, Lens},
    output::{
        color::{Painted, CARE, QUIET, TITLE},
        json::Hex,
    },
    snapshot::{Kept, Live, Source},
    target::Target,
};
use mmlens_core::{pt::facts::Facts, text::Size};
use serde::Serialize;
use std::{collections::BTreeMap, fs, thread, time::Duration};

/// Shows what a process has mapped, again and again, and what changed since the last look
///
/// On a terminal, a screen for each look. Ends when the process does.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which process
    pid: String,

    /// Seconds between two looks
    #[arg(short, long, value_name = "S", default_value = "1", value_parser = seconds)]
    interval: Duration,

    /// How many looks; without it, until the process ends
    #[arg(short = 'n', long, value_name = "N")]
    count: Option<u64>,
}

fn seconds(word: &str) -> std::result::Result<Duration, String> {
    let number = word.parse::<f64>().ok();
    let number = number.filter(|seconds| (0.01..=86_400.0).contains(seconds));
    let number = number.map(Duration::from_secs_f64);
    number.ok_or_else(|| "not a number of seconds, from 0.01 on".into())
}

/// Faults of a process since it began, as /proc/PID/stat has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
struct Faults {
    minor: u64,
    major: u64,
}

impl Faults {
    fn of(pid: i32) -> Self {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        Self::parse(&stat).unwrap_or_default()
    }

    fn parse(stat: &str) -> Option<Self> {
        // The name may have spaces and parentheses in it.
        let (_, rest) = stat.rsplit_once(") ")?;
        let number = |n: usize| rest.split(' ').nth(n)?.parse::<u64>().ok();
        Some(Self {
            minor: number(7)?,
            major: number(9)?,
        })
    }
}

/// What is shown of each look: a name, and the number of bytes.
fn sums(kept: &Kept) -> Vec<(&'static str, u64)> {
    let with = |fact: Facts| kept.bytes_with(Facts::PRESENT.with(fact));
    vec![
        ("mapped", with(Facts(0))),
        ("anon", with(Facts::PAGE_ANON)),
        ("file", with(Facts::PAGE_FILE)),
        ("shmem", with(Facts::PAGE_SHMEM)),
        ("huge", kept.bytes_huge()),
        ("writable", with(Facts::WRITE)),
        ("dirty", with(Facts::DIRTY)),
        ("accessed", with(Facts::ACCESSED)),
        ("swapped", kept.bytes_with(Facts::SWAP)),
    ]
}

/// A look, and how it differs from the last one.
struct Look {
    number: u64,
    faults: [Faults; 2],
    sums: Vec<(&'static str, u64, i128)>,
    lines: Vec<String>,
    changes: Vec<Change>,
    totals: Totals,
}

#[derive(Serialize)]
struct RangeJson {
    start: Hex,
    end: Hex,
    what: Vec<String>,
}

#[derive(Serialize)]
struct Data {
    pid: i32,
    comm: String,
    look: u64,
    faults: Faults,
    bytes: BTreeMap<&'static str, u64>,
    changed: BTreeMap<&'static str, u64>,
    ranges: Vec<RangeJson>,
}

/// How many ranges are kept of a look, at most: nobody reads more.
const MOST_LINES: usize = 1000;

impl Args {
    pub fn run(&self, context: &mut Context) -> Result<Outcome> {
        let target = Target::find(&self.pid)?;
        let lens = Lens::open()?;
        let mut last: Option<(Kept, Faults)> = None;
        for number in 1.. {
            let kept = Live::begin(&lens, &target).and_then(|mut live| Kept::of(&mut live));
            let mut kept = match kept {
                Err(error) if is_gone(&error) && last.is_some() => {
                    // Another program of the same process, or nothing any more.
                    let again =
                        Live::begin(&lens, &target).and_then(|mut live| Kept::of(&mut live));
                    match again {
                        Err(error) if is_gone(&error) => {
                            if !context.json {
                                context
                                    .out
                                    .line(format_args!("pid {} has ended", target.pid))?;
                            }
                            return Ok(Outcome::Done);
                        }
                        again => again?,
                    }
                }
                kept => kept?,
            };
            let faults = Faults::of(target.pid);
            let look = look(number, &mut last, &mut kept, faults)?;
            self.show(context, &target, &look)?;
            context.out.flush()?;
            last = Some((kept, faults));
            if self.count.is_some_and(|count| number >= count) {
                break;
            }
            thread::sleep(self.interval);
        }
        Ok(Outcome::Done)
    }

    fn show(&self, context: &mut Context, target: &Target, look: &Look) -> Result<()> {
        if context.json {
            let data = Data {
                pid: target.pid,
                comm: target.comm.clone(),
                look: look.number,
                faults: look.faults[1],
                bytes: look
                    .sums
                    .iter()
                    .map(|&(name, bytes, _)| (name, bytes))
                    .collect(),
                changed: changed(&look.totals).collect(),
                ranges: look
                    .changes
                    .iter()
                    .map(|change| RangeJson {
                        start: Hex(change.start),
                        end: Hex(change.end),
                        what: change.words(),
                    })
                    .collect(),
            };
            return context.print_json("watch", &data);
        }
        let rows = match context.out.width() {
            Some(_) => {
                // Clear, and to the first line.
                context.out.raw(b"\x1b[2J\x1b[H")?;
                terminal_size::terminal_size().map(|(_, height)| usize::from(height.0))
            }
            None if look.number > 1 => {
                context.out.line("")?;
                None
            }
            None => None,
        };
        let title = format!("pid {} {}, look {}", target.pid, target.comm, look.number);
        context.out.line(Painted(TITLE, title))?;
        let [before, now] = look.faults;
        let mut head = vec![
            counted(
                "minor faults",
                now.minor,
                now.minor.saturating_sub(before.minor),
            ),
            counted(
                "major faults",
                now.major,
                now.major.saturating_sub(before.major),
            ),
        ];
        head.extend(
            look.sums
                .iter()
                .map(|&(name, bytes, change)| bytes_line(name, bytes, change)),
        );
        for (line, is_new) in &head {
            let style = if *is_new { CARE } else { anstyle::Style::new() };
            context.out.line(Painted(style, line))?;
        }
        let kinds: Vec<String> = changed(&look.totals)
            .filter(|(_, bytes)| *bytes > 0)
            .map(|(word, bytes)| format!("{word} {}", Size(bytes)))
            .collect();
        if !kinds.is_empty() {
            context
                .out
                .line(format_args!("since the last look: {}", kinds.join(", ")))?;
        }
        // One line is for the cursor, and one to say that there are more.
        let room = rows.map_or(usize::MAX, |rows| rows.saturating_sub(head.len() + 4));
        for line in look.lines.iter().take(room) {
            context.out.line(Painted(CARE, line))?;
        }
        let more = look.lines.len().saturating_sub(room);
        if more > 0 {
            let more = format!("and {more} more ranges");
            context.out.line(Painted(QUIET, more))?;
        }
        Ok(())
    }
}

fn changed(totals: &Totals) -> impl Iterator<Item = (&'static str, u64)> + '_ {
    let words = Kinds::WORDS.iter().map(|&(_, word)| word);
    words.zip(totals.bytes)
}

fn counted(name: &str, now: u64, more: u64) -> (String, bool) {
    let change = if more > 0 {
        format!("+{more}")
    } else {
        String::new()
    };
    let line = format!("{name:<14}{now:>10} {change:>10}");
    (line.trim_end().to_string(), more > 0)
}

fn bytes_line(name: &str, now: u64, change: i128) -> (String, bool) {
    let size = Size(now).to_string();
    let amount = u64::try_from(change.unsigned_abs()).unwrap_or(u64::MAX);
    let change = match change {
        0 => String::new(),
        c => format!("{}{}", if c > 0 { '+' } else { '-' }, Size(amount)),
    };
    let line = format!("{name:<14}{size:>10} {change:>10}");
    (line.trim_end().to_string(), !change.is_empty())
}

fn look(
    number: u64,
    last: &mut Option<(Kept, Faults)>,
    kept: &mut Kept,
    faults: Faults,
) -> Result<Look> {
    let now = sums(kept);
    let Some((before, last_faults)) = last else {
        return Ok(Look {
            number,
            faults: [faults, faults],
            sums: now
                .into_iter()
                .map(|(name, bytes)| (name, bytes, 0))
                .collect(),
            lines: Vec::new(),
            changes: Vec::new(),
            totals: Totals::default(),
        });
    };
    let was = sums(before);
    let pairs = now.into_iter().zip(was);
    let sums = pairs.map(|((name, now), (_, was))| (name, now, i128::from(now) - i128::from(was)));
    let sums = sums.collect();
    let (old, new) = (before.vmas().to_vec(), kept.vmas().to_vec());
    let names = Places {
        before: &old,
        after: &new,
    };
    let flags = kept.head().machine.vma_flag_names();
    let vmas = diff::vmas(&old, &new);
    let mut lines: Vec<String> = vmas.iter().map(|vma| vma_line(vma, flags)).collect();
    let mut changes = Vec::new();
    let totals = diff::entries(before, kept, &mut |change| {
        // What is only read, or not read for a while, is in the sums.
        let is_read = change.kinds.0 & !(Kinds::ACCESSED.0 | Kinds::AGED.0) == 0;
        if changes.len() < MOST_LINES && !is_read {
            lines.push(names.line(&change));
            changes.push(change);
        }
        Ok::<(), Error>(())
    })?;
    kept.rewind();
    Ok(Look {
        number,
        faults: [*last_faults, faults],
        sums,
        lines,
        changes,
        totals,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{run, vma, Made, ANON, PAGE};

    #[test]
    fn intervals() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        for bad in ["", "0", "-1", "NaN", "inf", "1e9", "x"] {
            assert!(seconds(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn faults_of_a_process() {
        let stat = "42 (a) b) S 1 2 3 4 5 6 111 8 222 10";
        let faults = Faults {
            minor: 111,
            major: 222,
        };
        assert_eq!(Faults::parse(stat), Some(faults));
        assert_eq!(Faults::parse("42 (a) S 1"), None);
    }

    #[test]
    fn what_changed_since_the_last_look() {
        let kept = |pages| {
            let mut made = Made::new(vec![vma(0, 10, "[heap]")], vec![run(0, pages, ANON, 5)]);
            Kept::of(&mut made).unwrap()
        };
        let faults = Faults::default();
        let first = look(1, &mut None, &mut kept(2), faults).unwrap();
        assert!(first.lines.is_empty());
        let mut last = Some((kept(2), faults));
        let mut now = kept(3);
        let second = look(2, &mut last, &mut now, faults).unwrap();
        let line =
            "0000000000002000-0000000000003000      4K appeared rw- page-anon           [heap]";
        assert_eq!(second.lines, [line]);
        assert_eq!(second.sums[0], ("mapped", 3 * PAGE, i128::from(PAGE)));
        // What was compared is read again by the next look.
        let third = look(3, &mut Some((now, faults)), &mut kept(3), faults).unwrap();
        assert!(third.lines.is_empty());
    }
}
