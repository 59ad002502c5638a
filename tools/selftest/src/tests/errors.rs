// SPDX-License-Identifier: GPL-2.0

//! How commands fail: a line, and an exit code.

use crate::{
    check::{check, contains, equal, is_of_the_command_alone, Outcome, Test},
    child::{Child, NAME},
    command::{fails, path, run, run_as_is, run_to},
};
use std::{
    env, fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    process::Command,
};

pub const TESTS: &[Test] = &[
    ("errors_usage", usage),
    ("errors_no_process", no_process),
    ("errors_kernel_thread", kernel_thread),
    ("errors_no_right", no_right),
    ("errors_no_device", no_device),
    ("process_names", names),
    ("process_self", own),
    ("without_debugfs", without_debugfs),
];

/// Commands about one process, with the rest of their words.
const OF_PROCESS: [(&str, &str); 14] = [
    ("show", ""),
    ("maps", ""),
    ("tables", ""),
    ("explain", "1000"),
    ("translate", "1000"),
    ("find", "1000"),
    ("gaps", "1000"),
    ("rmap", "1000"),
    ("scan", ""),
    ("audit", ""),
    ("save", "/dev/null"),
    ("diff", "self"),
    ("watch", "--count 1"),
    ("picture", "-o /dev/null.svg"),
];

fn usage() -> Outcome {
    is_of_the_command_alone()?;
    for words in [
        "",
        "nothing",
        "maps",
        "maps 1 2",
        "maps --wrong 1",
        "explain 1 xyz",
        "explain 1",
        "gaps 1 0",
        "tables 1 --range 2000-1000",
        "tables 1 --levels page",
        "tables 1 --filter (",
        "tables 1 --entries --filter size>=4K",
        "find 1 1000 --until 1000",
        "find 1 1000 --until 2000 --prev",
        "maps 0",
        "maps 99999999999",
        "kernel nothing",
        "completions nothing",
        "--color sometimes maps 1",
    ] {
        let run = run(words)?;
        equal(
            &format!("exit code of mmlens {words} ({})", run.err.trim()),
            run.code,
            2,
        )?;
        equal(&format!("output of mmlens {words}"), run.out.as_str(), "")?;
        let is_line = run.err.starts_with("mmlens: ")
            && run.err.lines().count() == 1
            && run.err.contains("; try: ");
        check(is_line, || format!("mmlens {words}: {:?}", run.err))?;
    }
    Ok(())
}

/// A number that no process has.
fn free_pid() -> u32 {
    (30_000..)
        .find(|pid| !fs::exists(format!("/proc/{pid}")).unwrap_or(true))
        .unwrap_or(0)
}

fn no_process() -> Outcome {
    let pid = free_pid();
    let line = format!("there is no process {pid}, or it is ending; try: ps -e");
    for (command, rest) in OF_PROCESS {
        fails(4, &format!("{command} {pid} {rest}"), &line)?;
    }
    fails(
        4,
        &format!("events {pid} 3"),
        &format!("there is no process {pid}; try: ps -e"),
    )
}

fn kernel_thread() -> Outcome {
    for (command, rest) in OF_PROCESS {
        let run = run(&format!("{command} 2 {rest}"))?;
        equal(
            &format!("exit code of {command} ({})", run.err.trim()),
            run.code,
            4,
        )?;
        contains(command, &run.err, "mmlens: 2")?;
        contains(command, &run.err, "kernel thread")?;
        equal("lines", run.err.lines().count(), 1)?;
    }
    Ok(())
}

fn no_right() -> Outcome {
    let line = "mmlens: no right to open /dev/mmlens; try: sudo mmlens ...\n";
    for words in [["maps", "1"], ["show", "self"], ["kernel", "layout"]] {
        let mut command = Command::new(path());
        let run = run_as_is(command.args(words).uid(65534).gid(65534))?;
        equal("errors", run.err.as_str(), line)?;
        equal("exit code", run.code, 3)?;
    }
    // A node that all may open gives nobody the right to look.
    let node = "/dev/mmlens";
    let before = fs::metadata(node)?.permissions();
    fs::set_permissions(node, fs::Permissions::from_mode(0o666))?;
    let mut command = Command::new(path());
    let result = run_as_is(command.args(["maps", "1"]).uid(65534).gid(65534));
    fs::set_permissions(node, before)?;
    let run = result?;
    contains("errors", &run.err, "CAP_SYS_ADMIN")?;
    equal("exit code", run.code, 3)?;
    equal("lines", run.err.lines().count(), 1)
}

fn no_device() -> Outcome {
    fs::rename("/dev/mmlens", "/dev/mmlens-away")?;
    let line =
        "no /dev/mmlens: is the module loaded?; try: modprobe mmlens, or insmod rust/mmlens.ko";
    let result = fails(5, "maps 1", line).and_then(|()| fails(5, "kernel", line));
    fs::rename("/dev/mmlens-away", "/dev/mmlens")?;
    result?;
    run_to(0, "maps 1").map(drop)
}

fn names() -> Outcome {
    let one = Child::new("memory")?;
    let by_name = run_to(0, &format!("maps {NAME}"))?;
    equal(
        "maps by name",
        by_name,
        run_to(0, &format!("maps {}", one.pid()))?,
    )?;
    let other = Child::new("memory")?;
    let run = run(&format!("maps {NAME}"))?;
    equal("exit code", run.code, 2)?;
    contains("candidates", &run.err, &one.pid().to_string())?;
    contains("candidates", &run.err, &other.pid().to_string())?;
    equal("lines", run.err.lines().count(), 1)?;
    let line = "no process is called \"nobody-has-this\"; try: ps -e";
    fails(4, "maps nobody-has-this", line)
}

fn own() -> Outcome {
    let text = run_to(0, "maps self")?;
    contains("maps of itself", &text, "/mmlens")
}

fn without_debugfs() -> Outcome {
    let child = Child::new("memory")?;
    let pid = child.pid().to_string();
    for words in [
        vec!["show", &pid],
        vec!["tables", &pid],
        vec!["explain", &pid, "1000"],
        vec!["kernel"],
    ] {
        let mut command = Command::new(env::current_exe()?);
        let run = run_as_is(command.arg("without-debugfs").arg(path()).args(&words))?;
        equal("errors", run.err.as_str(), "")?;
        check(run.code <= 1 && !run.out.is_empty(), || {
            format!("{words:?}: {run:?}")
        })?;
    }
    Ok(())
}
