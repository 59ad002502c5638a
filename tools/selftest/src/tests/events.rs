// SPDX-License-Identifier: GPL-2.0

//! `events`.

use crate::{
    check::{check, contains, equal, Outcome, Test},
    child::Child,
    command::{array, fails, has_word, hex, json, json_to, path, run_to},
    proc::page_size,
};
use std::{
    io::{BufRead, BufReader},
    process::{Command, Stdio},
};

pub const TESTS: &[Test] = &[
    ("events_of_a_buffer", of_a_buffer),
    ("events_text", text),
    ("events_follow", follow),
    ("events_of_nothing", of_nothing),
];

fn of_a_buffer() -> Outcome {
    let child = Child::new("device")?;
    let (start, _) = child.part("buffer");
    let data = json(&format!("events {} {}", child.pid(), child.part("fd").0))?;
    equal("lost events", data["dropped"].as_u64(), Some(0))?;
    let events = array(&data["events"])?;
    let of = |op: &str| {
        events
            .iter()
            .filter(|event| event["op"] == op)
            .collect::<Vec<_>>()
    };
    equal("mmap", of("mmap").len(), 1)?;
    let faults = of("fault");
    equal("faults", faults.len(), 2)?;
    for (page, fault) in (0..).zip(&faults) {
        equal("outcome", fault["outcome"].as_str(), Some("done"))?;
        equal(
            "address",
            hex(&fault["address"])?,
            start + page * page_size(),
        )?;
        equal("page", hex(&fault["page_offset"])?, page)?;
        equal("pid", fault["pid"].as_u64(), Some(child.pid().into()))?;
        equal("a write", has_word(&fault["flags"], "write"), page == 1)?;
    }
    equal("page_mkwrite", of("page_mkwrite").len(), 1)?;
    // They are given once.
    let data = json_to(1, &format!("events {}", child.pid()))?;
    equal("more events", array(&data["events"])?.len(), 0)
}

fn text() -> Outcome {
    let child = Child::new("device")?;
    let text = run_to(0, &format!("events {}", child.pid()))?;
    let heading = text.lines().next().unwrap_or_default();
    contains("heading", heading, "outcome")?;
    equal(
        "lines with a fault",
        text.lines().filter(|line| line.contains(" fault ")).count(),
        2,
    )
}

fn follow() -> Outcome {
    let mut child = Child::new("device")?;
    let mut command = Command::new(path())
        .args(["--json", "events", &child.pid().to_string(), "--follow"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut out = BufReader::new(command.stdout.take().ok_or("no pipe")?);
    let mut line = String::new();
    out.read_line(&mut line)?;
    let is_running = command.try_wait()?.is_none();
    child.kill();
    let status = command.wait()?;
    contains("first document", &line, "\"op\":\"fault\"")?;
    check(is_running, || "it did not wait".into())?;
    equal("exit code", status.code(), Some(0))
}

fn of_nothing() -> Outcome {
    let child = Child::new("memory")?;
    let pid = child.pid();
    let line = format!("{pid} has no /dev/mmlens open; try: mmlens show PID");
    fails(6, &format!("events {pid}"), &line)?;
    let line = format!(
        "{pid}: descriptor 0 is no /dev/mmlens; try: mmlens events PID, which lists those that are"
    );
    fails(2, &format!("events {pid} 0"), &line)
}
