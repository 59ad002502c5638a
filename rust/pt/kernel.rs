// SPDX-License-Identifier: GPL-2.0

//! Entries of the kernel's own tables.
//!
//! The bits are those of user tables, and some mean something else: what the kernel would call bad
//! in the table of a process is made so on purpose (entries of `cpu_entry_area` have NX, ...), what
//! is not present is memory that was taken out of a mapping and not swapped out, and rights are
//! those of the kernel.

use super::{
    aarch64::{
        self,
        Aarch64, //
    },
    bits::{
        Bit,
        Scope, //
    },
    entry::{
        AddressBits,
        Entry,
        Raw,
        Rights, //
    },
    format::Format,
    level::Level,
    memory::MemoryType,
    x86_64::{
        self,
        X86_64, //
    }, //
};

/// The format of the kernel's tables on an architecture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kernel<F>(pub F);

/// What an architecture has to say of entries of the kernel's tables.
pub trait KernelFormat: Format {
    /// What each bit means: the software bits have other uses.
    const KERNEL_BITS: &'static [Bit];

    /// Says what `raw` is, at `level`, by the bits alone.
    fn decode_kernel(&self, raw: Raw, level: Level) -> Entry;

    /// What the kernel may do by this entry alone.
    fn kernel_rights(&self, raw: Raw, entry: &Entry) -> Rights;
}

impl<F: KernelFormat> Format for Kernel<F> {
    const BITS: &'static [Bit] = F::KERNEL_BITS;

    const SOFT_NUMBERS: u64 = F::SOFT_NUMBERS;

    fn address_bits(&self) -> AddressBits {
        self.0.address_bits()
    }

    fn leaf_address(&self, raw: Raw, level: Level) -> u64 {
        self.0.leaf_address(raw, level)
    }

    fn decode(&self, raw: Raw, level: Level) -> Entry {
        self.0.decode_kernel(raw, level)
    }

    fn rights(&self, raw: Raw, entry: &Entry, _level: Level) -> Rights {
        self.0.kernel_rights(raw, entry)
    }

    fn memory_type(&self, raw: Raw, level: Level) -> MemoryType {
        self.0.memory_type(raw, level)
    }

    fn is_protnone(&self, _raw: Raw) -> bool {
        false
    }

    fn is_uffd(&self, _raw: Raw) -> bool {
        false
    }

    fn is_swp_uffd(&self, _raw: Raw) -> bool {
        false
    }

    fn is_accessed(&self, raw: Raw) -> bool {
        self.0.is_accessed(raw)
    }

    fn is_dirty(&self, raw: Raw) -> bool {
        self.0.is_dirty(raw)
    }

    fn is_special(&self, raw: Raw) -> bool {
        self.0.is_special(raw)
    }

    fn contiguous(&self, level: Level) -> usize {
        self.0.contiguous(level)
    }

    fn gather_contiguous(&self, entries: &mut [Raw], index: usize, level: Level) {
        self.0.gather_contiguous(entries, index, level);
    }

    fn encryption(&self) -> u64 {
        self.0.encryption()
    }
}

impl KernelFormat for X86_64 {
    const KERNEL_BITS: &'static [Bit] = &[
        Bit::flag("P", 0, Scope::PRESENT),
        Bit::flag("RW", 1, Scope::PRESENT),
        Bit::flag("US", 2, Scope::PRESENT),
        Bit::flag("PWT", 3, Scope::PRESENT),
        Bit::flag("PCD", 4, Scope::PRESENT),
        Bit::flag("A", 5, Scope::PRESENT),
        Bit::flag("D", 6, Scope::PRESENT),
        Bit::flag("PAT", 7, Scope::PTE_LEAF),
        Bit::flag("PSE", 7, Scope::HUGE_LEAF),
        Bit::flag("PAT", 12, Scope::HUGE_LEAF),
        Bit::flag("G", 8, Scope::LEAF),
        // `_PAGE_KERNEL_4K`: not to become a part of a huge page.
        Bit::flag("kernel-4k", 11, Scope::LEAF),
        Bit::flag("NX", 63, Scope::PRESENT),
    ];

    fn decode_kernel(&self, raw: Raw, level: Level) -> Entry {
        match self.decode(raw, level) {
            Entry::None => Entry::None,
            // Taken out of a mapping (`set_memory_np()`): the frame is still there. A huge page is
            // not PSE any more (`__should_split_large_page()`, arch/x86/mm/pat/set_memory.c).
            Entry::NonPresent(_) if level <= Level::Pud => Entry::Leaf {
                pfn: self.pfn(raw.0, level, true),
            },
            Entry::Bad if raw.0 & x86_64::PRESENT != 0 => Entry::Table {
                pfn: self.pfn(raw.0, level, false),
            },
            Entry::NonPresent(_) | Entry::Bad => Entry::Bad,
            other => other,
        }
    }

    fn kernel_rights(&self, Raw(raw): Raw, entry: &Entry) -> Rights {
        let is_there = raw & x86_64::PRESENT != 0;
        match entry {
            Entry::Leaf { .. } | Entry::Table { .. } => Rights {
                read: is_there,
                write: is_there && raw & x86_64::RW != 0,
                exec: is_there && raw & x86_64::NX == 0,
            },
            Entry::None | Entry::NonPresent(_) | Entry::Bad => Rights::default(),
        }
    }
}

impl KernelFormat for Aarch64 {
    const KERNEL_BITS: &'static [Bit] = Self::BITS;

    fn decode_kernel(&self, raw: Raw, level: Level) -> Entry {
        match self.decode(raw, level) {
            Entry::NonPresent(_) => Entry::Bad,
            other => other,
        }
    }

    fn kernel_rights(&self, Raw(raw): Raw, entry: &Entry) -> Rights {
        let is_there = raw & aarch64::VALID != 0;
        match entry {
            Entry::Leaf { .. } => Rights {
                read: is_there,
                // As for user space: DBM is PTE_WRITE.
                write: is_there && (raw & aarch64::DBM != 0 || raw & aarch64::RDONLY == 0),
                exec: is_there && raw & aarch64::PXN == 0,
            },
            Entry::Table { .. } => Rights {
                read: true,
                write: raw & aarch64::RDONLY_TABLE == 0,
                exec: raw & aarch64::PXN_TABLE == 0,
            },
            Entry::None | Entry::NonPresent(_) | Entry::Bad => Rights::default(),
        }
    }
}
