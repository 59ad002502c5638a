// SPDX-License-Identifier: GPL-2.0

//! Why an entry is as it is, in words.

use crate::{
    pt::{
        entry::{
            Entry,
            Rights, //
        },
        page::PageKind,
        softleaf::{
            SoftKind,
            SoftLeaf, //
        }, //
    },
    text::vma_flags::VmaFlags, //
};
use core::fmt;

/// What a reason is found from.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// The lowest entry.
    pub entry: Entry,
    /// What user space may do in the end.
    pub rights: Rights,
    /// Whether a leaf is kept from the hardware (`pte_protnone()`).
    pub is_protnone: bool,
    /// Whether a leaf has the bit of userfaultfd.
    pub is_uffd: bool,
    /// Whether a leaf counts as written to since soft-dirty bits were cleared.
    pub is_soft_dirty: bool,
    /// Whether a leaf is mapped by its number.
    pub is_special: bool,
    /// What kind of page a leaf maps.
    pub page: PageKind,
    /// Of an anonymous page, whether this process alone has it; `None` if it is not known.
    pub is_exclusive: Option<bool>,
    /// How many entries map the page, if that is known.
    pub map_count: Option<u64>,
    /// The VMA.
    pub vma: Vma,
}

/// What of a VMA goes into a reason.
#[derive(Clone, Copy, Debug, Default)]
pub struct Vma {
    /// `vm_flags`.
    pub flags: VmaFlags,
    /// Whether it has no operations (`vma_is_anonymous()`).
    pub is_anonymous: bool,
    /// Whether anonymous pages were ever mapped in it.
    pub has_anon_vma: bool,
    /// Whether its operations ask to be told of the first write to a page (`page_mkwrite`,
    /// `pfn_mkwrite`).
    pub wants_mkwrite: bool,
    /// Whether the address is past the end of the file.
    pub is_past_end: bool,
    /// Whether this kernel tracks soft-dirty pages.
    pub has_soft_dirty: bool,
}

impl Vma {
    /// Whether the kernel is to notice which pages are written to (`vma_soft_dirty_enabled()`).
    fn tracks_soft_dirty(&self) -> bool {
        self.has_soft_dirty && !self.flags.is_soft_dirty() && !self.flags.is_hugetlb()
    }
}

/// Why an entry is as it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Empty: no access is allowed.
    NoAccess,
    /// Empty: a userfaultfd is to bring the page.
    UffdMissing,
    /// Empty: anonymous memory that nobody has touched.
    Untouched,
    /// Empty: anonymous memory; not touched, or given back since.
    Absent,
    /// Empty: the file is shorter.
    PastEnd,
    /// Empty: of a file or a driver.
    NotMapped,
    /// Empty: a PFN map.
    NoPfn,
    /// Not present, and what it says instead.
    Soft(SoftLeaf),
    /// The kernel would not follow it.
    Bad,
    /// The way down ends at a table: it changed meanwhile.
    Changing,
    /// A userfaultfd is to be told of any access.
    UffdRwp,
    /// The kernel is to notice the next access.
    NumaHint,
    /// `PROT_NONE`.
    ProtNone,
    /// A userfaultfd is to be told of a write.
    UffdWp,
    /// The page of zeros.
    Zero,
    /// Mapped by number.
    PfnMap,
    /// Writable.
    Writable,
    /// Read-only, as the VMA.
    ReadOnly(PageKind),
    /// Merged by KSM.
    Ksm,
    /// An anonymous page that others may have too: how many entries map it.
    CowPending(Option<u64>),
    /// Private mapping of a page cache page.
    CowFile,
    /// Shared mapping: the file system or driver is to be told of the first write.
    PageMkwrite,
    /// The kernel notes what is written to: soft-dirty.
    SoftDirty,
    /// Shared mapping: the kernel counts pages that become dirty.
    DirtyTracking,
    /// Write-protected for no reason that is left.
    WriteFault,
}

impl Reason {
    /// Finds the reason.
    pub fn find(facts: &Facts) -> Self {
        match facts.entry {
            Entry::None => Self::of_hole(&facts.vma),
            Entry::NonPresent(soft) => Reason::Soft(soft),
            Entry::Bad => Reason::Bad,
            Entry::Table { .. } => Reason::Changing,
            Entry::Leaf { .. } => Self::of_leaf(facts),
        }
    }

