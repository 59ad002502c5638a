// SPDX-License-Identifier: GPL-2.0

//! The passes of an audit: see `crate::audit`.

use crate::{
    audit::{memory_of, Finding, Frames, Piece, Why, MOST_PIECES, TYPES},
    error::{errno, Error, Result},
    extent::{Extent, Shape},
    matching::{Lens, Sink},
    output::json::Hex,
    space,
    target::Target,
};
use mmlens_core::{pt::facts::Facts, text::vma_flags::VmaFlags};
use mmlens_device::{Text, Vma};
use std::{
    collections::BTreeSet,
    io::{self, BufRead, BufReader},
};

/// A file, wherever it is mapped.
type File = ((u32, u32), u64);

fn file_of(vma: &Vma) -> Option<File> {
    (vma.is_file() && vma.ino != 0).then_some((vma.dev, vma.ino))
}

pub fn finding(kind: Why, target: &Target, vma: &Vma, bytes: u64) -> Finding {
    Finding {
        kind,
        pid: Some(target.pid),
        comm: Some(target.comm.clone()),
        start: Hex(vma.start),
        end: Hex(vma.end),
        bytes,
        what: format!("{} {}", space::rights_of(vma), space::name_of(vma))
            .trim_end()
            .to_string(),
        mappings: Vec::new(),
    }
}

/// Adds to the finding of a VMA: there is one for each kind and VMA, so that there are not more than
/// that.
fn note(findings: &mut Vec<Finding>, kind: Why, target: &Target, vma: &Vma, bytes: u64) {
    let is_it =
        |f: &&mut Finding| f.kind == kind && f.pid == Some(target.pid) && f.start.0 == vma.start;
    match findings.iter_mut().rev().take(16).find(is_it) {
        Some(known) => known.bytes += bytes,
        None => findings.push(finding(kind, target, vma, bytes)),
    }
}

/// Pages of the kernel that all processes map by number: what time it is.
fn is_of_the_kernel(vma: &Vma) -> bool {
    vma.name.starts_with(b"[vvar") || vma.name.starts_with(b"[vdso")
}

/// Frames that are executable or not write-back, and what is found without comparing.
pub struct First {
    shape: Shape,
    pub findings: Vec<Finding>,
    pub exec: Frames,
    /// By number of the type; of write-back, nothing.
    pub types: [Frames; 6],
    /// Files whose pages are executed.
    pub text: BTreeSet<File>,
}

impl First {
    pub fn new(shape: Shape) -> Self {
        Self {
            shape,
            findings: Vec::new(),
            exec: Frames::default(),
            types: Default::default(),
            text: BTreeSet::new(),
        }
    }

    pub fn join(&mut self) {
        self.exec.join();
        self.types.iter_mut().for_each(Frames::join);
    }
}

impl Sink for First {
    fn begin(&mut self, target: &Target) -> Result<()> {
        self.findings.retain(|f| f.pid != Some(target.pid));
        Ok(())
    }

    fn found(&mut self, target: &Target, vma: &Vma, extent: Extent) -> Result<()> {
        let facts = extent.facts;
        let mut note = |kind| note(&mut self.findings, kind, target, vma, extent.bytes());
        if facts.has(Facts::BAD) {
            note(Why::Bad);
            return Ok(());
        }
        if facts.has(Facts::PROTNONE) {
            // Where the VMA allows access, it is a hint for NUMA balancing or a userfaultfd.
            if !VmaFlags(vma.flags).is_accessible() {
                note(Why::ProtNone);
            }
            return Ok(());
        }
        if vma.name.starts_with(b"/dev/mem") {
            note(Why::DevMem);
        } else if facts.has(Facts::PAGE_DEVICE) && !is_of_the_kernel(vma) {
            note(Why::Device);
        }
        if facts.has(Facts::PAGE_RAM) && !is_of_the_kernel(vma) {
            note(Why::Ram);
        }
        let memory = usize::from(memory_of(facts));
        for (first, end, _) in self.shape.frames(&extent) {
            if facts.has(Facts::EXEC) {
                self.exec.add(first, end);
            }
            if let Some(frames) = self.types.get_mut(memory).filter(|_| memory != 0) {
                frames.add(first, end);
            }
        }
        if facts.has(Facts::EXEC) {
            self.text.extend(file_of(vma));
        }
        Ok(())
    }
}

