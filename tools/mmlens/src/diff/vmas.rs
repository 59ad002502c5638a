// SPDX-License-Identifier: GPL-2.0

//! VMAs that differ, as ranges: a VMA that was only split is no difference.

use mmlens_device::Vma;

/// What became of a range.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VmaKind {
    /// It is in a VMA of which there was nothing.
    New,
    /// A VMA became larger.
    Grown,
    /// It was in a VMA of which there is nothing left.
    Gone,
    /// A VMA became smaller.
    Shrunk,
    /// Another file, or another part of it.
    Replaced,
    /// Other flags.
    Changed,
}

impl VmaKind {
    pub const fn word(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Grown => "grown",
            Self::Gone => "gone",
            Self::Shrunk => "shrunk",
            Self::Replaced => "replaced",
            Self::Changed => "changed",
        }
    }
}

/// A range whose VMA differs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VmaChange<'a> {
    pub kind: VmaKind,
    pub start: u64,
    /// Exclusive.
    pub end: u64,
    pub before: Option<&'a Vma>,
    pub after: Option<&'a Vma>,
}

/// Whether both map the same: the same part of a file, or memory of the same name.
fn is_same(a: &Vma, b: &Vma) -> bool {
    // Of anonymous memory the offset says where it was when it was made.
    let offset = |vma: &Vma| {
        let pages = vma.pgoff.wrapping_sub(vma.start >> 12);
        if vma.ino == 0 && vma.is_anonymous() {
            0
        } else {
            pages
        }
    };
    a.name == b.name && (a.ino, a.dev) == (b.ino, b.dev) && offset(a) == offset(b)
}

/// Whether something of a VMA is in others, which are in order; the last answer is kept, since ranges
/// of one VMA come one after the other.
struct Parts<'a> {
    others: &'a [Vma],
    last: Option<(u64, bool)>,
}

impl Parts<'_> {
    fn has(&mut self, vma: &Vma) -> bool {
        if let Some((_, answer)) = self.last.filter(|&(start, _)| start == vma.start) {
            return answer;
        }
        let first = self.others.partition_point(|other| other.end <= vma.start);
        let rest = self.others.get(first..).unwrap_or_default();
        let mut overlapping = rest.iter().take_while(|other| other.start < vma.end);
        let answer = overlapping.any(|other| is_same(vma, other));
        self.last = Some((vma.start, answer));
        answer
    }
}

/// The ranges whose VMAs differ, in order.
pub fn vmas<'a>(before: &'a [Vma], after: &'a [Vma]) -> Vec<VmaChange<'a>> {
    let mut changes: Vec<VmaChange<'a>> = Vec::new();
    let mut bounds: Vec<u64> = before
        .iter()
        .chain(after)
        .flat_map(|vma| [vma.start, vma.end])
        .collect();
    bounds.sort_unstable();
    bounds.dedup();
    let (mut old, mut new) = (before, after);
    let parts = |others| Parts { others, last: None };
    let (mut in_old, mut in_new) = (parts(before), parts(after));
    for pair in bounds.windows(2) {
        let &[start, end] = pair else {
            continue;
        };
        let x = at(&mut old, start);
        let y = at(&mut new, start);
        let kind = match (x, y) {
            (None, None) => continue,
            (Some(x), Some(y)) if !is_same(x, y) => VmaKind::Replaced,
            (Some(x), Some(y)) if x.flags != y.flags => VmaKind::Changed,
            (Some(_), Some(_)) => continue,
            (None, Some(y)) if in_old.has(y) => VmaKind::Grown,
            (None, Some(_)) => VmaKind::New,
            (Some(x), None) if in_new.has(x) => VmaKind::Shrunk,
            (Some(_), None) => VmaKind::Gone,
        };
        let next = VmaChange {
            kind,
            start,
            end,
            before: x,
            after: y,
        };
        match changes.last_mut() {
            Some(last) if goes_on(last, &next) => last.end = end,
            _ => changes.push(next),
        }
    }
    changes
}

/// The VMA at `address`, if there is one; those below are left behind.
fn at<'a>(vmas: &mut &'a [Vma], address: u64) -> Option<&'a Vma> {
    while let [first, rest @ ..] = *vmas {
        if first.end > address {
            return Some(first).filter(|vma| vma.start <= address);
        }
        *vmas = rest;
    }
    None
}

/// Whether the two are parts of one change.
fn goes_on(last: &VmaChange<'_>, next: &VmaChange<'_>) -> bool {
    let same = |a: Option<&Vma>, b: Option<&Vma>| match (a, b) {
        (None, None) => true,
        (Some(a), Some(b)) => is_same(a, b) && a.flags == b.flags,
        _ => false,
    };
    last.kind == next.kind
        && last.end == next.start
        && same(last.before, next.before)
        && same(last.after, next.after)
}
