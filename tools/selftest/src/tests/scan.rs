// SPDX-License-Identifier: GPL-2.0

//! `scan` and `filter`, against pagemap.

use crate::{
    check::{check, contains, equal, Outcome, Test},
    child::Child,
    command::{array, fails, has_word, hex, json, json_to, run_to},
    proc::{frames, page_size},
};
use serde_json::Value;

pub const TESTS: &[Test] = &[
    ("scan_as_in_pagemap", as_in_pagemap),
    ("scan_words", words),
    ("scan_places", places),
    ("scan_sizes", sizes),
    ("scan_vmas", vmas),
    ("scan_all", all),
    ("scan_nothing", nothing),
    ("filter_of_nothing", of_nothing),
    ("filter_language", language),
];

/// The ranges that match, of a process.
fn ranges(pid: u32, filter: &str) -> Outcome<Vec<(u64, u64)>> {
    let data = json_to(
        0,
        &format!("scan {pid} --filter {}", filter.replace(' ', "~")),
    )?;
    let runs = array(&data["runs"])?;
    let range = |run: &Value| Ok((hex(&run["start"])?, hex(&run["end"])?));
    runs.iter().map(range).collect()
}

/// Those in a part of its memory, joined, in pages from its beginning.
fn pages_of(child: &Child, part: &str, filter: &str) -> Outcome<Vec<(u64, u64)>> {
    let (start, end) = child.part(part);
    let page = page_size();
    let mut found: Vec<(u64, u64)> = Vec::new();
    for (from, to) in ranges(child.pid(), filter)? {
        if from >= end || to <= start {
            continue;
        }
        let (from, to) = (
            (from.max(start) - start) / page,
            (to.min(end) - start) / page,
        );
        match found.last_mut() {
            Some(last) if last.1 == from => last.1 = to,
            _ => found.push((from, to)),
        }
    }
    Ok(found)
}

fn as_in_pagemap() -> Outcome {
    let child = Child::new("memory")?;
    let pid = child.pid();
    let page = page_size();
    let data = json(&format!("scan {pid} --filter present"))?;
    let mut seen = 0;
    for part in ["anon", "guard", "shared", "file", "wx", "none", "huge"] {
        let (start, end) = child.part(part);
        if start == 0 {
            continue;
        }
        let frames = frames(pid, start, end)?;
        for (n, frame) in frames.iter().enumerate() {
            let address = start + n as u64 * page;
            let mut run = None;
            for candidate in array(&data["runs"])? {
                let (from, to) = (hex(&candidate["start"])?, hex(&candidate["end"])?);
                if from <= address && address < to {
                    run = Some((from, candidate));
                }
            }
            let what = format!("{part}, page {n}");
            equal(&what, run.is_some(), frame.is_some())?;
            if let (Some((from, run)), Some(frame)) = (run, frame) {
                if has_word(&run["facts"], "in-order") && has_word(&run["facts"], "pte") {
                    let place = hex(&run["place"])? + (address - from) / page;
                    equal(&what, place, *frame)?;
                    seen += 1;
                }
            }
        }
    }
    check(seen > 0, || "no frame was compared".into())
}

fn words() -> Outcome {
    let child = Child::new("memory")?;
    for (part, filter, wanted) in [
        ("anon", "page-anon & write & dirty", vec![(0, 8)]),
        ("anon", "page-zero", vec![(8, 10)]),
        ("anon", "hole", vec![(10, 16)]),
        ("anon", "!present", vec![(10, 16)]),
        ("anon", "page-anon | page-zero", vec![(0, 10)]),
        ("anon", "level == pte & !hole", vec![(0, 10)]),
        ("anon", "wx", vec![]),
        ("wx", "wx", vec![(0, 1)]),
        ("none", "protnone", vec![(0, 4)]),
        ("none", "present & !mapped", vec![(0, 4)]),
        ("shared", "page-shmem", vec![(0, 4)]),
        ("file", "page-file & read-only", vec![(0, 4)]),
    ] {
        // Something else matches too, so that nothing in this part is no failure.
        let found = pages_of(&child, part, &format!("{filter} | exec"))?;
        equal(&format!("{part}: {filter}"), found, wanted)?;
    }
    if child.part("guard").0 != 0 {
        equal("guards", pages_of(&child, "guard", "guard")?, vec![(2, 4)])?;
        equal("traps", pages_of(&child, "guard", "trap")?, vec![(2, 4)])?;
    }
    let (start, end) = child.part("huge");
    if start != 0 && frames(child.pid(), start, end)?.iter().all(Option::is_some) {
        let huge = ranges(child.pid(), "huge")?;
        equal("huge", huge.contains(&(start, end)), true)?;
    }
    Ok(())
}

