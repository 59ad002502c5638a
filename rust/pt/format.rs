// SPDX-License-Identifier: GPL-2.0

//! What an architecture has to say of its entries.

use super::{
    bits::{
        write_names,
        Bit, //
    },
    entry::{
        AddressBits,
        Entry,
        Raw,
        Rights, //
    },
    level::Level,
    memory::MemoryType, //
};
use core::fmt;

/// The entry format of an architecture.
pub trait Format: Copy {
    /// What each bit means, for every level and kind.
    const BITS: &'static [Bit];

    /// Where the physical address is.
    fn address_bits(&self) -> AddressBits;

    /// The bits of [`AddressBits::low`] that are the address in the leaf `raw` of `level`: those below
    /// its size are not.
    fn leaf_address(&self, raw: Raw, level: Level) -> u64;

    /// The bits of a non-present entry that are the numbers in
    /// [`SoftLeaf`](super::softleaf::SoftLeaf).
    const SOFT_NUMBERS: u64;

    /// Says what `raw` is, at `level`.
    fn decode(&self, raw: Raw, level: Level) -> Entry;

    /// What user space may do by this entry alone: through a leaf, or through all that is below a
    /// table. Nothing through other kinds.
    fn rights(&self, raw: Raw, entry: &Entry, level: Level) -> Rights;

    /// How the processor treats accesses through a leaf.
    fn memory_type(&self, raw: Raw, level: Level) -> MemoryType;

    /// Whether a leaf is there for the kernel alone, to learn of the next access: `PROT_NONE` or a
    /// NUMA hint (`pte_protnone()`).
    fn is_protnone(&self, raw: Raw) -> bool;

    /// Whether a leaf is under the protection of a userfaultfd (`pte_uffd_wp()`, since 7.3
    /// `pte_uffd()`).
    fn is_uffd(&self, raw: Raw) -> bool;

    /// Whether a leaf maps a page by its number, without a claim to its `struct page`
    /// (`pte_special()`).
    fn is_special(&self, raw: Raw) -> bool;

    /// Whether a leaf was used since the kernel last looked (`pte_young()`).
    fn is_accessed(&self, raw: Raw) -> bool;

    /// Whether a leaf was written through (`pte_dirty()`).
    fn is_dirty(&self, raw: Raw) -> bool;

    /// Whether a leaf was written since the soft-dirty bits were cleared (`pte_soft_dirty()`).
    fn is_soft_dirty(&self, _raw: Raw) -> bool {
        false
    }

    /// Whether a leaf is of a user's shadow stack.
    fn is_shadow_stack(&self, _raw: Raw) -> bool {
        false
    }

    /// Whether a non-present entry is under the protection of a userfaultfd (`pte_swp_uffd_wp()`).
    fn is_swp_uffd(&self, raw: Raw) -> bool;

    /// The same of soft-dirty (`pte_swp_soft_dirty()`).
    fn is_swp_soft_dirty(&self, _raw: Raw) -> bool {
        false
    }

    /// Whether a leaf is part of a contiguous range, for which the hardware may need one entry
    /// only.
    fn is_contiguous(&self, _raw: Raw) -> bool {
        false
    }

    /// How many neighbours of `level` make a contiguous range: a power of two, 1 if there are none
    /// such.
    fn contiguous(&self, _level: Level) -> usize {
        1
    }

    /// Gives each entry of a contiguous range what the hardware may note in any of them: accessed
    /// and dirty. `entries` are neighbours of `level`, the first one number `index` of its table.
    fn gather_contiguous(&self, _entries: &mut [Raw], _index: usize, _level: Level) {}

    /// The bit that says that the memory is encrypted, 0 if there is none.
    fn encryption(&self) -> u64 {
        0
    }

    /// The bits of `raw`, which is `entry`, that are flags: all but the address of a leaf or table and
    /// the numbers of what is not present.
    ///
    /// Two entries that agree in their kind and in these bits look the same in the dumps.
    fn flag_bits(&self, raw: Raw, entry: &Entry, level: Level) -> u64 {
        let AddressBits { low, high, .. } = self.address_bits();
        match entry {
            Entry::Leaf { .. } => !self.leaf_address(raw, level) & !high,
            Entry::Table { .. } => !low & !high,
            Entry::NonPresent(_) => !Self::SOFT_NUMBERS,
            Entry::None | Entry::Bad => u64::MAX,
        }
    }

    /// Writes the names of the flags that are set, each with a space before it.
    fn write_flags(
        &self,
        out: &mut dyn fmt::Write,
        raw: Raw,
        entry: &Entry,
        level: Level,
    ) -> fmt::Result {
        let is_present = matches!(entry, Entry::Leaf { .. } | Entry::Table { .. });
        let encryption = if is_present { self.encryption() } else { 0 };
        let shown = self.flag_bits(raw, entry, level) & !encryption;
        write_names(out, Self::BITS, raw, entry, level, shown)?;
        if raw.0 & encryption != 0 {
            out.write_str(" encrypted")?;
        }
        if matches!(entry, Entry::Leaf { .. }) && self.is_shadow_stack(raw) {
            out.write_str(" shadow-stack")?;
        }
        Ok(())
    }
}
