// SPDX-License-Identifier: GPL-2.0

//! Files that are well-formed, and that nobody with good intentions has written: lines with any numbers,
//! in any order, of machines that there are not. What is not refused is then used for all that a file
//! is used for.

use super::{
    tests::{example, read, written},
    write::{End, Line, RunLine, TableLine, VmaLine},
    *,
};
use crate::{commands::diff::date, picture, testing::machine};
use mmlens_core::pt::facts::Facts;
use mmlens_device::Arch;
use proptest::prelude::*;
use std::{borrow::Cow, time::Instant};

/// Numbers at the borders of something.
fn number() -> impl Strategy<Value = u64> {
    prop_oneof![
        4 => (0u64..64).prop_map(|page| page << 16),
        2 => (0u32..64, 0u64..3).prop_map(|(bit, more)| (1u64 << bit).wrapping_add(more).wrapping_sub(1)),
        1 => (0u64..64).prop_map(|page| 0u64.wrapping_sub(page << 16)),
        1 => any::<u64>(),
        1 => Just(u64::MAX),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("[heap]".to_string()),
        "\\PC{0,12}",
        prop::collection::vec(any::<char>(), 0..8).prop_map(String::from_iter),
    ]
}

fn words() -> impl Strategy<Value = String> {
    let word = (0..Facts::WORDS.len()).prop_map(|at| Facts::WORDS[at].1);
    prop_oneof![
        6 => Just("pte present read write page-anon".to_string()),
        3 => Just("pmd present write dirty page-shmem".to_string()),
        3 => Just("pud nonpresent swap".to_string()),
        3 => Just("pgd present".to_string()),
        3 => Just("pte bad".to_string()),
        1 => prop::collection::vec(word, 0..6).prop_map(|words| words.join(" ")),
    ]
}

/// Machines, most of which do not exist.
fn machines() -> impl Strategy<Value = Machine> {
    let shift = prop_oneof![
        6 => Just(machine().shift),
        3 => Just([14, 25, 36, 47, 47]),
        6 => (12u8..17, prop::array::uniform4(12u8..58)).prop_map(|(page, [a, b, c, d])| {
            let mut shift = [page, a.max(page), b.max(page), c.max(page), d.max(page)];
            shift.sort_unstable();
            shift
        }),
        1 => prop::array::uniform5(any::<u8>()),
    ];
    let numbers = (number(), number(), number(), number());
    let bytes = (
        any::<u8>(),
        any::<u8>(),
        prop::array::uniform32(any::<u8>()),
    );
    // The lowest and the top level are refused.
    let folded = prop::array::uniform5(prop::bool::weighted(0.03));
    let folded = (folded, any::<bool>()).prop_map(|([a, b, c, _, e], d)| [a, b, c, d, e]);
    (shift, folded, numbers, bytes, any::<bool>(), any::<bool>()).prop_map(
        |(
            shift,
            folded,
            (attributes, low, high, encryption),
            (up, pfn_bits, soft),
            is_arm,
            flag,
        )| {
            Machine {
                arch: if is_arm { Arch::Arm64 } else { Arch::X86_64 },
                shift,
                folded,
                has_pti: flag,
                has_shadow_stack: flag,
                attributes,
                address_low: low,
                address_high: high,
                address_high_shift: up,
                encryption,
                soft_pfn_bits: pfn_bits,
                soft,
            }
        },
    )
}

fn head() -> impl Strategy<Value = Head> {
    let machine = prop_oneof![Just(machine()), machines()];
    let version = prop_oneof![19 => Just(VERSION), 1 => any::<u32>()];
    (version, any::<i32>(), text(), text(), number(), machine).prop_map(
        |(version, pid, comm, kernel, time, machine)| Head {
            version,
            pid,
            comm,
            kernel,
            time,
            machine,
        },
    )
}

/// Bounds: most in order, and of whole pages, whatever the size of a page.
fn bounds() -> impl Strategy<Value = (u64, u64)> {
    let is_good = prop::bool::weighted(0.97);
    (number(), number(), is_good).prop_map(|(a, b, is_good)| match is_good {
        true => {
            let start = (a.min(b) & !0xffff).min(!0x1_ffff);
            (start, (a.max(b) & !0xffff).max(start + 0x1_0000))
        }
        false => (a, b),
    })
}

