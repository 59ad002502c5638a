// SPDX-License-Identifier: GPL-2.0

//! `save`, `diff`, `picture` and `watch`.

use crate::{
    changing::change,
    check::{check, contains, equal, Outcome, Test},
    child::Child,
    command::{array, hex, json, json_to, path, run, run_to},
    proc::{frames, page_size, smaps_sum},
};
use serde_json::Value;
use std::{
    env, fs,
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

pub const TESTS: &[Test] = &[
    ("save_and_diff", save_and_diff),
    ("save_frames_as_in_pagemap", save_frames),
    ("diff_of_the_same", same),
    ("diff_hostile", hostile),
    ("picture_svg", picture),
    ("watch_changes", watch),
    ("watch_until_the_end", until_the_end),
];

/// A file that is removed in the end.
struct Temporary(PathBuf);

impl Temporary {
    fn new(name: &str) -> Self {
        Self(env::temp_dir().join(format!("mmlens-{}-{name}", std::process::id())))
    }
}

impl AsRef<Path> for Temporary {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

impl std::fmt::Display for Temporary {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.display().fmt(f)
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        // It may not have been written.
        let _ = fs::remove_file(&self.0);
    }
}

fn save_and_diff() -> Outcome {
    let child = Child::new("changing")?;
    let file = Temporary::new("before");
    run_to(0, &format!("save {} {file}", child.pid()))?;
    let mode = fs::metadata(&file)?.permissions().mode() & 0o777;
    equal("the mode of the file", mode, 0o600)?;
    change(&child)?;
    let data = json_to(1, &format!("diff {file} {}", child.pid()))?;
    let (start, _) = child.part("changing");
    let pages = |value: &Value| {
        Ok::<u64, crate::check::Fail>((hex(value)?.wrapping_sub(start)) / page_size())
    };

    let mut vmas = Vec::new();
    for change in array(&data["vmas"])? {
        let kind = change["kind"].as_str().unwrap_or("");
        vmas.push((kind, pages(&change["start"])?, pages(&change["end"])?));
    }
    // One with guards in it may have a flag that says so.
    vmas.retain(|vma| *vma != ("changed", 2, 14));
    equal("VMAs", vmas, vec![("changed", 0, 2), ("shrunk", 14, 16)])?;

    let mut ranges = Vec::new();
    for range in array(&data["ranges"])? {
        let (from, to) = (pages(&range["start"])?, pages(&range["end"])?);
        // Its stack and libc have changed, too.
        if from < 16 {
            let kinds: Vec<&str> = array(&range["kinds"])?
                .iter()
                .filter_map(Value::as_str)
                .collect();
            ranges.push((from, to, kinds.join(" ")));
        }
    }
    let wanted = [
        (0, 2, "rights"),
        (2, 4, "gone"),
        // A page that is not there any more, but a note.
        (4, 6, "other"),
        (12, 14, "appeared"),
    ];
    let wanted = wanted.map(|(from, to, kinds)| (from, to, kinds.to_string()));
    equal("ranges", ranges, wanted.to_vec())?;
    let text = run_to(1, &format!("diff {file} {}", child.pid()))?;
    contains("rights", &text, "rw-->r--")?;
    contains("the sums", &text, "total rights:")
}

/// Each page that pagemap knows is in the file with its frame.
fn save_frames() -> Outcome {
    let child = Child::new("memory")?;
    let pid = child.pid();
    let file = Temporary::new("frames");
    run_to(0, &format!("save {pid} {file}"))?;
    let text = fs::read_to_string(&file)?;
    let mut runs = Vec::new();
    for line in text.lines() {
        let line: Value = serde_json::from_str(line).map_err(|error| error.to_string())?;
        if line["run"].is_object() {
            runs.push(line["run"].clone());
        }
    }
    let page = page_size();
    let mut mapped = 0;
    for run in &runs {
        let (start, end) = (hex(&run["start"])?, hex(&run["end"])?);
        let words: Vec<&str> = run["facts"].as_str().unwrap_or("").split(' ').collect();
        if !words.contains(&"present") {
            continue;
        }
        if !words.contains(&"special") && !words.contains(&"page-kernel") {
            mapped += end - start;
        }
        if !words.contains(&"pte") || words.contains(&"special") {
            continue;
        }
        for (n, frame) in frames(pid, start, end)?.iter().enumerate() {
            let place = match run["from"].as_u64() {
                Some(first) => Some(first + n as u64),
                None => run["each"][n].as_u64(),
            };
            let what = format!("page at {:#x}", start + n as u64 * page);
            equal(&what, place, *frame)?;
        }
    }
    // The vdso counts for neither, the page of zeros is special.
    let rss = smaps_sum(pid, "Rss")?;
    check(mapped.abs_diff(rss) <= 4 * page, || {
        format!("{mapped} bytes mapped, and Rss is {rss}")
    })
}

fn same() -> Outcome {
    let child = Child::new("memory")?;
    let file = Temporary::new("same");
    run_to(0, &format!("save {} {file}", child.pid()))?;
    let data = json(&format!("diff {file} {}", child.pid()))?;
    equal("VMAs", array(&data["vmas"])?.len(), 0)?;
    equal("ranges", array(&data["ranges"])?.len(), 0)?;
    run_to(0, &format!("diff {file} {file}")).map(drop)
}

fn hostile() -> Outcome {
    let child = Child::new("memory")?;
    let file = Temporary::new("hostile");
    run_to(0, &format!("save {} {file}", child.pid()))?;
    let good = fs::read(&file)?;
    for bytes in [&good[..good.len() / 2], b"\x7fELF", b""] {
        fs::write(&file, bytes)?;
        for words in [
            format!("diff {file} {file}"),
            format!("picture {file} -o /dev/null.svg"),
        ] {
            let run = run(&words)?;
            equal(&format!("{words}: {}", run.err), run.code, 6)?;
            equal("lines", run.err.lines().count(), 1)?;
        }
    }
    Ok(())
}

fn picture() -> Outcome {
    let child = Child::new("memory")?;
    let (file, svg) = (Temporary::new("picture"), Temporary::new("picture.svg"));
    run_to(0, &format!("save {} {file}", child.pid()))?;
    for what in [file.to_string(), child.pid().to_string()] {
        run_to(0, &format!("picture {what} -o {svg}"))?;
        let text = fs::read_to_string(&svg)?;
        check(text.starts_with("<svg "), || "no SVG".into())?;
        contains(
            "the title",
            &text,
            &format!("pid {} lens-child", child.pid()),
        )?;
        for part in [
            "class=\"guard\"",
            "class=\"anon\"",
            "class=\"used\"",
            "\nrwxp\n",
            "\n[stack]\n",
        ] {
            contains("the picture", &text, part)?;
        }
    }
    let run = run(&format!("picture {file} -o {file}.jpeg"))?;
    equal("another kind of file", run.code, 2)
}

fn watch() -> Outcome {
    let child = Child::new("memory")?;
    let text = run_to(
        0,
        &format!("watch {} --interval 0.1 --count 2", child.pid()),
    )?;
    for part in [
        "lens-child, look 1",
        "lens-child, look 2",
        "minor faults",
        "dirty",
    ] {
        contains("what is shown", &text, part)?;
    }
    check(!text.contains('\x1b'), || "sequences for a terminal".into())?;
    // It is stopped, so that nothing changes.
    check(!text.contains("since the last look"), || {
        format!("it has changed: {text}")
    })
}

/// A process that ends while it is watched: that is no error, and no line among documents.
fn until_the_end() -> Outcome {
    for is_json in [false, true] {
        let mut child = Child::new("memory")?;
        let pid = child.pid().to_string();
        let mut watch = Command::new(path())
            .args(["watch", &pid, "--interval", "0.1", "--count", "600"])
            .args(is_json.then_some("--json"))
            .stdout(Stdio::piped())
            .spawn()?;
        let mut out = BufReader::new(watch.stdout.take().ok_or("no pipe")?);
        let mut first = String::new();
        out.read_line(&mut first)?;
        child.kill();
        let rest = out.lines().collect::<Result<Vec<String>, _>>()?;
        equal("exit code", watch.wait()?.code(), Some(0))?;
        if is_json {
            for line in std::iter::once(&first).chain(&rest) {
                let document: Value = serde_json::from_str(line)
                    .map_err(|error| format!("watch --json: {error}: {line}"))?;
                equal("command", document["command"].as_str(), Some("watch"))?;
            }
            check(rest.len() < 599, || "it goes on without the process".into())?;
        } else {
            let last = format!("pid {pid} has ended");
            equal("the last line", rest.last(), Some(&last))?;
        }
    }
    Ok(())
}
