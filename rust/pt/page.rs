// SPDX-License-Identifier: GPL-2.0

//! What kind of page a leaf maps, as `struct page` says.

/// The kind of a page. The numbers are part of the interface with `pages.c`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(u8)]
pub enum PageKind {
    /// Not looked at, or changed while it was.
    #[default]
    Unknown = 0,
    /// No memory that the kernel manages: a device, or memory that is offline.
    Device = 1,
    /// The page of zeros that all processes share.
    Zero = 2,
    /// Anonymous memory.
    Anon = 3,
    /// Anonymous memory that KSM has merged.
    Ksm = 4,
    /// Page cache of a file.
    File = 5,
    /// Page cache of shmem, tmpfs or shared anonymous memory.
    Shmem = 6,
    /// A page of hugetlbfs.
    Hugetlb = 7,
    /// Memory of the kernel or of a driver: in no page cache.
    Kernel = 8,
    /// Mapped by number (special), though it is memory: whose, the entry does not say.
    Ram = 9,
}

impl PageKind {
    /// The kind with number `n`; [`PageKind::Unknown`] for others.
    pub const fn from_number(n: u8) -> Self {
        match n {
            1 => Self::Device,
            2 => Self::Zero,
            3 => Self::Anon,
            4 => Self::Ksm,
            5 => Self::File,
            6 => Self::Shmem,
            7 => Self::Hugetlb,
            8 => Self::Kernel,
            9 => Self::Ram,
            _ => Self::Unknown,
        }
    }

    /// What a page of this kind is in view of the entry that maps it: special, that is mapped by its
    /// number (`pte_special()`), or a huge leaf of anonymous memory.
    pub const fn seen(self, is_special: bool, is_huge_anonymous: bool) -> Self {
        match self {
            // A huge page that is nobody's, where there is no driver to have mapped it.
            Self::Kernel if is_huge_anonymous => Self::Zero,
            Self::Unknown | Self::Device | Self::Zero => self,
            _ if is_special => Self::Ram,
            _ => self,
        }
    }

    /// What a page of anonymous memory is that KSM must not touch, by the entry alone: anonymous, or
    /// the page of zeros, which is special.
    pub const fn of_anonymous(is_special: bool) -> Self {
        if is_special {
            Self::Zero
        } else {
            Self::Anon
        }
    }

    /// The word in the dumps.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unknown => "-",
            Self::Device => "device",
            Self::Zero => "zero",
            Self::Anon => "anon",
            Self::Ksm => "ksm",
            Self::File => "file",
            Self::Shmem => "shmem",
            Self::Hugetlb => "hugetlb",
            Self::Kernel => "kernel",
            Self::Ram => "ram",
        }
    }
}