fn vma() -> impl Strategy<Value = VmaLine<'static>> {
    (
        bounds(),
        [number(), number(), number(), number()],
        any::<u32>(),
        text(),
    )
        .prop_map(
            |((start, end), [flags, pgoff, page_prot, ino], word, name)| VmaLine {
                start,
                end,
                flags,
                pgoff,
                page_prot,
                ino,
                dev: (word, word >> 9),
                facts: word,
                name: Cow::Owned(name),
            },
        )
}

fn run() -> impl Strategy<Value = RunLine<'static>> {
    let from = prop::option::of(number());
    let each = prop::option::weighted(0.1, prop::collection::vec(number(), 0..600));
    (
        bounds(),
        number(),
        words(),
        from,
        each,
        prop::bool::weighted(0.9),
    )
        .prop_map(|((start, end), raw, facts, from, each, is_cut)| {
            // As many places as entries, more often than by chance.
            let each = each.map(|mut each| {
                if is_cut {
                    each.truncate(end.saturating_sub(start).min(1 << 20) as usize >> 12);
                }
                Cow::Owned(each)
            });
            RunLine {
                start,
                end,
                raw,
                facts: Cow::Owned(facts),
                from: from.filter(|_| each.is_none() || !is_cut),
                each,
            }
        })
}

fn table() -> impl Strategy<Value = TableLine> {
    let is_good = prop::bool::weighted(0.97);
    let counts = (0u8..6, 0u32..1 << 17, 0u32..700);
    (number(), number(), counts, is_good).prop_map(
        |(start, at, (level, entries, used), is_good)| {
            let (most, level) = if is_good {
                (entries & 0xffff, level % 5)
            } else {
                (entries, level)
            };
            TableLine {
                start,
                at,
                level,
                entries: most,
                used: if is_good { used.min(most) } else { used },
            }
        },
    )
}

/// A file: sorted as a good one is, or not, and with an end that fits, or not.
fn file() -> impl Strategy<Value = Vec<u8>> {
    let vmas = prop::collection::vec(vma(), 0..6);
    let runs = prop::collection::vec(run(), 0..8);
    let tables = prop::collection::vec(table(), 0..4);
    let is_sorted = prop::bool::weighted(0.9);
    (
        head(),
        vmas,
        runs,
        tables,
        is_sorted,
        prop::option::weighted(0.05, number()),
    )
        .prop_map(|(head, mut vmas, mut runs, tables, is_sorted, count)| {
            if is_sorted {
                vmas.sort_by_key(|vma| vma.start);
                runs.sort_by_key(|run| run.start);
                // What would only be refused.
                let mut last = 0;
                vmas.retain(|vma| {
                    let is_good = last <= vma.start && vma.start < vma.end;
                    last = if is_good { vma.end } else { last };
                    is_good
                });
                last = 0;
                runs.retain(|run| {
                    let is_good = last <= run.start && run.start < run.end;
                    last = if is_good { run.end } else { last };
                    is_good
                });
            }
            let end = End {
                vmas: count.unwrap_or(vmas.len() as u64),
                runs: runs.len() as u64,
                tables: tables.len() as u64,
            };
            let mut lines = vec![Line::Head(Cow::Owned(head))];
            lines.extend(vmas.into_iter().map(Line::Vma));
            lines.extend(runs.into_iter().map(Line::Run));
            lines.extend(tables.into_iter().map(Line::Table));
            lines.push(Line::End(end));
            let mut bytes = Vec::new();
            for line in &lines {
                bytes.extend(serde_json::to_vec(line).unwrap());
                bytes.push(b'\n');
            }
            bytes
        })
}

fn open(bytes: &[u8]) -> std::result::Result<Reader<&[u8]>, String> {
    Reader::new(bytes, "file").map_err(|error| error.to_string())
}

