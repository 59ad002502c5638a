// SPDX-License-Identifier: GPL-2.0

//! `tables`, against pagemap and the files of debugfs.

use crate::{
    check::{check, equal, skip, Outcome, Test},
    child::Child,
    command::{array, has_word, hex, json, json_to, run_to},
    proc::{frames, page_size, smaps_sum},
};
use serde_json::Value;
use std::{collections::BTreeMap, fs};

pub const TESTS: &[Test] = &[
    ("tables_as_in_debugfs", as_in_debugfs),
    ("tables_entries_as_in_debugfs", entries_as_in_debugfs),
    ("tables_full", full),
    ("tables_frames_as_in_pagemap", frames_as_in_pagemap),
    ("tables_levels", levels),
    ("tables_range", range),
    ("tables_filter", filter),
    ("tables_filter_of_entries", filter_of_entries),
];

const LENS: &str = "/sys/kernel/debug/mmlens";

/// A file of the lens about a process.
fn lens(pid: u32, name: &str) -> Outcome<String> {
    fs::write(format!("{LENS}/attach"), pid.to_string())?;
    let text = fs::read_to_string(format!("{LENS}/{pid}/{name}"));
    fs::write(format!("{LENS}/detach"), pid.to_string())?;
    Ok(text?)
}

/// Lines by VMA, in order within it: the lens goes level by level.
fn by_vma<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut found = BTreeMap::<&str, Vec<&str>>::new();
    let mut vma = "";
    for line in lines.filter(|line| !line.starts_with('#')) {
        if line.starts_with("vma ") {
            vma = line;
            found.entry(vma).or_default();
        } else {
            found.entry(vma).or_default().push(line);
        }
    }
    found.values_mut().for_each(|lines| lines.sort_unstable());
    found
}

/// The word in a column.
fn column(line: &str, number: usize) -> &str {
    line.split_whitespace().nth(number).unwrap_or_default()
}

fn same(found: BTreeMap<&str, Vec<&str>>, wanted: BTreeMap<&str, Vec<&str>>) -> Outcome {
    for (vma, lines) in &wanted {
        let found = found.get(vma).cloned().unwrap_or_default();
        for (a, b) in found.iter().zip(lines) {
            equal(vma, a, b)?;
        }
        equal(vma, found.len(), lines.len())?;
    }
    let keys =
        |map: &BTreeMap<&str, Vec<&str>>| map.keys().map(|k| k.to_string()).collect::<Vec<_>>();
    equal("VMAs", keys(&found), keys(&wanted))
}

fn as_in_debugfs() -> Outcome {
    let child = Child::new("memory")?;
    let text = run_to(0, &format!("tables {}", child.pid()))?;
    let dump = lens(child.pid(), "pagetable")?;
    let lines = dump.lines().filter(|line| column(line, 3) != "table");
    same(by_vma(text.lines()), by_vma(lines))
}

fn entries_as_in_debugfs() -> Outcome {
    let child = Child::new("memory")?;
    let text = run_to(0, &format!("tables {} --entries", child.pid()))?;
    let dump = lens(child.pid(), "entries")?;
    // Without the column of where the entry lies.
    let cut = |line: &str| match line.starts_with("vma ") {
        true => line.to_string(),
        false => format!(
            "{}{}",
            line.get(..23).unwrap_or_default(),
            line.get(40..).unwrap_or_default()
        ),
    };
    let lines: Vec<String> = dump
        .lines()
        .filter(|line| column(line, 4) != "table")
        .map(cut)
        .collect();
    // A VMA of which nothing is mapped has no line here.
    let mut wanted = by_vma(lines.iter().map(String::as_str));
    wanted.retain(|_, lines| !lines.is_empty());
    same(by_vma(text.lines()), wanted)
}

fn full() -> Outcome {
    let child = Child::new("memory")?;
    for (words, name) in [("--full", "pagetable"), ("--full --entries", "entries")] {
        let text = run_to(0, &format!("tables {} {words}", child.pid()))?;
        check(text == lens(child.pid(), name)?, || {
            format!("{words} is not {name}")
        })?;
    }
    Ok(())
}

