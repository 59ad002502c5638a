// SPDX-License-Identifier: GPL-2.0

//! `kernel`.

use crate::{
    check::{check, contains, equal, Outcome, Test},
    command::{array, fails, hex, json, run_to},
};
use std::fs;

pub const TESTS: &[Test] = &[
    ("kernel_layout", layout),
    ("kernel_registers", registers),
    ("kernel_own", own),
    ("kernel_vmalloc", vmalloc),
    ("kernel_tables", tables),
];

const LENS: &str = "/sys/kernel/debug/mmlens/kernel";

fn layout() -> Outcome {
    let text = run_to(0, "kernel")?;
    equal(
        "layout",
        text.as_str(),
        fs::read_to_string(format!("{LENS}/layout"))?.as_str(),
    )?;
    equal("layout by name", run_to(0, "kernel layout")?, text)?;
    let data = json("kernel layout")?;
    check(data["fields"]["address_bits"].is_string(), || {
        data.to_string()
    })
}

fn registers() -> Outcome {
    let text = run_to(0, "kernel registers")?;
    contains("registers", &text, "cpu: ")?;
    let data = json("kernel registers")?;
    check(data["fields"]["cpu"].is_string(), || data.to_string())
}

fn own() -> Outcome {
    let text = run_to(0, "kernel own")?;
    contains("own", &text, "module-text")?;
    contains("own", &text, "w+x: 0 pages")
}

/// Runs `test` with a sysctl, and puts it back.
fn with_sysctl(path: &str, value: &str, test: impl FnOnce() -> Outcome) -> Outcome {
    let before = fs::read_to_string(path)?;
    fs::write(path, value)?;
    let result = test();
    fs::write(path, before)?;
    result
}

fn vmalloc() -> Outcome {
    let data = json("kernel vmalloc")?;
    let areas = array(&data["areas"])?;
    check(areas.len() > 5, || data.to_string())?;
    check(areas.iter().any(|area| area["owner"].is_string()), || {
        data.to_string()
    })?;
    // Root may see addresses of the kernel then.
    with_sysctl("/proc/sys/kernel/kptr_restrict", "1", || {
        let data = json("kernel vmalloc")?;
        for area in array(&data["areas"])? {
            let bytes = hex(&area["end"])?.wrapping_sub(hex(&area["start"])?);
            equal("bytes of an area", area["bytes"].as_u64(), Some(bytes))?;
        }
        let text = run_to(0, "kernel vmalloc")?;
        contains("heading", text.lines().next().unwrap_or_default(), "owner")
    })
}

fn tables() -> Outcome {
    if fs::exists(format!("{LENS}/pagetable"))? {
        return contains("tables", &run_to(0, "kernel tables")?, "# ");
    }
    let line = "the module does not show the tables of the kernel; try: load it with kernel_walk=1";
    fails(6, "kernel tables", line)
}
