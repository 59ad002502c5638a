// SPDX-License-Identifier: GPL-2.0

//! Names of `vm_flags`, after `include/linux/mm.h`.

use core::fmt;

/// Names by bit number; bits whose meaning depends on the architecture have the general name.
const NAMES: [&str; 44] = [
    "READ",
    "WRITE",
    "EXEC",
    "SHARED",
    "MAYREAD",
    "MAYWRITE",
    "MAYEXEC",
    "MAYSHARE",
    "GROWSDOWN",
    "UFFD_MISSING",
    "PFNMAP",
    "MAYBE_GUARD",
    "UFFD_WP",
    "LOCKED",
    "IO",
    "SEQ_READ",
    "RAND_READ",
    "DONTCOPY",
    "DONTEXPAND",
    "LOCKONFAULT",
    "ACCOUNT",
    "NORESERVE",
    "HUGETLB",
    "SYNC",
    "ARCH_1",
    "WIPEONFORK",
    "DONTDUMP",
    "SOFTDIRTY",
    "MIXEDMAP",
    "HUGEPAGE",
    "NOHUGEPAGE",
    "MERGEABLE",
    "HIGH_ARCH_0",
    "HIGH_ARCH_1",
    "HIGH_ARCH_2",
    "HIGH_ARCH_3",
    "HIGH_ARCH_4",
    "HIGH_ARCH_5",
    "HIGH_ARCH_6",
    "ALLOW_ANY_UNCACHED",
    "DROPPABLE",
    "UFFD_MINOR",
    "SEALED",
    "UFFD_RWP",
];

/// The flags of a VMA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VmaFlags(pub u64);

impl VmaFlags {
    const READ: u64 = 1 << 0;
    const WRITE: u64 = 1 << 1;
    const EXEC: u64 = 1 << 2;
    const MAYSHARE: u64 = 1 << 7;
    const UFFD_MISSING: u64 = 1 << 9;
    const PFNMAP: u64 = 1 << 10;
    const MIXEDMAP: u64 = 1 << 28;
    const UFFD_RWP: u64 = 1 << 43;

    /// Whether it allows any access (`vma_is_accessible()`).
    pub const fn is_accessible(self) -> bool {
        self.0 & (Self::READ | Self::WRITE | Self::EXEC) != 0
    }

    /// Whether what is missing is asked for from a userfaultfd.
    pub const fn is_uffd_missing(self) -> bool {
        self.0 & Self::UFFD_MISSING != 0
    }

    /// Whether a userfaultfd protects pages of it from any access (since 7.3).
    pub const fn is_uffd_rwp(self) -> bool {
        self.0 & Self::UFFD_RWP != 0
    }

    /// Whether it may map pages by their numbers.
    pub const fn is_special(self) -> bool {
        self.0 & (Self::PFNMAP | Self::MIXEDMAP) != 0
    }

    /// The four letters of `/proc/PID/maps`: `rw-p`. As there, the last one is whether the mapping
    /// was made shared (`VM_MAYSHARE`).
    pub fn letters(self) -> [u8; 4] {
        let letter = |flag: u64, yes: u8, no: u8| if self.0 & flag != 0 { yes } else { no };
        [
            letter(Self::READ, b'r', b'-'),
            letter(Self::WRITE, b'w', b'-'),
            letter(Self::EXEC, b'x', b'-'),
            letter(Self::MAYSHARE, b's', b'p'),
        ]
    }

    /// The letters as a value that can be printed.
    pub fn perms(self) -> impl fmt::Display {
        Perms(self)
    }
}

struct Perms(VmaFlags);

impl fmt::Display for Perms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        self.0
            .letters()
            .iter()
            .try_for_each(|&c| f.write_char(char::from(c)))
    }
}

/// All flags by name, joined by `|`; bits without a name as a number.
impl fmt::Display for VmaFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for bit in (0..64).filter(|bit| self.0 >> bit & 1 != 0) {
            match NAMES.get(bit) {
                Some(name) => write!(f, "{separator}{name}")?,
                None => write!(f, "{separator}{:#x}", 1u64 << bit)?,
            }
            separator = "|";
        }
        if separator.is_empty() {
            f.write_str("0")?;
        }
        Ok(())
    }
}
