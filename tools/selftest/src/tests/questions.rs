// SPDX-License-Identifier: GPL-2.0

//! `explain`, `translate`, `find`, `gaps`, `rmap`.

use crate::{
    check::{check, contains, equal, skip, some, Outcome, Test},
    child::Child,
    command::{array, hex, json, json_to, run_to},
    proc::{frames, maps, page_size},
};
use serde_json::Value;

pub const TESTS: &[Test] = &[
    ("explain_reasons", explain_reasons),
    ("explain_nothing", explain_nothing),
    ("translate_as_in_pagemap", translate_as_in_pagemap),
    ("translate_nothing", translate_nothing),
    ("find", find),
    ("find_prev", find_prev),
    ("find_until", find_until),
    ("gaps", gaps),
    ("rmap_file", rmap_file),
    ("rmap_anon", rmap_anon),
];

fn explain_reasons() -> Outcome {
    let child = Child::new("memory")?;
    let page = page_size();
    let (anon, _) = child.part("anon");
    let (none, _) = child.part("none");
    let (file, _) = child.part("file");
    for (address, reason) in [
        (anon, "writable"),
        (anon + 8 * page, "zero-page"),
        (anon + 12 * page, "absent"),
        (none, "prot-none"),
        (file, "read-only"),
    ] {
        let data = json(&format!("explain {} {address:x}", child.pid()))?;
        equal(
            &format!("reason at {address:x}"),
            data["reason"].as_str(),
            Some(reason),
        )?;
        equal("mapped", data["mapped"].as_bool(), Some(true))?;
        let text = run_to(0, &format!("explain {} {address:#x}", child.pid()))?;
        contains("text", &text, &format!("reason:    {reason}"))?;
    }
    let frame = frames(child.pid(), anon, anon + page)?
        .first()
        .copied()
        .flatten();
    let data = json(&format!("explain {} {anon:x}", child.pid()))?;
    let physical = format!("{:#x}", frame.unwrap_or(0) * page);
    equal(
        "physical",
        data["fields"]["physical"].as_str(),
        Some(physical.as_str()),
    )?;
    let (guard, end) = child.part("guard");
    if end == 0 {
        return skip("the kernel has no guard regions");
    }
    let data = json(&format!("explain {} {:x}", child.pid(), guard + 2 * page))?;
    equal("reason of a guard", data["reason"].as_str(), Some("guard"))
}

fn explain_nothing() -> Outcome {
    let child = Child::new("memory")?;
    let text = run_to(1, &format!("explain {} 1000", child.pid()))?;
    contains("text", &text, "none: no VMA contains 0000000000001000")?;
    let data = json_to(1, &format!("explain {} 1000", child.pid()))?;
    equal("mapped", data["mapped"].as_bool(), Some(false))
}

fn translate_as_in_pagemap() -> Outcome {
    let child = Child::new("memory")?;
    let page = page_size();
    for name in ["anon", "shared", "file", "wx", "none"] {
        let (start, end) = child.part(name);
        let address = start + 0x123;
        let frame = frames(child.pid(), start, end)?.first().copied().flatten();
        let data = json(&format!("translate {} {address:x}", child.pid()))?;
        let wanted = frame.unwrap_or(0) * page + 0x123;
        equal(name, hex(&data["physical"])?, wanted)?;
        let steps = array(&data["steps"])?;
        equal(
            "first level",
            steps.first().and_then(|step| step["level"].as_str()),
            Some("pgd"),
        )?;
        equal(
            "last level",
            steps.last().and_then(|step| step["level"].as_str()),
            Some("pte"),
        )?;
        let text = run_to(0, &format!("translate {} {address:x}", child.pid()))?;
        contains("text", &text, &format!("physical:  {wanted:#x}\n"))?;
    }
    Ok(())
}

fn translate_nothing() -> Outcome {
    let child = Child::new("memory")?;
    let (anon, _) = child.part("anon");
    let hole = anon + 12 * page_size();
    let data = json_to(1, &format!("translate {} {hole:x}", child.pid()))?;
    check(data["physical"].is_null(), || data.to_string())?;
    let text = run_to(1, &format!("translate {} {hole:x}", child.pid()))?;
    contains("text", &text, "physical:  none")?;
    let text = run_to(1, &format!("translate {} 1000", child.pid()))?;
    equal(
        "text",
        text.as_str(),
        "none: no VMA contains 0000000000001000\n",
    )
}

fn bounds(vma: &Value) -> Outcome<(u64, u64)> {
    Ok((hex(&vma["start"])?, hex(&vma["end"])?))
}

