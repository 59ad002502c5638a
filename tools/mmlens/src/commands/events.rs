// SPDX-License-Identifier: GPL-2.0

//! `mmlens events`: what was done to the mappings of a buffer.

use crate::{
    context::Context,
    error::{errno, Error, Kind, Outcome, Result},
    output::{
        color::{Painted, ADDRESS, BAD, TITLE},
        json::Hex,
    },
    target::Target,
};
use mmlens_device::{fd_of_process, sys, Device, Event, PATH};
use serde::Serialize;
use std::{fs, thread, time::Duration};

/// Events to take at once.
const ROOM: usize = 1024;
/// How often to look for new ones.
const PERIOD: Duration = Duration::from_millis(100);

/// Takes the events of a buffer of /dev/mmlens: faults and the like on its mappings
///
/// A buffer is reached by a descriptor that a process has open. Each event is given once, to whoever asks
/// first.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// A process that has the buffer open
    pid: String,
    /// Its descriptor; may be left out if there is only one
    fd: Option<i32>,
    /// Goes on with what comes, until the process closes the descriptor
    #[arg(long)]
    follow: bool,
}

#[derive(Serialize)]
struct Data {
    pid: i32,
    fd: i32,
    /// Events that were lost before the first one.
    dropped: u64,
    events: Vec<EventJson>,
}

#[derive(Serialize)]
struct EventJson {
    /// Nanoseconds since boot.
    time: u64,
    op: &'static str,
    outcome: &'static str,
    address: Hex,
    page_offset: Hex,
    /// How long it took.
    ns: u32,
    /// Pages that it mapped.
    pages: u32,
    pid: i32,
    tid: i32,
    flags: Vec<&'static str>,
}

impl From<&Event> for EventJson {
    fn from(event: &Event) -> Self {
        Self {
            time: event.time,
            op: name(&OPS, event.op.into()),
            outcome: name(&OUTCOMES, event.outcome.into()),
            address: Hex(event.address),
            page_offset: Hex(event.pgoff),
            ns: event.ns,
            pages: event.pages,
            pid: event.pid,
            tid: event.tid,
            flags: flags(event),
        }
    }
}

const OPS: [(u32, &str); sys::MMLENS_OP_COUNT as usize] = [
    (sys::MMLENS_OP_MMAP, "mmap"),
    (sys::MMLENS_OP_OPEN, "open"),
    (sys::MMLENS_OP_CLOSE, "close"),
    (sys::MMLENS_OP_MAY_SPLIT, "may_split"),
    (sys::MMLENS_OP_MREMAP, "mremap"),
    (sys::MMLENS_OP_MPROTECT, "mprotect"),
    (sys::MMLENS_OP_FAULT, "fault"),
    (sys::MMLENS_OP_HUGE_FAULT, "huge_fault"),
    (sys::MMLENS_OP_MAP_PAGES, "map_pages"),
    (sys::MMLENS_OP_PAGE_MKWRITE, "page_mkwrite"),
    (sys::MMLENS_OP_PFN_MKWRITE, "pfn_mkwrite"),
    (sys::MMLENS_OP_ACCESS, "access"),
    (sys::MMLENS_OP_READ, "read"),
    (sys::MMLENS_OP_WRITE, "write"),
];

const OUTCOMES: [(u32, &str); 6] = [
    (sys::MMLENS_OUTCOME_DONE, "done"),
    (sys::MMLENS_OUTCOME_KILLED, "killed"),
    (sys::MMLENS_OUTCOME_FALLBACK, "fallback"),
    (sys::MMLENS_OUTCOME_SIGBUS, "sigbus"),
    (sys::MMLENS_OUTCOME_OOM, "oom"),
    (sys::MMLENS_OUTCOME_ERROR, "error"),
];

const FLAGS: [(u32, &str); 6] = [
    (sys::MMLENS_EVENT_WRITE, "write"),
    (sys::MMLENS_EVENT_REMOTE, "remote"),
    (sys::MMLENS_EVENT_USER, "user"),
    (sys::MMLENS_EVENT_VMA_LOCK, "vma-lock"),
    (sys::MMLENS_EVENT_INSN, "insn"),
    (sys::MMLENS_EVENT_PUD, "pud"),
];