/// All that a file is used for: by itself, beside the good one, and beside itself.
fn use_for_everything(bytes: &[u8]) -> std::result::Result<(), TestCaseError> {
    let is_line = |error: &str| error.lines().count() == 1 && error.len() < 300;
    let start = Instant::now();
    let all = match read(bytes) {
        Ok(all) => all,
        Err(error) => {
            prop_assert!(is_line(&error), "{}", error);
            return Ok(());
        }
    };
    let good = written(&example());
    for other in [bytes, good.as_slice()] {
        for (one, two) in [(bytes, other), (other, bytes)] {
            let both = (open(one), open(two));
            let (Ok(mut one), Ok(mut two)) = both else {
                return Err(TestCaseError::fail("it was good before"));
            };
            let (old, new) = (one.vmas().to_vec(), two.vmas().to_vec());
            for change in &crate::diff::vmas(&old, &new) {
                crate::commands::diff::vma_line(change, all.0.machine.vma_flag_names());
            }
            let names = crate::commands::diff::Places {
                before: &old,
                after: &new,
            };
            let mut lines = 0;
            let totals = crate::diff::entries(&mut one, &mut two, &mut |change| {
                lines += 1;
                let line = names.line(&change);
                assert_eq!(line.lines().count(), 1, "{line:?}");
                Ok(())
            });
            prop_assert!(lines < 20_000);
            if let Ok(totals) = totals {
                crate::commands::diff::total_lines(&totals);
            }
        }
    }
    date(all.0.time);
    let shape = Shape::of(&all.0.machine).unwrap();
    for run in &all.2 {
        shape.frames(run);
        shape.place(run.raw, run.level());
    }
    let mut source = open(bytes).unwrap();
    let layout = picture::layout(&mut source, 800).unwrap();
    prop_assert!(layout.width.is_finite() && layout.height.is_finite());
    prop_assert!(picture::svg(&layout).len() < 4 << 20);
    // Generous: other programs may be running.
    prop_assert!(start.elapsed().as_secs() < 20);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn any_file_that_is_well_formed(bytes in file()) {
        use_for_everything(&bytes)?;
    }
}

/// Lines that are short, and say something very large.
#[test]
fn small_files_that_mean_much() {
    let deep = format!("{{\"vma\":{}", "[".repeat(LONGEST_LINE - 10));
    let lines = [
        deep.as_str(),
        "{\"end\":{\"vmas\":18446744073709551615,\"runs\":0,\"tables\":0}}",
        "{\"end\":{\"vmas\":18446744073709551616,\"runs\":0,\"tables\":0}}",
        "{\"end\":{\"vmas\":-1,\"runs\":0,\"tables\":0}}",
        "{\"end\":{\"vmas\":1e308,\"runs\":0,\"tables\":0}}",
        "{\"end\":{\"vmas\":0,\"vmas\":0,\"runs\":0,\"tables\":0}}",
        "{\"run\":{\"start\":\"0x0\",\"end\":\"0xfffffffffffff000\",\"raw\":\"0x1\",\"facts\":\"pte present\",\"each\":[]}}",
        "{\"run\":{\"start\":\"0x0\",\"end\":\"0x10000000000000000\",\"raw\":\"0x1\",\"facts\":\"pte present\"}}",
        "{\"table\":{\"start\":\"0x0\",\"at\":\"0x0\",\"level\":255,\"entries\":4294967295,\"used\":0}}",
        "null",
        "\"\\ud800\"",
    ];
    let good = String::from_utf8(written(&example())).unwrap();
    for line in lines {
        for before in 1..8 {
            let mut bad: Vec<&str> = good.lines().take(before).collect();
            bad.push(line);
            let bad = bad.join("\n") + "\n";
            let error = read(bad.as_bytes()).err().unwrap_or_default();
            assert_eq!(error.lines().count(), 1, "{line:.80}: {error:?}");
            assert!(error.len() < 300, "{error}");
        }
    }
}

/// Memory is that of a line, however many lines there are, and time is that of reading them.
#[test]
fn a_file_without_end() {
    /// One line, again and again.
    struct Again(Vec<u8>, usize, u64);
    impl std::io::Read for Again {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            let rest = &self.0[self.1..];
            let size = rest.len().min(buffer.len());
            buffer[..size].copy_from_slice(&rest[..size]);
            self.1 += size;
            if self.1 == self.0.len() {
                self.1 -= self.2 as usize;
            }
            Ok(size)
        }
    }
    let good = written(&example());
    let lines: Vec<&[u8]> = good.split_inclusive(|&byte| byte == b'\n').collect();
    // A VMA has to be behind the one before, so the second of them is refused.
    let again = |upto: usize| {
        let bytes = lines[..=upto].concat();
        BufReader::new(Again(bytes, 0, lines[upto].len() as u64))
    };
    let error = Reader::new(again(1), "file").map(drop).unwrap_err();
    assert!(error.to_string().contains("comes after"), "{error}");
    let mut reader = Reader::new(again(3), "file").unwrap();
    assert!(reader.run().is_ok() && reader.run().is_err());
}