fn find() -> Outcome {
    let child = Child::new("memory")?;
    let maps = maps(child.pid())?;
    for map in some(&maps) {
        let data = json(&format!("find {} {:x}", child.pid(), map.end - 1))?;
        equal("VMA", bounds(&data["vma"])?, (map.start, map.end))?;
        equal(
            "name",
            data["vma"]["name"].as_str(),
            Some(map.name.as_str()),
        )?;
        equal("contains", data["contains"].as_bool(), Some(true))?;
    }
    let first = maps.first().ok_or("no maps")?;
    let text = run_to(0, &format!("find {} 1000", child.pid()))?;
    contains(
        "text",
        &text,
        &format!("above  {:016x}-{:016x}", first.start, first.end),
    )?;
    let last = maps.last().ok_or("no maps")?;
    let text = run_to(1, &format!("find {} {:x}", child.pid(), last.end))?;
    equal("text", text.as_str(), "none\n")
}

fn find_prev() -> Outcome {
    let child = Child::new("memory")?;
    let maps = maps(child.pid())?;
    let pairs: Vec<_> = maps.windows(2).collect();
    for pair in some(&pairs) {
        let [below, map] = pair else { continue };
        let data = json(&format!("find {} {:x} --prev", child.pid(), map.start))?;
        equal("VMA", bounds(&data["vma"])?, (map.start, map.end))?;
        equal(
            "VMA below",
            bounds(&data["prev"])?,
            (below.start, below.end),
        )?;
    }
    // Above all of them there still is one below.
    let last = maps.last().ok_or("no maps")?;
    let data = json(&format!("find {} {:x} --prev", child.pid(), last.end))?;
    check(data["vma"].is_null(), || data.to_string())?;
    equal(
        "the last VMA",
        bounds(&data["prev"])?,
        (last.start, last.end),
    )
}

fn find_until() -> Outcome {
    let child = Child::new("memory")?;
    let maps = maps(child.pid())?;
    let map = maps.first().ok_or("no maps")?;
    let data = json(&format!(
        "find {} 1000 --until {:x}",
        child.pid(),
        map.start + 1
    ))?;
    equal("VMA", bounds(&data["vma"])?, (map.start, map.end))?;
    json_to(
        1,
        &format!("find {} 1000 --until {:x}", child.pid(), map.start),
    )
    .map(drop)
}

fn gaps() -> Outcome {
    let child = Child::new("memory")?;
    let maps = maps(child.pid())?;
    let length = 2 << 20;
    let data = json(&format!("gaps {} 2M", child.pid()))?;
    for name in ["lowest", "highest"] {
        let (start, end) = bounds(&data[name])?;
        check(end - start >= length, || format!("{name}: {data}"))?;
        let is_free = maps.iter().all(|map| map.end <= start || map.start >= end);
        check(is_free, || format!("{name} is not free: {data}"))?;
    }
    let mmap = hex(&data["mmap"])?;
    let is_free = maps
        .iter()
        .all(|map| map.end <= mmap || map.start >= mmap + length);
    check(is_free, || format!("mmap is not free: {data}"))?;
    let text = run_to(0, &format!("gaps {} 2M", child.pid()))?;
    contains("text", &text, &format!("mmap     {mmap:016x}"))?;
    json_to(1, &format!("gaps {} 0x7fffffffffffffff", child.pid())).map(drop)
}

fn rmap_file() -> Outcome {
    let (one, other) = (Child::new("memory")?, Child::new("memory")?);
    let (start, end) = one.part("file");
    let data = json(&format!("rmap {} {start:x}", one.pid()))?;
    let mappings = array(&data["mappings"])?;
    for child in [&one, &other] {
        let (start, _) = child.part("file");
        let pid = i64::from(child.pid());
        let of_child = mappings.iter().find(|mapping| {
            mapping["pid"].as_i64() == Some(pid) && hex(&mapping["address"]).ok() == Some(start)
        });
        let mapping = of_child.ok_or_else(|| format!("{pid} has it at {start:x}, but: {data}"))?;
        equal("comm", mapping["comm"].as_str(), Some(crate::child::NAME))?;
    }
    let text = run_to(0, &format!("rmap {} {start:x}", one.pid()))?;
    contains("text", &text, &format!("{start:016x}-{end:016x}"))
}

fn rmap_anon() -> Outcome {
    let child = Child::new("memory")?;
    let (start, _) = child.part("anon");
    let data = json_to(1, &format!("rmap {} {start:x}", child.pid()))?;
    equal("mappings", array(&data["mappings"])?.len(), 0)?;
    let text = run_to(1, &format!("rmap {} {start:x}", child.pid()))?;
    contains("text", &text, "none: no file is mapped here")
}
