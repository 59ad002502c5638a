// SPDX-License-Identifier: GPL-2.0

//! What mmlens has.

use super::{
    buffer,
    Contestant,
    Kind,
    Pass, //
};
use crate::{
    device::{
        self,
        Device,
        Walk as Argument, //
    },
    sys::{
        ensure,
        huge_size,
        ioctl,
        page_size,
        Context,
        Res, //
    },
    target::{
        Layout,
        Target,
        DEBUGFS, //
    },
};
use std::{
    fs::{
        self,
        File, //
    },
    io::{
        ErrorKind,
        Read, //
    },
};

pub fn kinds() -> Vec<Kind> {
    let kind = |name, returns, make| Kind {
        name,
        returns,
        make,
        sees_frames: true,
    };
    vec![
        kind(
            "entries",
            "24 bytes a page: address, raw entry, all flags",
            |t| walk(t, device::FORM_ENTRIES),
        ),
        kind(
            "runs",
            "ranges alike but for their places: first place, all flags",
            |t| walk(t, device::FORM_RUNS),
        ),
        kind(
            "runs=",
            "the same again: the error of the measurement",
            |t| walk(t, device::FORM_RUNS),
        ),
        kind(
            "tables",
            "whole tables of the lowest level, as they are in memory",
            |t| walk(t, device::FORM_TABLES),
        ),
        kind(
            "counts",
            "560 bytes: entries by level, bytes by each flag",
            |t| walk(t, device::FORM_COUNTS),
        ),
        kind("vmas", "72 bytes a VMA", |t| walk(t, device::FORM_VMAS)),
        kind(
            "pagetable",
            "text: runs, all levels, holes; the whole process",
            |t| Ok(Box::new(Text::new(t)?)),
        ),
    ]
}

/// `MMLENS_IOC_WALK`.
struct Walk {
    device: Device,
    argument: Argument,
    buffer: Vec<u64>,
    layout: Layout,
}

fn walk(target: &Target, form: u32) -> Res<Box<dyn Contestant>> {
    let level = match target.layout {
        Layout::Thp => device::PT_PMD,
        _ => device::PT_PTE,
    };
    let required = match form {
        device::FORM_VMAS => 0,
        device::FORM_TABLES => level,
        _ => device::PT_PRESENT,
    };
    let argument = Argument {
        size: size_of::<Argument>() as u32,
        form,
        pid: target.pid(),
        start: target.start,
        end: target.end,
        required,
        ..Argument::default()
    };
    let mut walk = Walk {
        device: Device::open(device::NODE)?,
        argument,
        buffer: buffer(),
        layout: target.layout,
    };
    // Whether this kernel module has it at all.
    walk.pass(false)?;
    Ok(Box::new(walk))
}

impl Contestant for Walk {
    fn pass(&mut self, check: bool) -> Res<Pass> {
        let mut pass = Pass::default();
        let mut found = (0, 0);
        let mut argument = self.argument;
        argument.buffer = self.buffer.as_mut_ptr() as u64;
        loop {
            argument.bytes = (self.buffer.len() * 8) as u64;
            let before = argument.start;
            ioctl(&self.device.0, device::WALK, &mut argument).context("WALK")?;
            pass.calls += 1;
            pass.records += argument.records;
            pass.bytes += argument.bytes;
            if check {
                let words = &self.buffer[..argument.bytes as usize / 8];
                let (present, vmas) = self.look(words)?;
                found = (found.0 + present, found.1 + vmas);
            }
            if argument.start >= argument.end {
                break;
            }
            ensure(argument.start > before, || {
                "WALK does not go on".to_string()
            })?;
        }
        match self.argument.form {
            device::FORM_VMAS => pass.vmas = check.then_some(found.1),
            _ => pass.present = check.then_some(found.0),
        }
        Ok(pass)
    }
}