    fn of_hole(vma: &Vma) -> Self {
        let flags = vma.flags;
        if !flags.is_accessible() {
            Reason::NoAccess
        } else if flags.is_uffd_missing() {
            Reason::UffdMissing
        } else if flags.is_pfnmap() {
            Reason::NoPfn
        } else if vma.is_past_end {
            Reason::PastEnd
        } else if !vma.is_anonymous {
            Reason::NotMapped
        } else if vma.has_anon_vma {
            Reason::Absent
        } else {
            Reason::Untouched
        }
    }

    fn of_leaf(facts: &Facts) -> Self {
        let vma = &facts.vma;
        if facts.is_protnone {
            return if !vma.flags.is_accessible() {
                Reason::ProtNone
            } else if vma.flags.is_uffd_rwp() && facts.is_uffd {
                Reason::UffdRwp
            } else {
                Reason::NumaHint
            };
        }
        if facts.rights.write {
            return Reason::Writable;
        }
        if facts.page == PageKind::Zero {
            return Reason::Zero;
        }
        if facts.is_uffd && vma.flags.is_uffd_wp() {
            return Reason::UffdWp;
        }
        if !vma.flags.is_writable() {
            return Reason::ReadOnly(facts.page);
        }
        if vma.flags.is_shared() {
            Self::of_shared(vma)
        } else if facts.is_special || vma.flags.is_pfnmap() {
            Reason::PfnMap
        } else {
            Self::of_private(facts)
        }
    }

    /// A shared mapping that may be written to, whose entry is not writable
    /// (`vma_wants_writenotify()`, mm/vma.c).
    fn of_shared(vma: &Vma) -> Self {
        if vma.wants_mkwrite {
            Reason::PageMkwrite
        } else if vma.tracks_soft_dirty() {
            Reason::SoftDirty
        } else {
            Reason::DirtyTracking
        }
    }

    /// A private mapping that may be written to, whose entry is not writable.
    fn of_private(facts: &Facts) -> Self {
        let vma = &facts.vma;
        match (facts.page, facts.is_exclusive) {
            (PageKind::Ksm, _) => Reason::Ksm,
            (PageKind::Anon | PageKind::Hugetlb, Some(true)) => {
                if vma.tracks_soft_dirty() && !facts.is_soft_dirty {
                    Reason::SoftDirty
                } else {
                    Reason::WriteFault
                }
            }
            (PageKind::Anon, _) | (PageKind::Hugetlb, Some(false)) => {
                Reason::CowPending(facts.map_count)
            }
            _ => Reason::CowFile,
        }
    }

    /// One word for it, for programs.
    pub const fn word(&self) -> &'static str {
        match self {
            Reason::NoAccess => "no-access",
            Reason::UffdMissing => "uffd-missing",
            Reason::Untouched => "untouched",
            Reason::Absent => "absent",
            Reason::PastEnd => "past-end",
            Reason::NotMapped => "not-mapped",
            Reason::NoPfn => "no-pfn",
            Reason::Soft(soft) => match soft.kind {
                SoftKind::Swap => "swapped",
                SoftKind::Marker if soft.is_guard() => "guard",
                SoftKind::Marker if soft.is_poisoned() => "poisoned",
                SoftKind::Marker => "uffd-wp-marker",
                kind => kind.name(),
            },
            Reason::Bad => "bad",
            Reason::Changing => "changing",
            Reason::UffdRwp => "uffd-rwp",
            Reason::NumaHint => "numa-hint",
            Reason::ProtNone => "prot-none",
            Reason::UffdWp => "uffd-wp",
            Reason::Zero => "zero-page",
            Reason::PfnMap => "pfn-map",
            Reason::Writable => "writable",
            Reason::ReadOnly(_) => "read-only",
            Reason::Ksm => "ksm",
            Reason::CowPending(_) => "cow-pending",
            Reason::CowFile => "cow-file",
            Reason::PageMkwrite => "page-mkwrite",
            Reason::SoftDirty => "soft-dirty",
            Reason::DirtyTracking => "dirty-tracking",
            Reason::WriteFault => "write-fault",
        }
    }
}

