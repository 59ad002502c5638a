// SPDX-License-Identifier: GPL-2.0

//! `audit`, on a process that has what should not be.

use crate::{
    check::{check, contains, equal, skip, Outcome, Test},
    child::Child,
    command::{array, hex, json_to, run_to},
    proc::{frames, page_size},
};
use serde_json::Value;
use std::fs;

pub const TESTS: &[Test] = &[
    ("audit_rights", rights),
    ("audit_aliases", aliases),
    ("audit_text", text),
    ("audit_by_number", by_number),
    ("audit_all", all),
];

/// The findings of a kind, as ranges.
fn found(data: &Value, kind: &str) -> Outcome<Vec<(u64, u64)>> {
    let all = array(&data["findings"])?;
    let of_kind = all.iter().filter(|finding| finding["kind"] == kind);
    let range = |finding: &Value| Ok((hex(&finding["start"])?, hex(&finding["end"])?));
    of_kind.map(range).collect()
}

fn rights() -> Outcome {
    let child = Child::new("memory")?;
    let data = json_to(1, &format!("audit {}", child.pid()))?;
    equal("W+X", found(&data, "wx")?, vec![child.part("wx")])?;
    equal(
        "PROT_NONE",
        found(&data, "prot-none")?,
        vec![child.part("none")],
    )?;
    for kind in ["alias", "types", "bad", "dev-mem", "device", "ram", "text"] {
        equal(kind, found(&data, kind)?, vec![])?;
    }
    let text = run_to(1, &format!("audit {}", child.pid()))?;
    contains("why", &text, "wx: writable and executable")
}

/// The frames that are mapped twice are those that pagemap says.
fn aliases() -> Outcome {
    let child = Child::new("changing")?;
    let page = page_size();
    let data = json_to(1, &format!("audit {}", child.pid()))?;
    let (start, end) = child.part("exec");
    let frames = frames(child.pid(), start, end)?;
    let mut wanted: Vec<u64> = frames.into_iter().flatten().collect();
    check(wanted.len() >= 2, || "nothing is executable".into())?;
    wanted.sort_unstable();
    let ranges = found(&data, "alias")?;
    let pages = ranges.iter().flat_map(|&(from, to)| from / page..to / page);
    equal("frames", pages.collect::<Vec<u64>>(), wanted)?;
    for finding in array(&data["findings"])? {
        if finding["kind"] == "alias" {
            equal("mappings", array(&finding["mappings"])?.len(), 2)?;
        }
    }
    Ok(())
}

fn text() -> Outcome {
    let child = Child::new("changing")?;
    let data = json_to(1, &format!("audit {}", child.pid()))?;
    equal(
        "a file that is run",
        found(&data, "text")?,
        vec![child.part("write")],
    )
}

/// Memory that is mapped by number, as a buffer of the device can be.
fn by_number() -> Outcome {
    const SETUP: &str = "/sys/module/mmlens/parameters/setup";
    let Ok(before) = fs::read_to_string(SETUP) else {
        return skip("no parameter");
    };
    fs::write(SETUP, "vmap,pfnmap")?;
    let child = Child::new("device");
    fs::write(SETUP, before.trim_end())?;
    let child = child?;
    let data = json_to(1, &format!("audit {}", child.pid()))?;
    equal("RAM", found(&data, "ram")?, vec![child.part("buffer")])?;
    equal("devices", found(&data, "device")?, vec![])
}

fn all() -> Outcome {
    let (one, two) = (Child::new("memory")?, Child::new("changing")?);
    let data = json_to(1, "audit --all")?;
    let wx = found(&data, "wx")?;
    check(wx.contains(&one.part("wx")), || format!("no W+X: {wx:?}"))?;
    let text = found(&data, "text")?;
    check(text.contains(&two.part("write")), || {
        format!("no text: {text:?}")
    })?;
    let processes = data["processes"].as_u64().unwrap_or(0);
    check(processes >= 2, || format!("{processes} processes"))
}