impl Walk {
    /// Pages and VMAs that the records are of.
    fn look(&self, words: &[u64]) -> Res<(u64, u64)> {
        let page = page_size() as u64;
        Ok(match self.argument.form {
            device::FORM_ENTRIES => {
                let of = |flags: u64| match flags & device::PT_PTE {
                    0 => huge_size() as u64 / page,
                    _ => 1,
                };
                let entries = words.chunks_exact(device::ENTRY_WORDS);
                let present = entries.filter(|e| e[2] & device::PT_PRESENT != 0);
                (present.map(|e| of(e[2])).sum(), 0)
            }
            device::FORM_RUNS => {
                let runs = words.chunks_exact(device::RUN_WORDS);
                let present = runs.filter(|r| r[4] & device::PT_PRESENT != 0);
                (present.map(|r| (r[1] - r[0]) / page).sum(), 0)
            }
            device::FORM_TABLES => (self.look_at_tables(words)?, 0),
            device::FORM_VMAS => {
                let (mut at, mut vmas) = (0, 0);
                while at < words.len() {
                    // Its first half is the size of the record.
                    let size = words[at] as u32 as usize;
                    ensure(size >= 8, || "a VMA of no bytes".to_string())?;
                    at += size / 8;
                    vmas += 1;
                }
                (0, vmas)
            }
            _ => {
                ensure(words.len() >= device::COUNTS_WORDS, || {
                    "no counts".to_string()
                })?;
                (
                    words[device::COUNTS_BYTES_WITH + device::PRESENT_BIT] / page,
                    0,
                )
            }
        })
    }

    /// Counts what is present in tables of the lowest level. In all layouts a table is of the target
    /// alone, or what else it has is not in the range.
    fn look_at_tables(&self, words: &[u64]) -> Res<u64> {
        let (mut at, mut present) = (0, 0);
        let (shift, pages) = match self.layout {
            Layout::Thp => (huge_size() as u64, huge_size() / page_size()),
            _ => (page_size() as u64, 1),
        };
        while at < words.len() {
            let count = (words[at + 2] >> 32) as usize;
            let first = at + device::TABLE_WORDS;
            ensure(first + count <= words.len(), || "half a table".to_string())?;
            let inside = words[first..first + count]
                .iter()
                .enumerate()
                .filter(|(index, _)| {
                    let address = words[at] + *index as u64 * shift;
                    (self.argument.start..self.argument.end).contains(&address)
                });
            present += inside.filter(|(_, &raw)| raw & 1 != 0).count() * pages;
            at = first + count;
        }
        Ok(present as u64)
    }
}

/// The file `pagetable` of debugfs.
struct Text {
    path: String,
    buffer: Vec<u8>,
    start: u64,
    end: u64,
}

impl Text {
    fn new(target: &Target) -> Res<Self> {
        let attach = format!("{DEBUGFS}/attach");
        let attached = fs::write(&attach, target.pid().to_string());
        // Somebody else may have done so.
        if !matches!(&attached, Err(error) if error.kind() == ErrorKind::AlreadyExists) {
            attached.context(&attach)?;
        }
        Ok(Self {
            path: format!("{DEBUGFS}/{}/pagetable", target.pid()),
            buffer: vec![0; 1 << 16],
            start: target.start,
            end: target.end,
        })
    }
}

impl Contestant for Text {
    fn pass(&mut self, check: bool) -> Res<Pass> {
        let mut pass = Pass::default();
        let mut text = Vec::new();
        let mut file = File::open(&self.path).context(&self.path)?;
        loop {
            let got = file.read(&mut self.buffer).context(&self.path)?;
            pass.calls += 1;
            if got == 0 {
                break;
            }
            pass.bytes += got as u64;
            if check {
                text.extend_from_slice(&self.buffer[..got]);
            }
        }
        if check {
            let text = String::from_utf8_lossy(&text);
            let range = self.start..self.end;
            let bytes: u64 = text
                .lines()
                .filter_map(leaf)
                .filter(|(start, _)| range.contains(start))
                .map(|(start, end)| end - start)
                .sum();
            pass.present = Some(bytes / page_size() as u64);
        }
        Ok(pass)
    }
}

/// The range of a line of `pagetable`, if it is about pages.
fn leaf(line: &str) -> Option<(u64, u64)> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    (words.nth(2)? == "leaf").then_some(())?;
    let number = |text| u64::from_str_radix(text, 16).ok();
    Some((number(start)?, number(end)?))
}