fn name(names: &[(u32, &'static str)], number: u32) -> &'static str {
    let known = names.iter().find(|&&(n, _)| n == number);
    known.map_or("unknown", |&(_, name)| name)
}

fn flags(event: &Event) -> Vec<&'static str> {
    let set = FLAGS.iter().filter(|(flag, _)| event.flags & flag != 0);
    set.map(|&(_, name)| name).collect()
}

impl Args {
    pub fn run(&self, context: &mut Context) -> Result<Outcome> {
        let target = Target::find(&self.pid)?;
        let fd = self.fd.map_or_else(|| only_fd(&target), Ok)?;
        if !fds(&target)?.contains(&fd) {
            let what = format!("{}: descriptor {fd} is no {PATH}", target.pid);
            return Err(Error::usage(what).hint("mmlens events PID, which lists those that are"));
        }
        let copy =
            fd_of_process(target.pid, fd).map_err(|error| Error::of_process(error, target.pid))?;
        let buffer = Device::from(copy);
        let mut has_any = false;
        loop {
            let (events, dropped) = buffer.buffer().events(ROOM).map_err(Error::of_ioctl)?;
            let is_heading = !has_any && !context.json && !events.is_empty();
            has_any |= !events.is_empty();
            if is_heading {
                context.out.line(Painted(
                    TITLE,
                    "time           ns       pid     tid     op           outcome  address          pgoff    pages flags",
                ))?;
            }
            // A document for each look, if it is one of many.
            if context.json && (!self.follow || !events.is_empty()) {
                let data = Data {
                    pid: target.pid,
                    fd,
                    dropped,
                    events: events.iter().map(EventJson::from).collect(),
                };
                context.print_json("events", &data)?;
            } else if !context.json {
                print(context, &events, dropped)?;
            }
            let is_all = events.len() < ROOM;
            if is_all && !self.follow {
                break;
            }
            context.out.flush()?;
            if is_all {
                // Our own copy keeps the buffer, not the process.
                if !fds(&target).unwrap_or_default().contains(&fd) {
                    break;
                }
                thread::sleep(PERIOD);
            }
        }
        Ok(if has_any {
            Outcome::Done
        } else {
            Outcome::Found
        })
    }
}

fn print(context: &mut Context, events: &[Event], dropped: u64) -> Result<()> {
    if dropped > 0 {
        let line = format!("# {dropped} events were lost here: there was no room for them");
        context.out.line(Painted(BAD, line))?;
    }
    for event in events {
        context.out.line(format_args!(
            "{:>6}.{:06} {:>8} {:<7} {:<7} {:<12} {:<8} {} {:<8x} {:<5} {}",
            event.time / 1_000_000_000,
            event.time / 1_000 % 1_000_000,
            event.ns,
            event.pid,
            event.tid,
            name(&OPS, event.op.into()),
            name(&OUTCOMES, event.outcome.into()),
            Painted(ADDRESS, format_args!("{:016x}", event.address)),
            event.pgoff,
            event.pages,
            flags(event).join(",")
        ))?;
    }
    Ok(())
}

/// The descriptors of a process that are buffers.
fn fds(target: &Target) -> Result<Vec<i32>> {
    let folder = fs::read_dir(format!("/proc/{}/fd", target.pid)).map_err(|error| {
        match error.raw_os_error() {
            Some(errno::ENOENT | errno::ESRCH) => Error::new(
                Kind::Process,
                format_args!("there is no process {}", target.pid),
            )
            .hint("ps -e"),
            _ => Error::of_process(error, target.pid),
        }
    })?;
    let is_buffer = |entry: &fs::DirEntry| {
        fs::read_link(entry.path()).is_ok_and(|link| link.as_os_str() == PATH)
    };
    let buffers = folder.flatten().filter(is_buffer);
    let mut fds: Vec<i32> = buffers
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .collect();
    fds.sort_unstable();
    Ok(fds)
}

fn only_fd(target: &Target) -> Result<i32> {
    match fds(target)?.as_slice() {
        [] => Err(
            Error::other(format_args!("{} has no {PATH} open", target.pid)).hint("mmlens show PID"),
        ),
        [one] => Ok(*one),
        several => {
            let list: Vec<String> = several.iter().map(i32::to_string).collect();
            let what = format!(
                "{} has several buffers open: {}",
                target.pid,
                list.join(" ")
            );
            Err(Error::usage(what).hint("one of these numbers after the pid"))
        }
    }
}