/// Each run of a document.
fn runs(data: &Value) -> Outcome<Vec<&Value>> {
    let mut runs = Vec::new();
    for vma in array(&data["vmas"])? {
        runs.extend(array(&vma["runs"])?);
    }
    Ok(runs)
}

fn frames_as_in_pagemap() -> Outcome {
    let child = Child::new("memory")?;
    let data = json(&format!("tables {} --entries", child.pid()))?;
    let mut pages = 0;
    for vma in array(&data["vmas"])? {
        if has_word(&vma["flags"], "PFNMAP") {
            continue;
        }
        for run in array(&vma["runs"])? {
            if !has_word(&run["facts"], "present") {
                continue;
            }
            let (start, end) = (hex(&run["start"])?, hex(&run["end"])?);
            let place = hex(&run["place"])?;
            let wanted = frames(child.pid(), start, end)?;
            // Of an entry that begins before its VMA, the place is that of the whole.
            let size = (end - start).next_power_of_two();
            let skipped = start % size / page_size();
            for (page, frame) in wanted.iter().enumerate() {
                let what = format!("page {page} of {run}");
                equal(&what, *frame, Some(place + skipped + page as u64))?;
                pages += 1;
            }
        }
    }
    check(pages > 20, || format!("only {pages} pages"))
}

fn levels() -> Outcome {
    let child = Child::new("memory")?;
    let data = json(&format!("tables {} --levels pte", child.pid()))?;
    for run in runs(&data)? {
        equal("level", run["level"].as_str(), Some("pte"))?;
    }
    if smaps_sum(child.pid(), "AnonHugePages")? == 0 {
        return skip("no huge page could be had");
    }
    let data = json(&format!(
        "tables {} --levels pmd,pud --filter present",
        child.pid()
    ))?;
    let (start, end) = child.part("huge");
    let found = runs(&data)?
        .iter()
        .any(|run| hex(&run["start"]).ok() == Some(start));
    check(found, || format!("no {start:x}-{end:x} in {data}"))
}

fn range() -> Outcome {
    let child = Child::new("memory")?;
    let (start, _) = child.part("anon");
    let page = page_size();
    let words = format!(
        "tables {} --range {:x}-{:x}",
        child.pid(),
        start + page,
        start + 3 * page
    );
    let data = json(&words)?;
    let bytes = |run: &Value| Ok(hex(&run["end"])? - hex(&run["start"])?);
    let sum: Outcome<Vec<u64>> = runs(&data)?.into_iter().map(bytes).collect();
    equal("bytes in the range", sum?.iter().sum::<u64>(), 2 * page)?;
    json_to(1, &format!("tables {} --range 1000-2000", child.pid())).map(drop)
}

fn filter() -> Outcome {
    let child = Child::new("memory")?;
    let data = json(&format!("tables {} --filter wx", child.pid()))?;
    let found = runs(&data)?;
    let (start, _) = child.part("wx");
    equal("W+X runs", found.len(), 1)?;
    equal("W+X at", hex(&found[0]["start"])?, start)?;
    let data = json(&format!("tables {} --filter protnone", child.pid()))?;
    let (start, end) = child.part("none");
    for run in runs(&data)? {
        check(
            hex(&run["start"])? >= start && hex(&run["end"])? <= end,
            || run.to_string(),
        )?;
    }
    let (start, end) = child.part("guard");
    if end == 0 {
        return skip("the kernel has no guard regions");
    }
    let data = json(&format!("tables {} --filter guard", child.pid()))?;
    let found = runs(&data)?;
    equal("guards", found.len(), 1)?;
    equal(
        "guards at",
        hex(&found[0]["start"])?,
        start + 2 * page_size(),
    )
}

fn filter_of_entries() -> Outcome {
    let child = Child::new("memory")?;
    let (start, end) = child.part("anon");
    let frame = frames(child.pid(), start, end)?[3].unwrap_or(0);
    let (from, to) = (frame * page_size(), (frame + 1) * page_size());
    let words = format!("tables {} --filter phys~in~{from:#x}..{to:#x}", child.pid());
    let data = json(&words)?;
    let found = runs(&data)?;
    equal("runs with that frame", found.len(), 1)?;
    equal(
        "its address",
        hex(&found[0]["start"])?,
        start + 3 * page_size(),
    )
}