/// What is mapped otherwise elsewhere.
pub struct Second<'a> {
    shape: Shape,
    exec: &'a Frames,
    types: &'a [Frames; 6],
    text: &'a BTreeSet<File>,
    pub suspects: Frames,
    pub findings: Vec<Finding>,
}

impl<'a> Second<'a> {
    pub fn new(
        shape: Shape,
        exec: &'a Frames,
        types: &'a [Frames; 6],
        text: &'a BTreeSet<File>,
    ) -> Self {
        Self {
            shape,
            exec,
            types,
            text,
            suspects: Frames::default(),
            findings: Vec::new(),
        }
    }
}

impl Sink for Second<'_> {
    fn begin(&mut self, target: &Target) -> Result<()> {
        self.findings.retain(|f| f.pid != Some(target.pid));
        Ok(())
    }

    fn found(&mut self, target: &Target, vma: &Vma, extent: Extent) -> Result<()> {
        let is_written = extent.facts.has(Facts::WRITE);
        let memory = usize::from(memory_of(extent.facts));
        for (first, end, _) in self.shape.frames(&extent) {
            // Each executable frame of a writable and executable mapping is suspect, because it may
            // be the same in another place.
            let written = is_written.then_some(self.exec);
            let others = self.types.iter().enumerate().filter(|&(n, _)| n != memory);
            for frames in others.map(|(_, frames)| frames).chain(written) {
                for (first, end) in frames.common(first, end) {
                    self.suspects.add(first, end);
                }
            }
        }
        let is_shared = VmaFlags(vma.flags).is_shared();
        if is_written && is_shared && file_of(vma).is_some_and(|file| self.text.contains(&file)) {
            note(&mut self.findings, Why::Text, target, vma, extent.bytes());
        }
        Ok(())
    }
}

/// Every mapping of a suspect.
pub struct Third<'a> {
    shape: Shape,
    suspects: &'a Frames,
    pub pieces: Vec<Piece>,
    pub who: Vec<Target>,
}

impl<'a> Third<'a> {
    pub fn new(shape: Shape, suspects: &'a Frames) -> Self {
        Self {
            shape,
            suspects,
            pieces: Vec::new(),
            who: Vec::new(),
        }
    }
}

impl Sink for Third<'_> {
    fn begin(&mut self, target: &Target) -> Result<()> {
        if self.who.last() == Some(target) {
            let who = (self.who.len() - 1) as u32;
            self.pieces.retain(|piece| piece.who != who);
        } else {
            self.who.push(target.clone());
        }
        Ok(())
    }

    fn found(&mut self, _target: &Target, _vma: &Vma, extent: Extent) -> Result<()> {
        let page = self.shape.geometry.page_size();
        let who = self.who.len().saturating_sub(1) as u32;
        for (first, end, address) in self.shape.frames(&extent) {
            for frames in self.suspects.common(first, end) {
                if self.pieces.len() < MOST_PIECES {
                    let address = address + (frames.0 - first) * page;
                    self.pieces
                        .push(Piece::new(frames, address, who, extent.facts));
                }
            }
        }
        Ok(())
    }
}

/// What the kernel maps of the frames that somebody maps with an unusual type.
pub enum Kernel {
    /// Nobody does.
    None,
    /// It may not be looked at.
    Closed,
    Pieces(Vec<Piece>),
}

impl Kernel {
    pub fn pieces(&self) -> &[Piece] {
        match self {
            Self::Pieces(pieces) => pieces,
            Self::None | Self::Closed => &[],
        }
    }
}

/// Reads the kernel's own table as far as its direct map.
pub fn kernel_pieces(lens: &Lens, types: &[Frames; 6]) -> Result<Kernel> {
    let file = match lens.device.text(Text::KernelPagetable, 0) {
        Ok(file) => file,
        Err(error) => match error.raw_os_error() {
            Some(errno::ENOENT | errno::EPERM | errno::EACCES | 95) => return Ok(Kernel::Closed),
            _ => return Err(Error::of_ioctl(error)),
        },
    };
    let page = lens.shape.geometry.page_size();
    let pieces = direct_map(BufReader::new(file), types, page);
    pieces.map(Kernel::Pieces).map_err(Error::of_ioctl)
}

