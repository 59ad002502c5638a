// SPDX-License-Identifier: GPL-2.0

//! What all commands have in common: JSON, colors, pipes; and what is generated.

use crate::{
    check::{check, contains, equal, is_of_the_command_alone, Outcome, Test},
    child::Child,
    command::{json, path, run_as_is, run_to},
};
use serde_json::Value;
use std::{
    fs,
    io::Read,
    process::{Command, Stdio},
};

pub const TESTS: &[Test] = &[
    ("json_machine", json_machine),
    ("colors", colors),
    ("pipes", pipes),
    ("help", help),
    ("completions", completions),
    ("man", man),
];

fn json_machine() -> Outcome {
    let child = Child::new("memory")?;
    let (address, _) = child.part("anon");
    let pid = child.pid();
    for words in [
        format!("show {pid}"),
        format!("maps {pid}"),
        format!("tables {pid}"),
        format!("tables {pid} --entries"),
        format!("explain {pid} {address:x}"),
        format!("translate {pid} {address:x}"),
        format!("find {pid} {address:x}"),
        format!("gaps {pid} 4096"),
        "kernel layout".into(),
    ] {
        let text = run_to(0, &format!("{words} --json"))?;
        equal("lines", text.lines().count(), 1)?;
        let document: Value = serde_json::from_str(&text).map_err(|error| error.to_string())?;
        let members: Vec<&str> = document
            .as_object()
            .into_iter()
            .flatten()
            .map(|(name, _)| name.as_str())
            .collect();
        equal(
            "members",
            members,
            vec!["command", "data", "machine", "schema"],
        )?;
        equal("schema", document["schema"].as_u64(), Some(1))?;
        let arch = if cfg!(target_arch = "x86_64") {
            "x86_64"
        } else {
            "arm64"
        };
        equal("machine", document["machine"]["arch"].as_str(), Some(arch))?;
        let shift = document["machine"]["shift"][0].as_u64();
        equal(
            "page size",
            shift,
            Some(crate::proc::page_size().trailing_zeros().into()),
        )?;
        if !words.starts_with("kernel") {
            equal("pid", document["data"]["pid"].as_u64(), Some(pid.into()))?;
            equal(
                "comm",
                document["data"]["comm"].as_str(),
                Some(crate::child::NAME),
            )?;
        }
    }
    Ok(())
}

fn colors() -> Outcome {
    let child = Child::new("memory")?;
    let plain = run_to(0, &format!("maps {}", child.pid()))?;
    check(!plain.contains('\x1b'), || {
        "colors without a terminal".into()
    })?;
    let never = run_to(0, &format!("--color never maps {}", child.pid()))?;
    equal("--color never", never, plain.clone())?;
    let always = run_to(0, &format!("--color always maps {}", child.pid()))?;
    check(always.contains("\x1b["), || {
        "no colors with --color always".into()
    })?;
    // Nothing but the colors differs.
    let mut stripped = String::new();
    let mut rest = always.as_str();
    while let Some((before, after)) = rest.split_once('\x1b') {
        stripped += before;
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    stripped += rest;
    let lines = |text: &str| {
        text.lines()
            .map(|line| line.trim_end().to_string())
            .collect::<Vec<_>>()
    };
    equal("without the colors", lines(&stripped), lines(&plain))?;
    let mut command = Command::new(path());
    let command = command
        .args(["maps", &child.pid().to_string()])
        .env("NO_COLOR", "1");
    check(!run_as_is(command)?.out.contains('\x1b'), || {
        "colors with NO_COLOR".into()
    })
}

/// Whoever reads may go away.
fn pipes() -> Outcome {
    let child = Child::new("memory")?;
    for words in ["maps", "tables", "show"] {
        let mut command = Command::new(path())
            .args([words, &child.pid().to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        drop(command.stdout.take());
        let status = command.wait()?;
        let mut errors = String::new();
        command
            .stderr
            .take()
            .ok_or("no pipe")?
            .read_to_string(&mut errors)?;
        equal("errors", errors.as_str(), "")?;
        equal("exit code", status.code(), Some(0))?;
    }
    Ok(())
}

fn help() -> Outcome {
    is_of_the_command_alone()?;
    let text = run_to(0, "--help")?;
    for command in [
        "show",
        "maps",
        "tables",
        "explain",
        "kernel",
        "events",
        "completions",
    ] {
        contains("help", &text, command)?;
    }
    contains("help", &text, "Exit status")?;
    contains(
        "help of a command",
        &run_to(0, "tables --help")?,
        "--levels",
    )?;
    contains("version", &run_to(0, "--version")?, "mmlens ")
}

fn completions() -> Outcome {
    is_of_the_command_alone()?;
    for shell in ["bash", "zsh", "fish"] {
        let text = run_to(0, &format!("completions {shell}"))?;
        contains(shell, &text, "explain")?;
        let data = json(&format!("completions {shell}"))?;
        equal(
            "script in JSON",
            data["script"].as_str(),
            Some(text.as_str()),
        )?;
    }
    Ok(())
}

fn man() -> Outcome {
    is_of_the_command_alone()?;
    let folder = std::env::temp_dir().join("mmlens-man");
    fs::create_dir_all(&folder)?;
    let text = run_to(0, &format!("man {}", folder.display()))?;
    let mut pages = 0;
    for file in text.lines() {
        let page = fs::read_to_string(file)?;
        check(page.contains(".TH mmlens"), || {
            format!("{file} is no manual page")
        })?;
        pages += 1;
    }
    check(pages > 10, || text.clone())?;
    contains("pages", &text, "mmlens.1")?;
    fs::remove_dir_all(&folder)?;
    let (code, line) = (
        6,
        "No such file or directory; try: a folder that is there and can be written to",
    );
    let file = folder.join("mmlens-show.1");
    crate::command::fails(
        code,
        &format!("man {}", folder.display()),
        &format!("{}: {line}", file.display()),
    )
}
