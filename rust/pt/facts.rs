// SPDX-License-Identifier: GPL-2.0

//! What can be said of an entry in the same words on each architecture, a bit for each.
//!
//! The bits are those of `MMLENS_PT_*` in `uapi/mmlens.h`.

use super::{
    entry::Entry,
    format::Format,
    level::Level,
    memory::MemoryType,
    page::PageKind,
    softleaf::{
        SoftKind,
        SoftLeaf, //
    },
    walk::Found, //
};

/// A set of facts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(transparent)]
pub struct Facts(pub u64);

macro_rules! facts {
    ($($(#[$doc:meta])* $name:ident = $bit:literal, $word:literal;)+) => {
        impl Facts {
            $($(#[$doc])* pub const $name: Facts = Facts(1 << $bit);)+

            /// Each fact and its word, in the order of the bits.
            pub const WORDS: &'static [(Facts, &'static str)] = &[$((Self::$name, $word),)+];
        }
    };
}

facts! {
    /// In the lowest table.
    PTE = 0, "pte";
    /// In a page middle directory.
    PMD = 1, "pmd";
    /// In a page upper directory.
    PUD = 2, "pud";
    /// In a 4th-level directory.
    P4D = 3, "p4d";
    /// In the top table.
    PGD = 4, "pgd";
    /// Nothing is mapped and nothing is remembered.
    HOLE = 5, "hole";
    /// Maps a page or a huge page.
    PRESENT = 6, "present";
    /// The kernel keeps a note in it.
    NONPRESENT = 7, "nonpresent";
    /// Points to a table.
    TABLE = 8, "table";
    /// Nothing that the kernel would follow.
    BAD = 9, "bad";
    /// User space may read, all levels considered.
    READ = 10, "read";
    /// User space may write, all levels considered.
    WRITE = 11, "write";
    /// User space may execute, all levels considered.
    EXEC = 12, "exec";
    /// Used since the kernel last looked.
    ACCESSED = 13, "accessed";
    /// Written through.
    DIRTY = 14, "dirty";
    /// Written since the soft-dirty bits were cleared.
    SOFT_DIRTY = 15, "soft-dirty";
    /// Under the protection of a userfaultfd.
    UFFD = 16, "uffd";
    /// Mapped by number, without a `struct page`.
    SPECIAL = 17, "special";
    /// There for the kernel alone: `PROT_NONE`, or a NUMA hint.
    PROTNONE = 18, "protnone";
    /// Part of a contiguous range (arm64).
    CONT = 19, "cont";
    /// A page of a shadow stack (x86_64).
    SHADOW_STACK = 20, "shadow-stack";
    /// Encrypted memory (x86_64).
    ENCRYPTED = 21, "encrypted";
    /// Write-back, with or without tags.
    WB = 24, "wb";
    /// Write-through.
    WT = 25, "wt";
    /// Write-combining; normal memory that is not cacheable on arm64.
    WC = 26, "wc";
    /// Not cacheable (x86_64).
    UC = 27, "uc";
    /// Device memory (arm64).
    DEVICE = 28, "device";
    /// Another memory type.
    OTHER_TYPE = 29, "other-type";
    /// A page in a swap area.
    SWAP = 32, "swap";
    /// A page on its way to another frame.
    MIGRATION = 33, "migration";
    /// A page that a device has.
    DEVICE_PAGE = 34, "device-page";
    /// A page lost to a memory error.
    HWPOISON = 35, "hwpoison";
    /// No page, but a note.
    MARKER = 36, "marker";
    /// A note: any access is `SIGSEGV`.
    GUARD = 37, "guard";
    /// A note: any access is `SIGBUS`.
    POISONED = 38, "poisoned";
    /// Maps no memory that the kernel manages.
    PAGE_DEVICE = 40, "page-device";
    /// Maps the page of zeros.
    PAGE_ZERO = 41, "page-zero";
    /// Maps anonymous memory.
    PAGE_ANON = 42, "page-anon";
    /// Maps anonymous memory that KSM has merged.
    PAGE_KSM = 43, "page-ksm";
    /// Maps the page cache of a file.
    PAGE_FILE = 44, "page-file";
    /// Maps shmem.
    PAGE_SHMEM = 45, "page-shmem";
    /// Maps hugetlbfs.
    PAGE_HUGETLB = 46, "page-hugetlb";
    /// Maps memory of the kernel or of a driver.
    PAGE_KERNEL = 47, "page-kernel";
    /// Maps memory by number.
    PAGE_RAM = 48, "page-ram";
    /// A run whose places follow one another.
    IN_ORDER = 56, "in-order";
}

// The kernel spells nothing: words are for the tools.
#[allow(dead_code)]
impl Facts {
    /// All levels.
    pub const LEVELS: Facts = Facts(0x1f);
    /// What only a look at the page tells.
    pub const PAGES: Facts = Facts(0x1ff << 40);
    /// All that have a meaning.
    pub const ALL: Facts = {
        let mut all = 0;
        let mut rest = Self::WORDS;
        while let [(fact, _), after @ ..] = rest {
            all |= fact.0;
            rest = after;
        }
        Facts(all)
    };

    /// Both.
    pub const fn with(self, other: Facts) -> Facts {
        Facts(self.0 | other.0)
    }

    /// This if `condition` holds, else nothing.
    pub const fn when(self, condition: bool) -> Facts {
        if condition {
            self
        } else {
            Facts(0)
        }
    }

    /// Whether all of `other` is in here.
    pub const fn has(self, other: Facts) -> bool {
        self.0 & other.0 == other.0
    }

    /// The fact of this word.
    pub fn from_word(word: &str) -> Option<Facts> {
        let known = Self::WORDS.iter().find(|&&(_, w)| w == word);
        known.map(|&(fact, _)| fact)
    }

    /// The words of the set.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        let set = Self::WORDS.iter().filter(move |&&(fact, _)| self.has(fact));
        set.map(|&(_, word)| word)
    }

    /// The level that the set tells.
    pub fn level(self) -> Option<Level> {
        Level::TOP_DOWN
            .into_iter()
            .find(|&level| self.has(Self::of_level(level)))
    }

    /// The fact that an entry is of `level`.
    pub const fn of_level(level: Level) -> Facts {
        Facts(1 << level.number())
    }

    /// The fact of a kind of page.
    pub const fn of_page(page: PageKind) -> Facts {
        match page {
            PageKind::Unknown => Facts(0),
            PageKind::Device => Self::PAGE_DEVICE,
            PageKind::Zero => Self::PAGE_ZERO,
            PageKind::Anon => Self::PAGE_ANON,
            PageKind::Ksm => Self::PAGE_KSM,
            PageKind::File => Self::PAGE_FILE,
            PageKind::Shmem => Self::PAGE_SHMEM,
            PageKind::Hugetlb => Self::PAGE_HUGETLB,
            PageKind::Kernel => Self::PAGE_KERNEL,
            PageKind::Ram => Self::PAGE_RAM,
        }
    }

    /// The fact of a memory type.
    pub const fn of_memory(memory: MemoryType) -> Facts {
        match memory {
            MemoryType::Wb | MemoryType::Tagged => Self::WB,
            MemoryType::Wt => Self::WT,
            MemoryType::Wc | MemoryType::Nc => Self::WC,
            MemoryType::Uc | MemoryType::UcMinus => Self::UC,
            MemoryType::NGnRnE | MemoryType::NGnRE | MemoryType::NGre | MemoryType::Gre => {
                Self::DEVICE
            }
            MemoryType::Wp | MemoryType::Number(_) => Self::OTHER_TYPE,
        }
    }

    /// What a non-present entry says.
    const fn of_soft(soft: &SoftLeaf) -> Facts {
        match soft.kind {
            SoftKind::Unknown => Facts(0),
            SoftKind::Swap => Self::SWAP,
            SoftKind::MigrationRead
            | SoftKind::MigrationReadExclusive
            | SoftKind::MigrationWrite => Self::MIGRATION,
            SoftKind::DevicePrivateRead
            | SoftKind::DevicePrivateWrite
            | SoftKind::DeviceExclusive => Self::DEVICE_PAGE,
            SoftKind::HwPoison => Self::HWPOISON,
            SoftKind::Marker => Self::MARKER
                .with(Self::GUARD.when(soft.is_guard()))
                .with(Self::POISONED.when(soft.is_poisoned()))
                .with(Self::UFFD.when(soft.is_uffd_marker())),
        }
    }

    /// What can be said of `found`.
    pub fn of<F: Format>(format: &F, found: &Found) -> Facts {
        let &Found {
            raw,
            entry,
            level,
            page,
            ..
        } = found;
        let kind = match &entry {
            Entry::None => Self::HOLE,
            Entry::Bad => Self::BAD,
            Entry::Table { .. } => Self::TABLE,
            Entry::NonPresent(soft) => Self::NONPRESENT
                .with(Self::of_soft(soft))
                .with(Self::UFFD.when(format.is_swp_uffd(raw) && soft.kind != SoftKind::Marker))
                .with(Self::SOFT_DIRTY.when(format.is_swp_soft_dirty(raw))),
            Entry::Leaf { .. } => Self::PRESENT
                .with(Self::ACCESSED.when(format.is_accessed(raw)))
                .with(Self::DIRTY.when(format.is_dirty(raw)))
                .with(Self::SOFT_DIRTY.when(format.is_soft_dirty(raw)))
                .with(Self::UFFD.when(format.is_uffd(raw)))
                .with(Self::SPECIAL.when(format.is_special(raw)))
                .with(Self::PROTNONE.when(format.is_protnone(raw)))
                .with(Self::CONT.when(format.is_contiguous(raw)))
                .with(Self::SHADOW_STACK.when(format.is_shadow_stack(raw)))
                .with(Self::ENCRYPTED.when(raw.0 & format.encryption() != 0))
                .with(Self::of_memory(format.memory_type(raw, level)))
                .with(Self::of_page(page)),
        };
        let rights = found.effective(format);
        kind.with(Self::of_level(level))
            .with(Self::READ.when(rights.read))
            .with(Self::WRITE.when(rights.write))
            .with(Self::EXEC.when(rights.exec))
    }
}
