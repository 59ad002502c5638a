// SPDX-License-Identifier: GPL-2.0

//! How much of what there is in the tables.

use super::{
    entry::Entry,
    format::Format,
    level::{
        Geometry,
        Level,
        LEVELS, //
    },
    softleaf::SoftKind,
    walk::Found, //
};
use core::fmt;

/// Sums over entries, each of which was added once.
///
/// What is counted in pages are pages of the base size, also of huge leaves, as far as they serve
/// the addresses that were walked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Count {
    /// Tables, by the level of their entries. The top table is not counted: no entry points to it.
    pub tables: [u64; LEVELS],
    /// Leaves, by level.
    pub leaves: [u64; LEVELS],
    /// Pages that are mapped.
    pub present: u64,
    /// Of these: in contiguous ranges, which the hardware may take for one.
    pub contiguous: u64,
    /// Of these: accessed since the kernel last looked.
    pub accessed: u64,
    /// Of these: written to.
    pub dirty: u64,
    /// Of these: writable, by the leaf alone.
    pub writable: u64,
    /// Of these: not for user space, `PROT_NONE` or a NUMA hint.
    pub protnone: u64,
    /// Of these: without a claim to a `struct page` (`pte_special()`).
    pub special: u64,
    /// Pages in swap areas.
    pub swap: u64,
    /// Pages on their way to another frame.
    pub migration: u64,
    /// Pages that a device has.
    pub device: u64,
    /// Pages lost to memory errors.
    pub hwpoison: u64,
    /// Pages that are not there, but with a note of the kernel.
    pub marker: u64,
    /// Other pages that are not there.
    pub nonpresent: u64,
    /// Entries that the kernel would not follow.
    pub bad: u64,
}

impl Count {
    /// Adds an entry.
    pub fn add<F: Format>(&mut self, format: &F, geometry: &Geometry, found: &Found) {
        let pages = (found.end - found.start) / geometry.page_size();
        match &found.entry {
            Entry::None => {}
            Entry::Bad => self.bad += 1,
            Entry::Table { .. } => {
                let below = geometry.below(found.level).unwrap_or(Level::Pte);
                if let Some(tables) = self.tables.get_mut(usize::from(below.number())) {
                    *tables += 1;
                }
            }
            Entry::Leaf { .. } => self.add_leaf(format, found, pages),
            Entry::NonPresent(soft) => {
                *match soft.kind {
                    SoftKind::Swap => &mut self.swap,
                    SoftKind::MigrationRead
                    | SoftKind::MigrationReadExclusive
                    | SoftKind::MigrationWrite => &mut self.migration,
                    SoftKind::DevicePrivateRead
                    | SoftKind::DevicePrivateWrite
                    | SoftKind::DeviceExclusive => &mut self.device,
                    SoftKind::HwPoison => &mut self.hwpoison,
                    SoftKind::Marker => &mut self.marker,
                    SoftKind::Unknown => &mut self.nonpresent,
                } += pages;
            }
        }
    }

    fn add_leaf<F: Format>(&mut self, format: &F, found: &Found, pages: u64) {
        if let Some(leaves) = self.leaves.get_mut(usize::from(found.level.number())) {
            *leaves += 1;
        }
        let rights = format.rights(found.raw, &found.entry, found.level);
        let if_so = |is_so: bool| if is_so { pages } else { 0 };
        self.present += pages;
        self.contiguous += if_so(format.is_contiguous(found.raw));
        self.accessed += if_so(format.is_accessed(found.raw));
        self.dirty += if_so(format.is_dirty(found.raw));
        self.writable += if_so(rights.write);
        self.protnone += if_so(format.is_protnone(found.raw));
        self.special += if_so(format.is_special(found.raw));
    }

    /// Adds what was counted elsewhere.
    pub fn merge(&mut self, other: &Count) {
        let by_level = |sums: &mut [u64; LEVELS], others: &[u64; LEVELS]| {
            for (sum, other) in sums.iter_mut().zip(others) {
                *sum += other;
            }
        };
        by_level(&mut self.tables, &other.tables);
        by_level(&mut self.leaves, &other.leaves);
        for ((_, sum), (_, other)) in self.fields_mut().into_iter().zip(other.fields()) {
            *sum += other;
        }
    }

    /// Tables of all levels.
    pub fn all_tables(&self) -> u64 {
        self.tables.iter().sum()
    }

    /// The sums that are not by level, with the names of the dumps.
    pub fn fields(&self) -> [(&'static str, u64); 14] {
        let mut copy = *self;
        copy.fields_mut().map(|(name, sum)| (name, *sum))
    }

    fn fields_mut(&mut self) -> [(&'static str, &mut u64); 14] {
        [
            ("present", &mut self.present),
            ("contiguous", &mut self.contiguous),
            ("accessed", &mut self.accessed),
            ("dirty", &mut self.dirty),
            ("writable", &mut self.writable),
            ("protnone", &mut self.protnone),
            ("special", &mut self.special),
            ("swap", &mut self.swap),
            ("migration", &mut self.migration),
            ("device", &mut self.device),
            ("hwpoison", &mut self.hwpoison),
            ("marker", &mut self.marker),
            ("nonpresent", &mut self.nonpresent),
            ("bad", &mut self.bad),
        ]
    }

    /// Writes what is not 0 as words `name=N`, each with a space before it.
    pub fn write_words(&self, out: &mut dyn fmt::Write) -> fmt::Result {
        for (name, sum) in self.fields().iter().filter(|(_, sum)| *sum != 0) {
            write!(out, " {name}={sum}")?;
        }
        for level in Level::TOP_DOWN.into_iter().filter(|&l| l > Level::Pte) {
            match self.leaves.get(usize::from(level.number())) {
                Some(&leaves) if leaves != 0 => write!(out, " {}={leaves}", level.name())?,
                _ => {}
            }
        }
        match self.all_tables() {
            0 => Ok(()),
            tables => write!(out, " tables={tables}"),
        }
    }
}

/// Tells tables that were seen before from new ones, in a walk by address that comes to the same
/// table again for each VMA that it serves.
#[derive(Clone, Copy, Debug)]
pub struct Once([Option<u64>; LEVELS]);

impl Once {
    /// Nothing was seen.
    pub const fn new() -> Self {
        Self([None; LEVELS])
    }

    /// Whether `found`, the entry of a table, is seen for the first time.
    pub fn is_new(&mut self, geometry: &Geometry, found: &Found) -> bool {
        let start = Some(geometry.entry_start(found.start, found.level));
        match self.0.get_mut(usize::from(found.level.number())) {
            Some(last) => core::mem::replace(last, start) != start,
            None => true,
        }
    }
}

impl Default for Once {
    fn default() -> Self {
        Self::new()
    }
}
