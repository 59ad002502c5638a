// SPDX-License-Identifier: GPL-2.0

//! What an architecture has to say of its entries.

use super::{
    bits::{
        named,
        Bit, //
    },
    entry::{
        AddressBits,
        Entry,
        Raw,
        Rights, //
    },
    level::Level, //
};

/// The entry format of an architecture.
pub trait Format: Copy {
    /// What each bit means, for every level and kind.
    const BITS: &'static [Bit];

    /// Where the physical address is.
    fn address_bits(&self) -> AddressBits;

    /// Says what `raw` is, at `level`.
    fn decode(&self, raw: Raw, level: Level) -> Entry;

    /// What user space may do through a leaf.
    fn rights(&self, raw: Raw) -> Rights;

    /// The bits of an entry like `entry` that are flags: all but the address of a leaf or table,
    /// and of an entry that is not present only the ones with a name, for the others are the
    /// numbers in [`SoftLeaf`].
    ///
    /// Two entries that agree in their kind and in these bits look the same in the dumps.
    fn flag_bits(&self, entry: &Entry, level: Level) -> u64 {
        match entry {
            Entry::Leaf { .. } | Entry::Table { .. } => {
                // A named bit may lie in the low address bits of a page, where a huge leaf has
                // none. What has been moved down there is address, whatever else has a name for it.
                let AddressBits { low, high, .. } = self.address_bits();
                (!low | named(Self::BITS, entry, level)) & !high
            }
            Entry::NonPresent(_) => named(Self::BITS, entry, level),
            Entry::None | Entry::Bad => u64::MAX,
        }
    }
}
