// SPDX-License-Identifier: GPL-2.0

//! The fault contest: the same loop over memory of several kinds; and what it costs to learn which
//! pages were written.

use crate::{
    device::{
        self,
        Setup, //
    },
    knob::Knob,
    memory::{
        Backing,
        Memory,
        Tracker, //
    },
    sample::Sample,
    sys::{
        ensure,
        faults,
        huge_size,
        now,
        page_size,
        Res, //
    },
};

/// What the loops go over.
const BYTES: usize = 32 << 20;
const SMALL: usize = 2 << 20;
/// Where each loop is the same as the one before, or time is short.
const SHORT: usize = 8 << 20;
/// Pages that come with one that is read.
const AROUND: usize = 16;
const FAULT_AROUND: &str = "/sys/kernel/debug/fault_around_bytes";
const SHMEM_HUGE: &str = "/sys/kernel/mm/transparent_hugepage/shmem_enabled";

/// How long, and with whom.
pub struct Plan<'a> {
    pub rounds: usize,
    pub is_small: bool,
    pub is_short: bool,
    pub is_wanted: &'a dyn Fn(&str) -> bool,
}

impl Plan<'_> {
    fn bytes(&self) -> usize {
        match (self.is_small, self.is_short) {
            (true, _) => SMALL,
            (_, true) => SHORT,
            _ => BYTES,
        }
    }
}

/// A loop.
struct Case {
    name: &'static str,
    is_write: bool,
    is_huge: bool,
    /// Pages that one fault maps.
    pages: usize,
    /// Of the device: how it is set up, for both languages.
    setup: Setup,
}

const NONE: Setup = Setup {
    size: 0,
    backing: device::BACKING_VMALLOC,
    strategy: device::STRATEGY_LAZY,
    page_kind: 0,
    cache: 0,
    flags: 0,
    around: 0,
    region: 0,
    bytes: 0,
    events: 0,
    reserved: 0,
};

fn cases() -> Vec<Case> {
    let case = |name, is_write, pages, setup| Case {
        name,
        is_write,
        is_huge: false,
        pages,
        setup,
    };
    let around = Setup {
        strategy: device::STRATEGY_AROUND,
        around: AROUND as u32,
        ..NONE
    };
    let huge = Setup {
        backing: device::BACKING_CONTIG,
        strategy: device::STRATEGY_HUGE,
        ..NONE
    };
    vec![
        case("read", false, 1, NONE),
        case("write", true, 1, NONE),
        case("around", false, AROUND, around),
        Case {
            is_huge: true,
            ..case("huge", true, huge_size() / page_size(), huge)
        },
    ]
}

/// Somebody who takes part.
struct Runner {
    name: &'static str,
    memory: Memory,
    done: u64,
}

/// With the flag by which the one in C leaves its accounting out.
fn bare(setup: Setup) -> Setup {
    Setup {
        flags: setup.flags | device::SETUP_BARE,
        ..setup
    }
}

fn runners(case: &Case, plan: &Plan<'_>) -> Vec<Runner> {
    let mut found = Vec::new();
    let mut add = |name: &'static str, make: &dyn Fn() -> Res<Memory>| {
        if !(plan.is_wanted)(name) {
            return;
        }
        let runner = make().and_then(|mut memory| {
            memory.unmap();
            let mut runner = Runner {
                name,
                memory,
                done: 0,
            };
            // The kernel need not have huge pages for everybody. Ours have to be right.
            if case.is_huge && !matches!(runner.memory.backing, Backing::Device(_)) {
                runner.sample(case, 0)?;
            }
            Ok(runner)
        });
        match runner {
            Ok(runner) => found.push(runner),
            Err(failure) => eprintln!("bench: {}: without {name}: {failure}", case.name),
        }
    };
    let bytes = match case.is_huge {
        true => (2 * plan.bytes()).max(4 * huge_size()),
        false => plan.bytes(),
    };
    add("rust", &|| Memory::device(device::NODE, bytes, case.setup));
    add("rust=", &|| Memory::device(device::NODE, bytes, case.setup));
    add("c", &|| {
        Memory::device(device::PEER_NODE, bytes, case.setup)
    });
    add("c-bare", &|| {
        Memory::device(device::PEER_NODE, bytes, bare(case.setup))
    });
    if case.name == "read" {
        // Its pages are in a list, and need not be looked for in the kernel's tables.
        let listed = Setup {
            backing: device::BACKING_VMAP,
            ..case.setup
        };
        add("rust-vmap", &|| Memory::device(device::NODE, bytes, listed));
    }
    if case.pages == AROUND {
        let frames = Setup {
            page_kind: device::PAGE_KIND_PFNMAP,
            ..case.setup
        };
        add("rust-frames", &|| {
            Memory::device(device::NODE, bytes, frames)
        });
    }
    add("memfd", &|| Memory::memfd(bytes, case.is_huge));
    if case.pages != AROUND {
        add("anon", &|| Ok(Memory::anonymous(bytes, case.is_huge)));
    }
    found
}

impl Runner {
    fn sample(&mut self, case: &Case, round: usize) -> Res<()> {
        let stride = match case.is_huge {
            true => huge_size(),
            false => page_size(),
        };
        let bytes = self.memory.bytes;
        let expected = (bytes / page_size() / case.pages) as u64;
        let mapping = self.memory.map()?;
        let before = faults();
        let start = now();
        match case.is_write {
            true => mapping.write(stride),
            false => {
                mapping.read(stride);
            }
        }
        let ns = now() - start;
        let found = faults() - before;
        self.memory.unmap();
        // A page of this program may be touched for the first time; and where nothing is mapped yet
        // in a table, the neighbours of a frame are not mapped along.
        let tables = (bytes / huge_size()) as u64;
        let is_right = found.abs_diff(expected) <= 2 + expected / 50 + tables;
        ensure(is_right, || {
            format!(
                "{} {}: {found} faults, and not {expected}",
                case.name, self.name
            )
        })?;
        self.check(case, expected)?;
        if is_warm_up(round) {
            return Ok(());
        }
        Sample {
            contest: "faults",
            case: case.name,
            bytes: bytes as u64,
            units: expected,
            unit: "fault",
            contestant: self.name,
            round,
            reps: 1,
            ns,
            calls: 0,
            records: 0,
            out_bytes: 0,
            checked: &format!("{expected} faults"),
        }
        .print();
        Ok(())
    }

