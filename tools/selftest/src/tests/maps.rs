// SPDX-License-Identifier: GPL-2.0

//! `maps` and `show`, against /proc.

use crate::{
    check::{check, equal, skip, Outcome, Test},
    child::Child,
    command::{array, has_word, hex, json, run_to},
    proc::{frames, maps, page_size, smaps_sum},
};

pub const TESTS: &[Test] = &[
    ("maps_as_in_proc", maps_as_in_proc),
    ("maps_mapped_as_in_pagemap", mapped_as_in_pagemap),
    ("maps_text", text),
    ("maps_of_known_memory", known_memory),
    ("maps_huge", huge),
    ("show_totals", show_totals),
    ("show_text", show_text),
];

fn maps_as_in_proc() -> Outcome {
    let child = Child::new("memory")?;
    let data = json(&format!("maps {}", child.pid()))?;
    let wanted = maps(child.pid())?;
    let vmas = array(&data["vmas"])?;
    equal("number of VMAs", vmas.len(), wanted.len())?;
    for (vma, map) in vmas.iter().zip(&wanted) {
        let name = format!("{:x} {}", map.start, map.name);
        equal(&name, hex(&vma["start"])?, map.start)?;
        equal(&name, hex(&vma["end"])?, map.end)?;
        equal(&name, vma["rights"].as_str(), Some(map.rights.as_str()))?;
        equal(&name, vma["device"].as_str(), Some(map.device.as_str()))?;
        equal(&name, vma["inode"].as_u64(), Some(map.inode))?;
        equal(&name, vma["name"].as_str(), Some(map.name.as_str()))?;
        let is_file = map.inode != 0;
        equal(
            &name,
            vma["anonymous"].as_bool() == Some(true) && is_file,
            false,
        )?;
        if is_file {
            equal(&name, hex(&vma["page_offset"])? * page_size(), map.offset)?;
        }
        for (letter, flag) in [('r', "READ"), ('w', "WRITE"), ('x', "EXEC")] {
            equal(
                &name,
                has_word(&vma["flags"], flag),
                map.rights.contains(letter),
            )?;
        }
    }
    Ok(())
}

fn mapped_as_in_pagemap() -> Outcome {
    let child = Child::new("memory")?;
    let data = json(&format!("maps {}", child.pid()))?;
    let mut seen = 0;
    for vma in array(&data["vmas"])? {
        // Hidden in pagemap.
        if has_word(&vma["flags"], "PFNMAP") {
            continue;
        }
        let (start, end) = (hex(&vma["start"])?, hex(&vma["end"])?);
        let present = frames(child.pid(), start, end)?.iter().flatten().count() as u64;
        let what = format!("mapped in {start:x}-{end:x} {}", vma["name"]);
        equal(
            &what,
            vma["mapped_bytes"].as_u64(),
            Some(present * page_size()),
        )?;
        seen += present;
    }
    check(seen > 20, || format!("only {seen} pages"))
}

fn text() -> Outcome {
    let child = Child::new("memory")?;
    let text = run_to(0, &format!("maps {}", child.pid()))?;
    let mut lines = text.lines();
    let heading: Vec<&str> = lines
        .next()
        .unwrap_or_default()
        .split_whitespace()
        .collect();
    equal(
        "heading",
        heading.get(..2),
        Some(["range", "size"].as_slice()),
    )?;
    for map in maps(child.pid())? {
        let line = lines.next().unwrap_or_default();
        let range = format!("{:016x}-{:016x} ", map.start, map.end);
        check(line.starts_with(&range), || {
            format!("{line:?} is not {range:?}")
        })?;
        check(
            line.contains(&map.rights) && line.contains(&map.name),
            || line.into(),
        )?;
    }
    equal("lines left", lines.next(), None)
}

/// The VMA that begins there.
fn vma_at(data: &serde_json::Value, address: u64) -> Outcome<&serde_json::Value> {
    for vma in array(&data["vmas"])? {
        if hex(&vma["start"])? <= address && address < hex(&vma["end"])? {
            return Ok(vma);
        }
    }
    Err(format!("no VMA has {address:x}").into())
}

