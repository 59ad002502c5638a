// SPDX-License-Identifier: GPL-2.0

//! Names of `vm_flags`, after `include/linux/mm.h`.

use core::fmt;

/// Names by bit number; bits whose meaning depends on the architecture have the general name.
///
/// No bit has another meaning in 7.2 than in 7.3, which added the last one.
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

/// What an architecture calls the bits that are left to it (`VM_ARCH_1`, `VM_HIGH_ARCH_*`).
///
/// What the configuration leaves out is never set, so its name is never shown.
#[derive(Clone, Copy, Debug)]
pub struct Names {
    special: &'static [(usize, &'static str)],
    shadow_stack: u32,
    /// `CONFIG_ARCH_PKEY_BITS`.
    pkey_bits: u32,
}

/// The names of x86_64.
// Only one of the two is used in the kernel, and both on the host.
#[allow(dead_code)]
pub static X86_64: Names = Names {
    special: &[
        (32, "PKEY_BIT0"),
        (33, "PKEY_BIT1"),
        (34, "PKEY_BIT2"),
        (35, "PKEY_BIT3"),
        (37, "SHADOW_STACK"),
    ],
    shadow_stack: 37,
    pkey_bits: 4,
};

/// The names of arm64. A guarded control stack (GCS) is a `SHADOW_STACK`.
#[allow(dead_code)]
pub static AARCH64: Names = Names {
    special: &[
        (24, "ARM64_BTI"),
        (32, "PKEY_BIT0"),
        (33, "PKEY_BIT1"),
        (34, "PKEY_BIT2"),
        (36, "MTE"),
        (37, "MTE_ALLOWED"),
        (38, "SHADOW_STACK"),
    ],
    shadow_stack: 38,
    pkey_bits: 3,
};

/// The names of the machine this code runs on.
#[cfg(target_arch = "x86_64")]
pub use X86_64 as NATIVE;

/// The names of the machine this code runs on.
#[cfg(target_arch = "aarch64")]
pub use AARCH64 as NATIVE;

impl Names {
    /// The name of a bit, if it has one.
    fn name(&self, bit: usize) -> Option<&'static str> {
        let special = self.special.iter().find(|&&(number, _)| number == bit);
        special
            .map(|&(_, name)| name)
            .or_else(|| NAMES.get(bit).copied())
    }
}

/// The flags of a VMA.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VmaFlags(pub u64);

impl VmaFlags {
    const READ: u64 = 1 << 0;
    const WRITE: u64 = 1 << 1;
    const EXEC: u64 = 1 << 2;
    const SHARED: u64 = 1 << 3;
    const MAYSHARE: u64 = 1 << 7;
    const GROWSDOWN: u64 = 1 << 8;
    const UFFD_MISSING: u64 = 1 << 9;
    const PFNMAP: u64 = 1 << 10;
    const UFFD_WP: u64 = 1 << 12;
    const IO: u64 = 1 << 14;
    const DONTEXPAND: u64 = 1 << 18;
    const HUGETLB: u64 = 1 << 22;
    const SOFTDIRTY: u64 = 1 << 27;
    const MIXEDMAP: u64 = 1 << 28;
    const HUGEPAGE: u64 = 1 << 29;
    const NOHUGEPAGE: u64 = 1 << 30;
    const MERGEABLE: u64 = 1 << 31;
    const UFFD_RWP: u64 = 1 << 43;
    const UFFD: [(u64, &'static str); 4] = [
        (Self::UFFD_MISSING, "missing"),
        (1 << 12, "wp"),
        (1 << 41, "minor"),
        (Self::UFFD_RWP, "rwp"),
    ];
    const PKEY_SHIFT: u32 = 32;

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

    /// Whether KSM may merge pages of it (`MADV_MERGEABLE`).
    pub const fn is_mergeable(self) -> bool {
        self.0 & Self::MERGEABLE != 0
    }

    /// Whether it may be written to.
    pub const fn is_writable(self) -> bool {
        self.0 & Self::WRITE != 0
    }

    /// Whether others see what is written to it (`VM_SHARED`).
    pub const fn is_shared(self) -> bool {
        self.0 & Self::SHARED != 0
    }

    /// Whether a userfaultfd protects pages of it from writing.
    pub const fn is_uffd_wp(self) -> bool {
        self.0 & Self::UFFD_WP != 0
    }

    /// Whether all of it counts as written to: soft-dirty bits were not cleared since it was made.
    pub const fn is_soft_dirty(self) -> bool {
        self.0 & Self::SOFTDIRTY != 0
    }

    /// What was advised of huge pages: `Some(true)` for `MADV_HUGEPAGE`, `Some(false)` for
    /// `MADV_NOHUGEPAGE`.
    pub const fn huge_advice(self) -> Option<bool> {
        match (self.0 & Self::HUGEPAGE != 0, self.0 & Self::NOHUGEPAGE != 0) {
            (_, true) => Some(false),
            (true, false) => Some(true),
            (false, false) => None,
        }
    }

    /// Whether a driver has a say in what is mapped (`VM_SPECIAL`): khugepaged leaves it alone.
    pub const fn is_driver_s(self) -> bool {
        self.0 & (Self::IO | Self::DONTEXPAND | Self::PFNMAP | Self::MIXEDMAP) != 0
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

    /// Whether page faults below it make it larger.
    pub fn grows_down(self) -> bool {
        self.0 & Self::GROWSDOWN != 0
    }

    /// Whether there are no struct pages behind it.
    pub fn is_pfnmap(self) -> bool {
        self.0 & Self::PFNMAP != 0
    }

    /// Whether it is memory of hugetlbfs.
    pub fn is_hugetlb(self) -> bool {
        self.0 & Self::HUGETLB != 0
    }

    /// Whether huge pages are refused (`MADV_NOHUGEPAGE`, `MAP_STACK`).
    pub fn is_nohugepage(self) -> bool {
        self.0 & Self::NOHUGEPAGE != 0
    }

    /// Whether it is a shadow stack of this machine.
    pub fn is_shadow_stack(self) -> bool {
        self.0 >> NATIVE.shadow_stack & 1 != 0
    }

    /// All flags by name, joined by `|`; bits without a name as a number.
    pub fn named(self, names: &'static Names) -> impl fmt::Display {
        Named(self, names)
    }

    /// The protection key (`vma_pkey()`), 0 if it has none of its own.
    pub fn pkey(self, names: &Names) -> u64 {
        self.0 >> Self::PKEY_SHIFT & ((1 << names.pkey_bits) - 1)
    }

    /// What userfaultfd is to report, joined by `,`: `missing,wp`.
    pub fn uffd_modes(self) -> impl fmt::Display {
        UffdModes(self)
    }
}

/// With the names of this machine.
impl fmt::Display for VmaFlags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.named(&NATIVE).fmt(f)
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

struct Named(VmaFlags, &'static Names);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(VmaFlags(flags), names) = *self;
        let mut separator = "";
        for bit in (0..64).filter(|bit| flags >> bit & 1 != 0) {
            match names.name(bit) {
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

struct UffdModes(VmaFlags);

impl fmt::Display for UffdModes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut separator = "";
        for (_, mode) in VmaFlags::UFFD
            .iter()
            .filter(|(flag, _)| self.0 .0 & flag != 0)
        {
            write!(f, "{separator}{mode}")?;
            separator = ",";
        }
        if separator.is_empty() {
            f.write_str("none")?;
        }
        Ok(())
    }
}