    /// A device says itself how many faults it had.
    fn check(&mut self, case: &Case, expected: u64) -> Res<()> {
        let Backing::Device(device) = &self.memory.backing else {
            return Ok(());
        };
        if matches!(self.name, "c-bare" | "rust-frames") {
            return Ok(());
        }
        let op = match case.is_huge {
            true => device::OP_HUGE_FAULT,
            false => device::OP_FAULT,
        };
        let done = device.done(op)?;
        let found = done - self.done;
        self.done = done;
        ensure(found == expected, || {
            format!(
                "{} {}: {found} counted, and not {expected}",
                case.name, self.name
            )
        })
    }
}

/// What runs for the first time has to be translated, if the machine is emulated.
fn is_warm_up(round: usize) -> bool {
    round == 0
}

/// All loops.
pub fn run(plan: &Plan<'_>) -> Res<()> {
    let _huge = Knob::set(SHMEM_HUGE, "advise")
        .map_err(|f| eprintln!("bench: {f}"))
        .ok();
    for case in cases() {
        eprintln!("bench: faults: {}", case.name);
        // What a memfd maps along with one page.
        let around = match case.pages {
            AROUND => AROUND * page_size(),
            _ => page_size(),
        };
        let _around = Knob::set(FAULT_AROUND, &around.to_string())?;
        let mut runners = runners(&case, plan);
        for round in 0..=plan.rounds {
            let mut order: Vec<_> = runners.iter_mut().collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for runner in order {
                runner.sample(&case, round)?;
            }
        }
    }
    tracked(plan)
}

/// One page of so many is written.
const PARTS: [(&str, usize); 4] = [("all", 1), ("10%", 10), ("1%", 100), ("0.1%", 1000)];

fn tracked(plan: &Plan<'_>) -> Res<()> {
    let setup = Setup {
        flags: device::SETUP_TRACK,
        ..NONE
    };
    let bytes = plan.bytes();
    let mut trackers = Vec::new();
    let mut add = |name: &'static str, make: &dyn Fn() -> Res<Tracker>| {
        if !(plan.is_wanted)(name) {
            return;
        }
        match make() {
            Ok(tracker) => trackers.push((name, tracker)),
            Err(failure) => eprintln!("bench: harvest: without {name}: {failure}"),
        }
    };
    add("rust", &|| Tracker::device(device::NODE, bytes, setup));
    add("rust=", &|| Tracker::device(device::NODE, bytes, setup));
    add("c", &|| Tracker::device(device::PEER_NODE, bytes, setup));
    add("c-bare", &|| {
        Tracker::device(device::PEER_NODE, bytes, bare(setup))
    });
    add("uffd-memfd", &|| Tracker::scan(bytes, true));
    add("uffd-anon", &|| Tracker::scan(bytes, false));
    for (_, tracker) in &mut trackers {
        // All are mapped, and clean.
        tracker.mapping().write(page_size());
        tracker.harvest()?;
    }
    for (part, one_in) in PARTS {
        eprintln!("bench: harvest: {part}");
        for round in 0..=plan.rounds {
            let mut order: Vec<_> = trackers.iter_mut().collect();
            if round % 2 == 1 {
                order.reverse();
            }
            for (name, tracker) in order {
                harvest(name, tracker, part, one_in, round)?;
            }
        }
    }
    Ok(())
}

/// Writes, and learns what was written: two samples.
fn harvest(name: &str, tracker: &mut Tracker, part: &str, one_in: usize, round: usize) -> Res<()> {
    let bytes = tracker.mapping().bytes();
    let stride = one_in * page_size();
    let expected = bytes.div_ceil(stride) as u64;
    let before = faults();
    let start = now();
    tracker.mapping().write(stride);
    let writing = now() - start;
    let found = faults() - before;
    // How many a userfaultfd takes is the kernel's business, if there are enough.
    let more = if name.starts_with("uffd") {
        found.saturating_sub(expected)
    } else {
        0
    };
    ensure(
        (found - more).abs_diff(expected) <= 2 + expected / 50,
        || format!("mkwrite {name}: {found} faults, and not {expected}"),
    )?;
    let start = now();
    let dirty = tracker.harvest()?;
    let harvesting = now() - start;
    ensure(dirty == expected, || {
        format!("harvest {part} {name}: {dirty} pages, and not {expected}")
    })?;
    if is_warm_up(round) {
        return Ok(());
    }
    let sample = Sample {
        contest: "harvest",
        case: part,
        bytes: bytes as u64,
        units: expected,
        unit: "dirty page",
        contestant: name,
        round,
        reps: 1,
        ns: harvesting,
        calls: 1,
        records: expected,
        out_bytes: 0,
        checked: &format!("{dirty} pages"),
    };
    sample.print();
    if one_in == 1 {
        Sample {
            contest: "faults",
            case: "mkwrite",
            unit: "fault",
            ns: writing,
            calls: 0,
            records: 0,
            checked: &format!("{expected} faults"),
            ..sample
        }
        .print();
    }
    Ok(())
}