/// By frame, and by bits: the kernel is asked, and each entry is matched.
fn places() -> Outcome {
    let child = Child::new("memory")?;
    let (start, end) = child.part("anon");
    let page = page_size();
    let frame = frames(child.pid(), start, end)?[3].ok_or("page 3 is not there")?;
    let (from, to) = (frame * page, (frame + 1) * page);
    let filter = format!("phys in {from:#x}..{to:#x}");
    let wanted = vec![(start + 3 * page, start + 4 * page)];
    equal("by frame", ranges(child.pid(), &filter)?, wanted.clone())?;
    let filter = format!("!({filter}) & page-anon & !exec");
    equal(
        "all but one",
        pages_of(&child, "anon", &filter)?,
        vec![(0, 3), (4, 8)],
    )?;
    // The bit that the hardware looks at is the same on both architectures.
    equal(
        "by bits",
        pages_of(&child, "anon", "raw & 1 == 1")?,
        vec![(0, 10)],
    )?;
    let data = json(&format!(
        "scan {} --filter phys~in~{from:#x}..{to:#x}",
        child.pid()
    ))?;
    let raw = hex(&array(&data["runs"])?[0]["raw"])?;
    equal(
        "by value",
        ranges(child.pid(), &format!("raw == {raw:#x}"))?,
        wanted,
    )
}

fn sizes() -> Outcome {
    let child = Child::new("memory")?;
    let page = page_size();
    let eight = 8 * page;
    let of = |filter: &str| pages_of(&child, "anon", filter);
    equal(
        "eight",
        of(&format!("page-anon & size == {eight}"))?,
        vec![(0, 8)],
    )?;
    equal(
        "with bits",
        of(&format!("page-anon & raw & 1 == 1 & size == {eight}"))?,
        vec![(0, 8)],
    )?;
    let (start, end) = child.part("anon");
    let frame = frames(child.pid(), start, end)?[3].ok_or("page 3 is not there")?;
    let phys = format!("phys in {:#x}..{:#x}", frame * page, (frame + 1) * page);
    // The run is what it is, though only one entry of it matches.
    equal(
        "by frame",
        of(&format!("{phys} & size == {eight}"))?,
        vec![(3, 4)],
    )?;
    equal(
        "less",
        of(&format!("present & size < {eight}"))?,
        vec![(8, 10)],
    )
}

fn vmas() -> Outcome {
    let child = Child::new("memory")?;
    let of = |part: &str, filter: &str| pages_of(&child, part, filter);
    equal(
        "shared",
        of("shared", "present & vma:SHARED")?,
        vec![(0, 4)],
    )?;
    equal("not shared", of("anon", "present & vma:SHARED")?, vec![])?;
    equal(
        "private",
        of("anon", "present & !vma:shared")?,
        vec![(0, 10)],
    )?;
    equal(
        "or",
        of("shared", "present & (vma:EXEC | vma:SHARED)")?,
        vec![(0, 4)],
    )
}

fn all() -> Outcome {
    let child = Child::new("memory")?;
    let data = json("scan --all --totals --filter wx")?;
    let totals = array(&data["totals"])?;
    let own: Vec<&Value> = totals
        .iter()
        .filter(|total| total["pid"].as_u64() == Some(child.pid().into()))
        .collect();
    equal("totals of the child", own.len(), 1)?;
    equal("bytes", own[0]["bytes"].as_u64(), Some(page_size()))?;
    let bytes = |total: &Value| total["bytes"].as_u64().unwrap_or(0);
    let is_sorted = totals
        .windows(2)
        .all(|pair| bytes(&pair[0]) >= bytes(&pair[1]));
    check(is_sorted, || format!("not sorted: {totals:?}"))?;
    let text = run_to(0, &format!("scan {} --filter wx", child.pid()))?;
    contains(
        "the heading",
        &text,
        &format!("pid {} lens-child", child.pid()),
    )?;
    contains("the line", &text, "W+X")
}

fn nothing() -> Outcome {
    let child = Child::new("memory")?;
    let pid = child.pid();
    for filter in ["guard~&~present", "wx~&~vma:SHARED", "phys~in~0..1"] {
        equal(
            filter,
            run_to(1, &format!("scan {pid} --totals --filter {filter}"))?,
            String::new(),
        )?;
    }
    fails(
        2,
        &format!("scan {pid} --filter prsent"),
        "filter, column 1: there is no word `prsent`: did you mean `present`?; try: mmlens filter --list",
    )?;
    fails(
        2,
        "scan",
        "the following required arguments were not provided: <PID>...; try: mmlens --help",
    )
}

fn language() -> Outcome {
    let listing = run_to(0, "filter --list")?;
    for word in ["page-anon", "huge", "vma:WRITE", "size >= 2M"] {
        contains("the list", &listing, word)?;
    }
    let text = run_to(0, "filter huge~&~(write~|~vma:EXEC)")?;
    contains("as it was read", &text, "huge & (write | vma:EXEC)")?;
    contains("what the kernel is asked", &text, "required:     present")?;
    run_to(1, "filter present~&~!present").map(drop)
}

/// What can match nothing is read, and exit code 1, in both languages.
fn of_nothing() -> Outcome {
    let text = run_to(1, "filter write~&~!write")?;
    contains("what is said", &text, "nothing can match")?;
    let data = json_to(1, "filter write~&~!write")?;
    equal("nothing", data["nothing"].as_bool(), Some(true))?;
    let data = json("filter write")?;
    equal("nothing", data["nothing"].as_bool(), Some(false))
}