fn known_memory() -> Outcome {
    let child = Child::new("memory")?;
    let data = json(&format!("maps {}", child.pid()))?;
    let page = page_size();
    let (none, _) = child.part("none");
    let vma = vma_at(&data, none)?;
    equal("rights of PROT_NONE", vma["rights"].as_str(), Some("---p"))?;
    equal(
        "mapped of PROT_NONE",
        vma["mapped_bytes"].as_u64(),
        Some(4 * page),
    )?;
    let (shared, _) = child.part("shared");
    let vma = vma_at(&data, shared)?;
    equal(
        "rights of shared memory",
        vma["rights"].as_str(),
        Some("rw-s"),
    )?;
    equal(
        "mapped of shared memory",
        vma["mapped_bytes"].as_u64(),
        Some(4 * page),
    )?;
    let (guard, end) = child.part("guard");
    if end == 0 {
        return skip("the kernel has no guard regions");
    }
    let vma = vma_at(&data, guard)?;
    equal("guards", vma["noted_bytes"].as_u64(), Some(2 * page))
}

fn huge() -> Outcome {
    let child = Child::new("memory")?;
    let (start, end) = child.part("huge");
    if end == 0 || smaps_sum(child.pid(), "AnonHugePages")? == 0 {
        return skip("no huge page could be had");
    }
    let data = json(&format!("maps {}", child.pid()))?;
    let sum: u64 = array(&data["vmas"])?
        .iter()
        .filter_map(|vma| vma["huge_bytes"].as_u64())
        .sum();
    equal("huge", sum, smaps_sum(child.pid(), "AnonHugePages")?)?;
    equal(
        "huge there",
        vma_at(&data, start)?["huge_bytes"].as_u64(),
        Some(end - start),
    )
}

fn show_totals() -> Outcome {
    let child = Child::new("memory")?;
    let shown = json(&format!("show {}", child.pid()))?;
    let listed = json(&format!("maps {}", child.pid()))?;
    let totals = &shown["totals"];
    for (name, member) in [
        ("mapped", "mapped_bytes"),
        ("huge", "huge_bytes"),
        ("swapped", "swapped_bytes"),
        ("noted", "noted_bytes"),
    ] {
        let sum: u64 = array(&listed["vmas"])?
            .iter()
            .filter_map(|vma| vma[member].as_u64())
            .sum();
        equal(name, totals[name].as_u64(), Some(sum))?;
    }
    equal(
        "W+X",
        totals["write_and_execute"].as_u64(),
        Some(page_size()),
    )?;
    equal(
        "pid",
        shown["mm"]["pid"].as_str(),
        Some(child.pid().to_string().as_str()),
    )?;
    let sum = |map: &serde_json::Value| -> u64 {
        let members = map.as_object().into_iter().flatten();
        members.filter_map(|(_, bytes)| bytes.as_u64()).sum()
    };
    let mapped = totals["mapped"].as_u64().unwrap_or(0);
    equal("memory types", sum(&totals["memory"]), mapped)?;
    equal("kinds of pages", sum(&totals["pages"]), mapped)?;
    equal("levels", sum(&totals["levels"]), mapped)?;
    check(sum(&totals["tables"]) >= 4, || {
        format!("{}", totals["tables"])
    })?;
    let all: u64 = maps(child.pid())?
        .iter()
        .map(|map| map.end - map.start)
        .sum();
    let parts = ["mapped", "swapped", "noted", "holes"];
    let parts: u64 = parts.iter().filter_map(|part| totals[*part].as_u64()).sum();
    equal("all parts", parts, all)
}

fn show_text() -> Outcome {
    let child = Child::new("memory")?;
    let text = run_to(0, &format!("show {}", child.pid()))?;
    for part in [
        "lens-child (",
        "exe_file",
        "stack",
        "mapped",
        "tables",
        "pgd 1",
        "rights",
    ] {
        check(text.contains(part), || format!("no {part:?} in {text}"))?;
    }
    let lines = text.lines().count();
    check(lines < 50, || {
        format!("{lines} lines are more than a screen")
    })
}
