// SPDX-License-Identifier: GPL-2.0

//! Which entries are wanted: the conditions of `struct mmlens_walk`.

use super::{
    entry::Raw,
    facts::Facts, //
};

/// Conditions, all of which have to hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Filter {
    /// What an entry must have, all of it.
    pub required: Facts,
    /// What it must have some of, unless this is empty.
    pub any: Facts,
    /// What it must have nothing of.
    pub excluded: Facts,
    /// Bits of the entry to compare.
    pub raw_mask: u64,
    /// What they have to be.
    pub raw_value: u64,
    /// First physical address of interest.
    pub phys_start: u64,
    /// Exclusive end; 0 if the place does not matter.
    pub phys_end: u64,
}

impl Filter {
    /// Everything passes.
    pub const ALL: Filter = Filter {
        required: Facts(0),
        any: Facts(0),
        excluded: Facts(0),
        raw_mask: 0,
        raw_value: 0,
        phys_start: 0,
        phys_end: 0,
    };

    /// Whether it can be passed at all: no bit that has no meaning, no condition against another, none
    /// for tables, which are no entries that an address ends at.
    pub const fn is_sound(&self) -> bool {
        let bits = self.required.0 | self.any.0 | self.excluded.0;
        bits & !(Facts::ALL.0 & !Facts::IN_ORDER.0) == 0
            && (self.required.0 | self.any.0) & Facts::TABLE.0 == 0
            && self.required.0 & self.excluded.0 == 0
            && self.raw_value & !self.raw_mask == 0
            && (self.phys_start < self.phys_end || self.phys_start == 0 && self.phys_end == 0)
    }

    /// Whether it asks for what only a look at the page tells.
    pub const fn wants_pages(&self) -> bool {
        (self.required.0 | self.any.0 | self.excluded.0) & Facts::PAGES.0 != 0
    }

    /// Whether each entry has to be looked at by itself, even if it is like its neighbours but for
    /// the place.
    pub const fn is_of_places(&self) -> bool {
        self.phys_end != 0
    }

    /// Whether entries with these facts and this value pass, the place aside.
    pub const fn passes(&self, facts: Facts, raw: Raw) -> bool {
        facts.has(self.required)
            && (self.any.0 == 0 || facts.0 & self.any.0 != 0)
            && facts.0 & self.excluded.0 == 0
            && raw.0 & self.raw_mask == self.raw_value
    }

    /// Whether `bytes` bytes of memory at `address` are in the physical range, in part at least.
    /// `None` is no memory.
    pub const fn passes_place(&self, address: Option<u64>, bytes: u64) -> bool {
        if !self.is_of_places() {
            return true;
        }
        match address {
            Some(address) => {
                address < self.phys_end && address.saturating_add(bytes) > self.phys_start
            }
            None => false,
        }
    }
}
