// SPDX-License-Identifier: GPL-2.0

//! Names of page flags, after `include/uapi/linux/kernel-page-flags.h`.
//!
//! The numbers are those of `/proc/kpageflags`, which are the same on every kernel. The kernel's
//! own (`enum pageflags`) depend on its configuration.

use core::fmt;

/// Names by bit number; empty where there is none.
const NAMES: [&str; 43] = [
    "LOCKED",
    "ERROR",
    "REFERENCED",
    "UPTODATE",
    "DIRTY",
    "LRU",
    "ACTIVE",
    "SLAB",
    "WRITEBACK",
    "RECLAIM",
    "BUDDY",
    "MMAP",
    "ANON",
    "SWAPCACHE",
    "SWAPBACKED",
    "COMPOUND_HEAD",
    "COMPOUND_TAIL",
    "HUGE",
    "UNEVICTABLE",
    "HWPOISON",
    "NOPAGE",
    "KSM",
    "THP",
    "OFFLINE",
    "ZERO_PAGE",
    "IDLE",
    "PGTABLE",
    "",
    "",
    "",
    "",
    "",
    "RESERVED",
    "MLOCKED",
    "OWNER_2",
    "PRIVATE",
    "PRIVATE_2",
    "OWNER_PRIVATE",
    "ARCH",
    "UNCACHED",
    "SOFTDIRTY",
    "ARCH_2",
    "ARCH_3",
];

/// The flags of a page, as `/proc/kpageflags` has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PageFlags(pub u64);

impl PageFlags {
    const ANON: u64 = 1 << 12;
    const KSM: u64 = 1 << 21;

    /// Whether it is anonymous memory, merged by KSM or not.
    pub const fn is_anon(self) -> bool {
        self.0 & Self::ANON != 0
    }

    /// Whether KSM has merged it with others.
    pub const fn is_ksm(self) -> bool {
        self.0 & Self::KSM != 0
    }
}

/// All flags by name, joined by `|`; bits without a name as a number.
impl fmt::Display for PageFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for bit in (0..64).filter(|bit| self.0 >> bit & 1 != 0) {
            match NAMES.get(bit) {
                Some(name) if !name.is_empty() => write!(f, "{separator}{name}")?,
                _ => write!(f, "{separator}{:#x}", 1u64 << bit)?,
            }
            separator = "|";
        }
        if separator.is_empty() {
            f.write_str("0")?;
        }
        Ok(())
    }
}