/// What of the direct map has another type than these frames have elsewhere.
fn direct_map(text: impl BufRead, types: &[Frames; 6], page: u64) -> io::Result<Vec<Piece>> {
    let mut pieces = Vec::new();
    let mut is_direct = false;
    for line in text.lines() {
        let line = line?;
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            ["region", _, name, ..] => {
                let was_direct = is_direct;
                is_direct = ["direct-map", "linear-map"].contains(name);
                if was_direct && !is_direct {
                    break;
                }
            }
            [range, _, _, "leaf", _, pfn, _, _, memory, ..] if is_direct => {
                let Some((address, frames)) = direct(range, pfn, page) else {
                    continue;
                };
                let piece = |(first, end): (u64, u64), memory| Piece {
                    first,
                    end,
                    address: address + (first - frames.0) * page,
                    who: u32::MAX,
                    memory,
                    write: false,
                    // What the kernel may execute, user space does not.
                    exec: false,
                };
                let memory = type_of_name(memory);
                for (n, odd) in types.iter().enumerate().skip(1) {
                    if n != usize::from(memory) && pieces.len() < MOST_PIECES {
                        let common = odd.common(frames.0, frames.1);
                        pieces.extend(common.map(|frames| piece(frames, memory)));
                    }
                }
            }
            _ => {}
        }
    }
    Ok(pieces)
}

/// Address and frames of a line.
fn direct(range: &str, pfn: &str, page: u64) -> Option<(u64, (u64, u64))> {
    let (start, end) = range.split_once('-')?;
    let hex = |word: &str| u64::from_str_radix(word, 16).ok();
    let (start, end) = (hex(start)?, hex(end)?);
    let first = hex(pfn.strip_prefix("0x")?)?;
    Some((start, (first, first + end.checked_sub(start)? / page)))
}

/// The number in [`TYPES`] of a name in the column `mem`.
fn type_of_name(name: &str) -> u8 {
    let fact = match name {
        "WB" | "Tagged" => Facts::WB,
        "WT" => Facts::WT,
        "WC" | "NC" => Facts::WC,
        "UC" | "UC-" => Facts::UC,
        "nGnRnE" | "nGnRE" | "nGRE" | "GRE" => Facts::DEVICE,
        _ => Facts::OTHER_TYPE,
    };
    let known = TYPES.iter().position(|&memory| memory == fact);
    known.map_or(0, |n| n as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Lines of a machine, and frames that somebody has mapped write-combining.
    #[test]
    fn what_the_direct_map_has_otherwise() {
        let text = "\
# start          end              size     level kind       count    pfn          rwx eff mem    page    bits
region ff11000000000000-ff17bbb7c0000000 gap
ff17bbb7c0200000-ff17bbb7c1a00000      24M pmd   leaf       12       0x200        rw- rw- WB     -       P RW
region ff17bbb7c0000000-ff27bbb7c0000000 direct-map
ff17bbb7c0000000-ff17bbb7c0200000       2M pmd   table      1        0x32c04      rwx rwx -      -       P RW US A D
ff17bbb7c0200000-ff17bbb7c1a00000      24M pmd   leaf       12       0x200        rw- rw- WB     -       P RW
ff17bbb7c1a00000-ff17bbb7c1a02000       8K pte   leaf       2        0x1a00       r-- r-- WC     -       P
ff17bbb7c1a02000-ff17bbb7c1a04000       8K pte   leaf       2        scattered    r-- r-- WB     -       P
region ff38215f00000000-ff6a215f00000000 vmalloc
ff38215f00000000-ff38215f00001000       4K pte   leaf       1        0x300        rw- rw- WB     -       P RW
";
        let mut types: [Frames; 6] = Default::default();
        types[2].add(0x300, 0x302);
        types[2].add(0x1a00, 0x1a02);
        types.iter_mut().for_each(Frames::join);
        let pieces = direct_map(text.as_bytes(), &types, 4096).unwrap();
        let short: Vec<(u64, u64, u64, u8)> = pieces
            .iter()
            .map(|p| (p.first, p.end, p.address, p.memory))
            .collect();
        assert_eq!(short, [(0x300, 0x302, 0xff17_bbb7_c030_0000, 0)]);
    }
}