/// The word, and then a sentence for people.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.word())?;
        f.write_str(match self {
            Reason::NoAccess => "nothing is mapped; the VMA is PROT_NONE, any access is SIGSEGV",
            Reason::UffdMissing => "nothing is mapped; an access asks a userfaultfd for the page",
            Reason::Untouched => {
                "not touched yet; a read will map the page of zeros, a write a new page"
            }
            Reason::Absent => {
                "nothing is mapped; not touched yet, or given back since \
                 (MADV_DONTNEED, MADV_FREE): an access gets zeros"
            }
            Reason::PastEnd => "nothing is mapped; past the end of the file, an access is SIGBUS",
            Reason::NotMapped => {
                "not touched yet, or unmapped since (reclaim, truncation, zapped by a driver); \
                 an access asks the file's fault handler"
            }
            Reason::NoPfn => "the driver has mapped nothing here; an access asks it, or is SIGBUS",
            Reason::Soft(soft) => return write_soft(f, soft),
            Reason::Bad => "neither a table nor a leaf that the kernel would follow: corruption?",
            Reason::Changing => "the tables changed while they were looked at; ask again",
            Reason::UffdRwp => "mapped, but a userfaultfd is told of the next access",
            Reason::NumaHint => {
                "mapped, but kept from the hardware so that NUMA balancing notices the next access"
            }
            Reason::ProtNone => "mapped, but the VMA is PROT_NONE, any access is SIGSEGV",
            Reason::UffdWp => "write-protected by a userfaultfd, which is told of the next write",
            Reason::Zero => {
                "the page of zeros, shared by all: read before it was written; \
                             a write gets a page of its own"
            }
            Reason::PfnMap => "memory that a driver mapped by its number; no page to look at",
            Reason::Writable => "mapped and writable; the next access is served by the hardware",
            Reason::ReadOnly(PageKind::Anon) => {
                "the VMA is not writable; a page of its own, from when it was, or written by ptrace"
            }
            Reason::ReadOnly(PageKind::File | PageKind::Shmem) => {
                "the VMA is not writable; the page is that of the page cache"
            }
            Reason::ReadOnly(_) => "the VMA is not writable",
            Reason::Ksm => "merged with equal pages by KSM; a write gets a copy",
            Reason::CowPending(Some(1)) => {
                "copy-on-write is pending since a fork, but the others have gone: \
                 a write gets the page itself, if nothing else holds it"
            }
            Reason::CowPending(_) => {
                "shared since a fork, copy-on-write is pending: a write gets a copy"
            }
            Reason::CowFile => "the page of the file, read so far; a write gets a private copy",
            Reason::PageMkwrite => {
                "write-protected so that page_mkwrite is called at the first write to the page"
            }
            Reason::SoftDirty => "write-protected so that soft-dirty tracking notes the next write",
            Reason::DirtyTracking => "write-protected so that the first write makes the page dirty",
            Reason::WriteFault => {
                "a page of its own, left write-protected (mprotect, fork, swap-in, KSM); \
                 the next write makes it writable"
            }
        })
    }
}

fn write_soft(f: &mut fmt::Formatter<'_>, soft: &SoftLeaf) -> fmt::Result {
    f.write_str(match soft.kind {
        SoftKind::Swap => {
            let place = soft.place.unwrap_or(0);
            return write!(
                f,
                "in swap area {} at page {place:#x} (/proc/swaps); an access reads it back",
                soft.number
            );
        }
        SoftKind::MigrationRead | SoftKind::MigrationReadExclusive | SoftKind::MigrationWrite => {
            "the page is being moved to another frame; an access waits for that"
        }
        SoftKind::HwPoison => "the page was lost to a memory error; an access is SIGBUS",
        SoftKind::DevicePrivateRead | SoftKind::DevicePrivateWrite => {
            "the page is in the memory of a device; an access brings it back"
        }
        SoftKind::DeviceExclusive => "a device has the page for itself; an access takes it back",
        SoftKind::Marker if soft.is_guard() => {
            "a guard region (MADV_GUARD_INSTALL); any access is SIGSEGV"
        }
        SoftKind::Marker if soft.is_poisoned() => {
            "an access is to fail (UFFDIO_POISON or a memory error): SIGBUS"
        }
        SoftKind::Marker => "no page yet, and a userfaultfd is told when one is written to",
        SoftKind::Unknown => "a type of entry that this kernel has no meaning for",
    })
}
