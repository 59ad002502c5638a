// SPDX-License-Identifier: GPL-2.0

//! The regions of the kernel's address space, as a picture in address order.

use super::{
    About,
    Dash, //
};
use core::{
    cmp::Reverse,
    fmt, //
};

/// A range of addresses with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region<'a> {
    /// First address.
    pub start: u64,
    /// Last address, inclusive; `None` if it is not known.
    pub last: Option<u64>,
    /// One word.
    pub name: &'a str,
    /// What it is for, in words.
    pub what: &'a str,
}

impl Region<'_> {
    /// Whether `inner` is a part of this region.
    fn contains(&self, inner: &Region<'_>) -> bool {
        let Some(last) = self.last else {
            return false;
        };
        self.start <= inner.start && inner.last.unwrap_or(inner.start) <= last
    }

    /// Last address, as far as it is known.
    fn known_last(&self) -> u64 {
        self.last.unwrap_or(self.start)
    }
}

/// A line of the picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Line<'a> {
    /// A region, in no other.
    Region(Region<'a>),
    /// A part of the region above.
    Part(Region<'a>),
    /// What is between two regions; both addresses are inclusive.
    Gap(u64, u64),
}

/// Two regions that cannot both be where they are said to be: neither is a part of the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Conflict<'a>(pub &'a str, pub &'a str);

impl fmt::Display for Conflict<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} and {} overlap", self.0, self.1)
    }
}

/// The regions by address, a whole before its parts. There are few, so they are not moved: each step
/// looks for the next one.
fn in_order<'s, 'a>(regions: &'s [Region<'a>]) -> impl Iterator<Item = Region<'a>> + 's {
    let key = |&(index, region): &(usize, &Region<'a>)| {
        (region.start, Reverse(region.known_last()), index)
    };
    let next = move |after: Option<(usize, &'s Region<'a>)>| {
        regions
            .iter()
            .enumerate()
            .filter(|candidate| after.is_none_or(|a| key(&a) < key(candidate)))
            .min_by_key(key)
    };
    core::iter::successors(next(None), move |&last| next(Some(last))).map(|(_, &region)| region)
}

/// Gives `each` the lines of the picture, from address 0 to the last one. What is behind a region whose end is not known is no gap.
///
/// `conflict` is told of each region that overlaps with the one before without being a part of it,
/// and of each whose end is before its start.
pub fn picture<'a, E>(
    regions: &[Region<'a>],
    mut each: impl FnMut(Line<'a>) -> Result<(), E>,
    mut conflict: impl FnMut(Conflict<'a>) -> Result<(), E>,
) -> Result<(), E> {
    // What is before the next region of its own: the last such region.
    let mut whole: Option<Region<'a>> = None;
    // The first address that nothing was said about; `None` behind the last one.
    let mut next = Some(0u64);
    for region in in_order(regions) {
        if region.known_last() < region.start {
            conflict(Conflict(region.name, region.name))?;
            continue;
        }
        if let Some(above) = whole {
            if above.contains(&region) {
                each(Line::Part(region))?;
                continue;
            }
            if region.start <= above.known_last() {
                conflict(Conflict(above.name, region.name))?;
            }
        }
        let is_behind_unknown = whole.is_some_and(|w| w.last.is_none());
        if let Some(free) = next.filter(|&n| n < region.start && !is_behind_unknown) {
            each(Line::Gap(free, region.start - 1))?;
        }
        each(Line::Region(region))?;
        let behind = region.known_last().checked_add(1);
        next = next.and_then(|n| behind.map(|b| b.max(n)));
        whole = Some(region);
    }
    match next {
        Some(free) if whole.is_none_or(|w| w.last.is_some()) => each(Line::Gap(free, u64::MAX)),
        _ => Ok(()),
    }
}

/// The heading of the picture.
pub const COLUMNS: &str = "# start          end              size     region\n";

/// `start-end size name what`, with an exclusive end, in which the end of all addresses is 0, as
/// in ptdump. Parts of a region are indented.
impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (start, last, indent) = match *self {
            Line::Gap(start, last) => (start, Some(last), ""),
            Line::Region(r) => (r.start, r.last, ""),
            Line::Part(r) => (r.start, r.last, "  "),
        };
        write!(f, "{start:016x}-")?;
        match last {
            Some(last) => {
                let size = About((last - start).saturating_add(1));
                write!(f, "{:016x} {size:>8} ", last.wrapping_add(1))?;
            }
            None => write!(f, "{:<16} {Dash:>8} ", "?")?,
        }
        match self {
            Line::Gap(..) => f.write_str("gap"),
            Line::Region(r) | Line::Part(r) => write!(f, "{indent}{:<15} {}", r.name, r.what),
        }
    }
}

/// The address furthest from `inside` towards `outside` that is in a range without holes, which
/// `inside` is in and `outside` is not. `is_in` is asked some 64 times at most.
pub fn furthest(mut inside: u64, mut outside: u64, is_in: impl Fn(u64) -> bool) -> u64 {
    while inside.abs_diff(outside) > 1 {
        // No overflow, in both directions.
        let middle = inside.min(outside) + inside.abs_diff(outside) / 2;
        if is_in(middle) {
            inside = middle;
        } else {
            outside = middle;
        }
    }
    inside
}

/// Whether what `sprint_symbol_no_offset()` wrote is a symbol of the kernel image. Those of modules
/// and of generated code have the name of their owner in brackets, and what has no symbol is shown
/// as a number.
pub fn is_image_symbol(text: &[u8]) -> bool {
    !text.is_empty() && !text.starts_with(b"0x") && !text.contains(&b'[')
}

/// A distance between addresses, of either sign: `+0x1000`, `-0x1000`.
#[derive(Clone, Copy, Debug)]
pub struct Signed(pub u64);

impl fmt::Display for Signed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let distance = self.0 as i64;
        let sign = if distance < 0 { '-' } else { '+' };
        write!(f, "{sign}{:#x}", distance.unsigned_abs())
    }
}
