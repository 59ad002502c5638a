// SPDX-License-Identifier: GPL-2.0

//! What the kernel has.

use super::{
    Contestant,
    Kind,
    Pass,
    BUFFER, //
};
use crate::{
    sys::{
        ensure,
        ioctl,
        page_size,
        Context,
        Res, //
    },
    target::{
        kib_of,
        start_of_vma,
        Smaps,
        Target, //
    },
    uapi::{
        PageRegion,
        PmScanArg,
        ProcmapQuery,
        PAGEMAP_SCAN,
        PAGE_IS_ALL,
        PAGE_IS_PRESENT,
        PM_PRESENT,
        PROCMAP_QUERY,
        PROCMAP_QUERY_COVERING_OR_NEXT_VMA, //
    },
};
use std::{
    fs::File,
    io::{
        Read,
        Seek, //
    },
    ops::Range,
    os::unix::fs::FileExt,
};

pub fn kinds() -> Vec<Kind> {
    let kind = |name, returns, make| Kind {
        name,
        returns,
        make,
        sees_frames: false,
    };
    vec![
        kind(
            "pagemap",
            "8 bytes a page, holes too: frame, 5 flags",
            |t| Ok(Box::new(Pagemap::new(t)?)),
        ),
        kind(
            "scan",
            "PAGEMAP_SCAN: present pages as ranges, 8 categories",
            |t| Ok(Box::new(Scan::new(t, false)?)),
        ),
        kind(
            "scan=",
            "the same again: the error of the measurement",
            |t| Ok(Box::new(Scan::new(t, false)?)),
        ),
        kind(
            "scan-count",
            "PAGEMAP_SCAN without a buffer: visits, tells nothing",
            |t| Ok(Box::new(Scan::new(t, true)?)),
        ),
        kind(
            "smaps",
            "text: each VMA with 20 sums; the whole process",
            |t| Ok(Box::new(Text::new(t, "smaps")?)),
        ),
        kind(
            "smaps_rollup",
            "text: the sums of smaps for the whole process",
            |t| Ok(Box::new(Text::new(t, "smaps_rollup")?)),
        ),
        kind(
            "maps",
            "text: a line for each VMA; the whole process",
            |t| Ok(Box::new(Text::new(t, "maps")?)),
        ),
        kind(
            "procmap-query",
            "PROCMAP_QUERY: a VMA for each ioctl",
            |t| Ok(Box::new(Query::new(t)?)),
        ),
    ]
}

/// Reads of `/proc/PID/pagemap`.
struct Pagemap {
    file: File,
    start: u64,
    end: u64,
    buffer: Vec<u8>,
}

impl Pagemap {
    fn new(target: &Target) -> Res<Self> {
        let name = target.proc("pagemap");
        Ok(Self {
            file: File::open(&name).context(&name)?,
            start: target.start / page_size() as u64 * 8,
            end: target.end / page_size() as u64 * 8,
            buffer: vec![0; BUFFER],
        })
    }
}

impl Contestant for Pagemap {
    fn pass(&mut self, check: bool) -> Res<Pass> {
        let mut pass = Pass::default();
        let mut present = 0;
        let mut at = self.start;
        while at < self.end {
            let room = BUFFER.min((self.end - at) as usize);
            let got = self
                .file
                .read_at(&mut self.buffer[..room], at)
                .context("pagemap")?;
            ensure(got > 0, || "pagemap ends early".to_string())?;
            if check {
                let entries = self.buffer[..got].chunks_exact(8);
                present += entries
                    .map(|e| u64::from_ne_bytes(e.try_into().unwrap_or_default()))
                    .filter(|e| e & PM_PRESENT != 0)
                    .count() as u64;
            }
            at += got as u64;
            pass.calls += 1;
            pass.bytes += got as u64;
        }
        pass.records = pass.bytes / 8;
        pass.present = check.then_some(present);
        Ok(pass)
    }
}

/// The ioctl of `/proc/PID/pagemap`.
struct Scan {
    file: File,
    start: u64,
    end: u64,
    regions: Vec<PageRegion>,
}

impl Scan {
    fn new(target: &Target, is_counting: bool) -> Res<Self> {
        let name = target.proc("pagemap");
        let room = match is_counting {
            true => 0,
            false => BUFFER / size_of::<PageRegion>(),
        };
        Ok(Self {
            file: File::open(&name).context(&name)?,
            start: target.start,
            end: target.end,
            regions: vec![PageRegion::default(); room],
        })
    }
}

