// SPDX-License-Identifier: GPL-2.0

//! Why memory is not mapped by a huge page, in words.

use crate::text::{
    vma_flags::VmaFlags,
    Size, //
};
use core::{
    fmt,
    ops::Range, //
};

/// What is known of a range that one huge page could map.
#[derive(Clone, Debug)]
pub struct Facts {
    /// The range: as large as an entry of the `pmd` level maps, and aligned.
    pub range: Range<u64>,
    /// The VMA.
    pub vma: Range<u64>,
    /// Its `vm_flags`.
    pub flags: VmaFlags,
    /// Of a file, its offset at the start of the VMA, in bytes.
    pub file_offset: Option<u64>,
    /// Whether the process has switched huge pages off (`prctl(PR_SET_THP_DISABLE)`): everywhere,
    /// or but for where they are advised.
    pub disabled: Option<Disabled>,
    /// Whether there is a table for the range, and how many of its entries map memory; `None` if
    /// the entry at `pmd` is empty.
    pub mapped: Option<Mapped>,
    /// Pages of the folio that is mapped at the address, and whether that is known.
    pub folio_pages: Option<u64>,
}

/// How transparent huge pages are switched off for a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disabled {
    /// The kernel was built without them (real-time kernels are).
    Kernel,
    /// Everywhere.
    Completely,
    /// But for where `MADV_HUGEPAGE` asks for them.
    ExceptAdvised,
}

/// How the range is mapped by pages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mapped {
    /// Entries of its table.
    pub entries: u64,
    /// How many of them map a page.
    pub present: u64,
    /// Whether all of them do, and the frames follow one another from an aligned one on.
    pub is_contiguous: bool,
}

/// Why a range is not huge, the first of these that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WhyNot {
    /// The VMA is smaller.
    Small,
    /// The VMA does not have all of it.
    Unaligned,
    /// Memory of a driver.
    Driver,
    /// `MADV_NOHUGEPAGE`.
    Advice,
    /// `prctl(PR_SET_THP_DISABLE)`.
    Process(Disabled),
    /// Address and offset in the file are not aligned to each other.
    FileOffset,
    /// Nothing is there.
    Empty,
    /// One folio as large, but mapped page by page.
    Split,
    /// Smaller folios.
    Folios(Mapped, Option<u64>),
}

impl Facts {
    fn size(&self) -> u64 {
        self.range.end - self.range.start
    }

    /// Finds the reason.
    pub fn why_not(&self) -> WhyNot {
        let size = self.size();
        if self.vma.end - self.vma.start < size {
            return WhyNot::Small;
        }
        if self.range.start < self.vma.start || self.range.end > self.vma.end {
            return WhyNot::Unaligned;
        }
        if self.flags.is_driver_s() {
            return WhyNot::Driver;
        }
        match (self.flags.huge_advice(), self.disabled) {
            (_, Some(Disabled::Kernel)) => return WhyNot::Process(Disabled::Kernel),
            (Some(false), _) => return WhyNot::Advice,
            (Some(true), Some(Disabled::ExceptAdvised)) | (_, None) => {}
            (_, Some(disabled)) => return WhyNot::Process(disabled),
        }
        if let Some(offset) = self.file_offset {
            // A power of two.
            if self.vma.start.wrapping_sub(offset) & size.wrapping_sub(1) != 0 {
                return WhyNot::FileOffset;
            }
        }
        match self.mapped {
            None => WhyNot::Empty,
            Some(mapped) if mapped.is_contiguous && self.is_one_folio(&mapped) => WhyNot::Split,
            Some(mapped) => WhyNot::Folios(mapped, self.folio_pages),
        }
    }

    fn is_one_folio(&self, mapped: &Mapped) -> bool {
        self.folio_pages
            .is_some_and(|pages| pages >= mapped.entries)
    }
}

/// A word for programs, and then a sentence for people.
impl fmt::Display for Facts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let size = Size(self.size());
        match self.why_not() {
            WhyNot::Small => write!(f, "small: the VMA is smaller than {size}"),
            WhyNot::Unaligned => {
                write!(f, "unaligned: the VMA ends inside of the {size} at ")?;
                write!(f, "{:016x}", self.range.start)
            }
            WhyNot::Driver => write!(f, "driver: only the driver could map {size} at a time"),
            WhyNot::Advice => write!(f, "advice: the program asked not to (MADV_NOHUGEPAGE)"),
            WhyNot::Process(Disabled::Kernel) => {
                write!(f, "kernel: it was built without transparent huge pages")
            }
            WhyNot::Process(Disabled::Completely) => {
                write!(f, "process: switched off by prctl(PR_SET_THP_DISABLE)")
            }
            WhyNot::Process(Disabled::ExceptAdvised) => write!(
                f,
                "process: switched off by prctl(PR_SET_THP_DISABLE) but for MADV_HUGEPAGE"
            ),
            WhyNot::FileOffset => write!(
                f,
                "file-offset: address and offset in the file differ by no multiple of {size}"
            ),
            WhyNot::Empty => write!(
                f,
                "empty: nothing is mapped in these {size}; a fault may make them huge, as \
                 /sys/kernel/mm/transparent_hugepage/ says"
            ),
            WhyNot::Split => write!(
                f,
                "split: one folio, but mapped page by page; khugepaged or MADV_COLLAPSE may \
                 change that"
            ),
            WhyNot::Folios(mapped, folio) => {
                write!(
                    f,
                    "folios: {} of {} pages are mapped",
                    mapped.present, mapped.entries
                )?;
                if let Some(pages) = folio {
                    write!(f, ", this one in a folio of {pages}")?;
                }
                write!(
                    f,
                    "; khugepaged or MADV_COLLAPSE may make them one, as \
                     /sys/kernel/mm/transparent_hugepage/ says"
                )
            }
        }
    }
}