impl Contestant for Scan {
    fn pass(&mut self, check: bool) -> Res<Pass> {
        let mut pass = Pass::default();
        let mut present = 0;
        let mut argument = PmScanArg {
            size: size_of::<PmScanArg>() as u64,
            start: self.start,
            end: self.end,
            vec_len: self.regions.len() as u64,
            category_mask: PAGE_IS_PRESENT,
            return_mask: PAGE_IS_ALL,
            ..PmScanArg::default()
        };
        if !self.regions.is_empty() {
            argument.vec = self.regions.as_mut_ptr() as u64;
        }
        loop {
            let count = ioctl(&self.file, PAGEMAP_SCAN, &mut argument).context("PAGEMAP_SCAN")?;
            pass.calls += 1;
            pass.records += count;
            if check {
                let bytes: u64 = self.regions[..count as usize]
                    .iter()
                    .map(|r| r.end - r.start)
                    .sum();
                present += bytes / page_size() as u64;
            }
            // If there was room left it went to the end. What walk_end says then is where it last had
            // to empty its own buffer (`do_pagemap_scan()`, fs/proc/task_mmu.c).
            if argument.walk_end >= self.end || count < argument.vec_len {
                break;
            }
            argument.start = argument.walk_end;
        }
        pass.bytes = pass.records * size_of::<PageRegion>() as u64;
        pass.present = (check && !self.regions.is_empty()).then_some(present);
        Ok(pass)
    }
}

/// A text of `/proc/PID`.
struct Text {
    file: File,
    name: &'static str,
    start: u64,
    end: u64,
    elsewhere: u64,
    find: fn(&str, Range<u64>, u64) -> Found,
    buffer: Vec<u8>,
}

/// Pages and VMAs.
type Found = (Option<u64>, Option<u64>);

impl Text {
    fn new(target: &Target, name: &'static str) -> Res<Self> {
        let path = target.proc(name);
        let find: fn(&str, Range<u64>, u64) -> Found = match name {
            "smaps" => smaps,
            "smaps_rollup" => rollup,
            _ => maps,
        };
        Ok(Self {
            file: File::open(&path).context(&path)?,
            name,
            start: target.start,
            end: target.end,
            elsewhere: target.rss_elsewhere,
            find,
            buffer: vec![0; 1 << 16],
        })
    }
}

fn smaps(text: &str, range: Range<u64>, _elsewhere: u64) -> Found {
    let found = Smaps::of(text, range);
    (Some(found.rss), Some(found.vmas))
}

fn rollup(text: &str, _range: Range<u64>, elsewhere: u64) -> Found {
    let kib = text
        .lines()
        .find_map(|line| kib_of(line, "Rss:"))
        .unwrap_or(0);
    let pages = kib / (page_size() as u64 / 1024);
    (Some(pages.saturating_sub(elsewhere)), None)
}

fn maps(text: &str, range: Range<u64>, _elsewhere: u64) -> Found {
    let starts = text.lines().filter_map(start_of_vma);
    (
        None,
        Some(starts.filter(|at| range.contains(at)).count() as u64),
    )
}

impl Contestant for Text {
    fn pass(&mut self, check: bool) -> Res<Pass> {
        let mut pass = Pass::default();
        let mut text = Vec::new();
        self.file.rewind().context(self.name)?;
        loop {
            let got = self.file.read(&mut self.buffer).context(self.name)?;
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
            (pass.present, pass.vmas) = (self.find)(&text, self.start..self.end, self.elsewhere);
        }
        Ok(pass)
    }
}

/// The ioctl of `/proc/PID/maps`.
struct Query {
    file: File,
    start: u64,
    end: u64,
}

impl Query {
    fn new(target: &Target) -> Res<Self> {
        let name = target.proc("maps");
        Ok(Self {
            file: File::open(&name).context(&name)?,
            start: target.start,
            end: target.end,
        })
    }
}

impl Contestant for Query {
    fn pass(&mut self, _check: bool) -> Res<Pass> {
        let mut pass = Pass::default();
        let mut at = self.start;
        while at < self.end {
            let mut query = ProcmapQuery {
                size: size_of::<ProcmapQuery>() as u64,
                query_flags: PROCMAP_QUERY_COVERING_OR_NEXT_VMA,
                query_addr: at,
                ..ProcmapQuery::default()
            };
            ioctl(&self.file, PROCMAP_QUERY, &mut query).context("PROCMAP_QUERY")?;
            pass.calls += 1;
            if query.vma_start >= self.end {
                break;
            }
            pass.records += 1;
            at = query.vma_end;
        }
        pass.bytes = pass.records * size_of::<ProcmapQuery>() as u64;
        pass.vmas = Some(pass.records);
        Ok(pass)
    }
}
