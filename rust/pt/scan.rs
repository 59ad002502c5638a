// SPDX-License-Identifier: GPL-2.0

//! A look at a table that takes in neighbours that are alike at once.

use super::{
    entry::{
        AddressBits,
        Entry,
        Raw,
        Rights, //
    },
    facts::Facts,
    format::Format,
    level::{
        Geometry,
        Level,
        LEVELS, //
    },
    page::PageKind,
    walk::{
        Found,
        Snapshot, //
    }, //
};

/// Neighbours in a table that agree in a mask. The layout is that of `struct mmlens_same`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Same {
    /// The first of them.
    pub raw: Raw,
    /// How many.
    pub count: u32,
    /// Whether they are leaves whose page frames follow one another, 0 or 1.
    pub in_order: u32,
}

impl Same {
    /// Whether what they point to follows one another, as far as that can be.
    pub fn is_in_order(&self) -> bool {
        self.count == 1 || self.in_order != 0
    }
}

/// Neighbours of which the same is to be said. The layout is that of `struct mmlens_stretch`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[repr(C)]
pub struct Stretch {
    /// What is said; nothing if they are left out.
    pub facts: Facts,
    /// How many.
    pub count: u64,
}

impl Same {
    /// Whether the way down to `level`, which was to end at this entry, goes on since: it was made a
    /// table meanwhile.
    pub fn became_table<F: Format>(&self, format: &F, level: Level) -> bool {
        level > Level::Pte && matches!(format.decode(self.raw, level), Entry::Table { .. })
    }
}

/// How many of `raws` agree with the first in `mask`.
pub fn agree(raws: &[Raw], mask: u64) -> usize {
    let Some(first) = raws.first() else {
        return 0;
    };
    // Eight at a time.
    let mut chunks = raws.chunks_exact(8);
    let differ = |chunk: &[Raw]| chunk.iter().fold(0, |all, raw| all | (raw.0 ^ first.0)) & mask;
    let alike = 8 * chunks
        .by_ref()
        .take_while(|chunk| differ(chunk) == 0)
        .count();
    let rest = raws.get(alike..).unwrap_or_default();
    alike
        + rest
            .iter()
            .take_while(|raw| (raw.0 ^ first.0) & mask == 0)
            .count()
}

/// The bits in which leaves that are alike agree, by the number of their level. What is no leaf is
/// alike if it is equal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Masks(pub [u64; LEVELS]);

impl Masks {
    /// All bits but those of the page frame, and those of `more`.
    pub fn new<F: Format>(format: &F, more: u64) -> Self {
        let mut masks = [u64::MAX; LEVELS];
        for level in Level::TOP_DOWN {
            let leaf = Entry::Leaf { pfn: 0 };
            if let Some(mask) = masks.get_mut(usize::from(level.number())) {
                *mask = more | format.flag_bits(Raw(0), &leaf, level);
            }
        }
        Self(masks)
    }

    /// Those of a level.
    pub fn of(&self, level: Level) -> u64 {
        let mask = self.0.get(usize::from(level.number())).copied();
        mask.unwrap_or(u64::MAX)
    }
}

/// A look at the entries that an address ends at.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// First address of interest.
    pub start: u64,
    /// Exclusive end of what was looked at, or of interest.
    pub end: u64,
    /// The level of the entries.
    pub level: Level,
    /// What the tables above leave to user space.
    pub limits: Rights,
    /// Names what the entries are part of: entries of two VMAs make no run.
    pub owner: u64,
}

impl Look {
    /// A look at `snapshot.count` entries of its lowest level from `start` on, of interest up to
    /// `end`. `limits` are those of the tables above.
    pub fn new(
        geometry: &Geometry,
        snapshot: &Snapshot,
        limits: Rights,
        start: u64,
        end: u64,
        owner: u64,
    ) -> Self {
        let level = snapshot.reached;
        let bytes = (snapshot.count as u64).saturating_mul(geometry.size(level));
        let looked = geometry.entry_start(start, level).saturating_add(bytes);
        Self {
            start,
            end: looked.min(end),
            level,
            limits,
            owner,
        }
    }
}

/// What tables leave to user space, of the last way down to a table: the next one has the same flags,
/// mostly.
#[derive(Clone, Copy, Debug)]
pub struct Above {
    path: [Raw; LEVELS],
    level: Level,
    limits: Rights,
}

impl Above {
    /// Nothing is known yet.
    pub const fn new() -> Self {
        Self {
            path: [Raw(0); LEVELS],
            level: Level::Pgd,
            limits: Rights::ALL,
        }
    }

    /// What the tables above the lowest level of `snapshot` leave.
    pub fn limits<F: Format>(
        &mut self,
        format: &F,
        geometry: &Geometry,
        snapshot: &Snapshot,
    ) -> Rights {
        let level = snapshot.reached;
        let AddressBits { low, high, .. } = format.address_bits();
        let both = self.path.iter().zip(&snapshot.path);
        let differ = both.fold(0, |all, (a, b)| all | (a.0 ^ b.0)) & !low & !high;
        if differ != 0 || self.level != level {
            self.path = snapshot.path;
            self.level = level;
            self.limits = snapshot.limits(format, geometry, level);
        }
        self.limits
    }
}

impl Default for Above {
    fn default() -> Self {
        Self::new()
    }
}

/// Neighbours that are alike, and what can be said of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// First address.
    pub start: u64,
    /// Exclusive end.
    pub end: u64,
    /// How many entries.
    pub entries: u64,
    /// The first of them.
    pub raw: Raw,
    /// The page frame or slot of the first one, if it has any.
    pub place: Option<u64>,
    /// What can be said of them; [`Facts::IN_ORDER`] if their places follow one another.
    pub facts: Facts,
    /// The level of their table.
    pub level: Level,
    /// [`Look::owner`].
    pub owner: u64,
}

impl Piece {
    /// Physical address of the first entry's memory, if it has any.
    pub fn physical(&self, geometry: &Geometry) -> Option<u64> {
        let place = self.place.filter(|_| self.facts.has(Facts::PRESENT))?;
        place.checked_mul(geometry.page_size())
    }
}

/// What a leaf was found to mean, to be used again for the next one like it.
#[derive(Clone, Copy, Debug)]
struct Known {
    masked: u64,
    level: Level,
    limits: Rights,
    page: PageKind,
    facts: Facts,
}

/// Says what entries mean. Remembers what it has said of the last few kinds of leaves, since to say it
/// takes ten times as long as to look it up.
#[derive(Debug)]
pub struct Reader<F> {
    format: F,
    geometry: Geometry,
    masks: Masks,
    known: [Option<Known>; 8],
}

impl<F: Format> Reader<F> {
    /// Nothing is known yet. `masks` are those of the looks.
    pub fn new(format: F, geometry: Geometry, masks: Masks) -> Self {
        Self {
            format,
            geometry,
            masks,
            known: [None; 8],
        }
    }

    /// The bits in which leaves of `level` agree that are alike.
    pub fn mask(&self, level: Level) -> u64 {
        self.masks.of(level)
    }

    /// What there is to say of an entry in `look`.
    pub fn facts(&mut self, look: &Look, raw: Raw, page: PageKind) -> Facts {
        let masked = raw.0 & self.masks.of(look.level);
        // The flags that differ most are the lowest and, for the rights, the highest.
        let slot = (masked ^ masked >> 5 ^ masked >> 10 ^ masked >> 51) & 7;
        let known = self.known.get(slot as usize).copied().flatten();
        if let Some(known) = known.filter(|known| {
            (known.masked, known.level, known.limits, known.page)
                == (masked, look.level, look.limits, page)
        }) {
            return known.facts;
        }
        let entry = self.format.decode(raw, look.level);
        let found = Found {
            start: look.start,
            end: look.end,
            level: look.level,
            raw,
            entry,
            at: 0,
            limits: look.limits,
            page,
        };
        let facts = Facts::of(&self.format, &found);
        // Only a leaf is known by these bits.
        if let Entry::Leaf { .. } = entry {
            if let Some(slot) = self.known.get_mut(slot as usize) {
                *slot = Some(Known {
                    masked,
                    level: look.level,
                    limits: look.limits,
                    page,
                    facts,
                });
            }
        }
        facts
    }

    /// The neighbours `same` in `look`, the first of which translates `start`.
    pub fn piece(&mut self, look: &Look, start: u64, same: &Same, page: PageKind) -> Piece {
        let Same {
            raw,
            count,
            in_order,
        } = *same;
        let facts = self.facts(look, raw, page);
        let place = match self.format.decode(raw, look.level) {
            Entry::NonPresent(soft) => soft.place,
            entry => entry.pfn(),
        };
        let size = self.geometry.size(look.level);
        let first = self.geometry.entry_start(start, look.level);
        let end = first.saturating_add(u64::from(count).saturating_mul(size));
        let is_ordered = place.is_some() && (count == 1 || in_order != 0);
        Piece {
            start,
            end: end.min(look.end),
            entries: count.into(),
            raw,
            place,
            facts: facts.with(Facts::IN_ORDER.when(is_ordered)),
            level: look.level,
            owner: look.owner,
        }
    }

    /// Whether `b` is one run with `a`.
    fn is_one(&self, a: &Piece, b: &Piece) -> bool {
        let words = |piece: &Piece| piece.facts.0 & !Facts::IN_ORDER.0;
        if a.end != b.start || a.owner != b.owner || words(a) != words(b) {
            return false;
        }
        let differ = a.raw.0 ^ b.raw.0;
        if a.facts.has(Facts::PRESENT) {
            return differ & self.masks.of(a.level) == 0;
        }
        match (
            self.format.decode(a.raw, a.level),
            self.format.decode(b.raw, b.level),
        ) {
            (Entry::NonPresent(x), Entry::NonPresent(y)) => {
                x.is_like(&y) && differ & !F::SOFT_NUMBERS == 0
            }
            (x, y) => x == y,
        }
    }

    /// Adds `next` to `run`, if it is one with it; returns whether it did.
    pub fn join(&self, run: &mut Piece, next: &Piece) -> bool {
        if !self.is_one(run, next) {
            return false;
        }
        let pages = if run.facts.has(Facts::PRESENT) {
            // The first entry may begin before the run does.
            let first = self.geometry.entry_start(run.start, run.level);
            (next.start - first) / self.geometry.page_size()
        } else {
            run.entries
        };
        let follows = match (run.place, next.place) {
            (Some(a), Some(b)) => a.checked_add(pages) == Some(b),
            _ => false,
        };
        if !(follows && next.facts.has(Facts::IN_ORDER)) {
            run.facts = Facts(run.facts.0 & !Facts::IN_ORDER.0);
        }
        run.end = next.end;
        run.entries += next.entries;
        true
    }
}

/// Totals of pieces.
#[derive(Clone, Copy, Debug)]
pub struct Totals {
    /// Entries by the number of their level.
    pub entries: [u64; LEVELS],
    /// Bytes that they translate.
    pub bytes: u64,
    /// The same of those with the fact `1 << n`.
    pub bytes_with: [u64; 64],
    /// The last few sets of facts, not yet in the sums.
    recent: [(Facts, u64); 8],
}

impl Default for Totals {
    fn default() -> Self {
        Self {
            entries: [0; LEVELS],
            bytes: 0,
            bytes_with: [0; 64],
            recent: [(Facts(0), 0); 8],
        }
    }
}

impl Totals {
    /// Adds a piece.
    pub fn add(&mut self, piece: &Piece) {
        let bytes = piece.end - piece.start;
        let level = self.entries.get_mut(usize::from(piece.level.number()));
        if let Some(entries) = level {
            *entries += piece.entries;
        }
        self.bytes += bytes;
        // A set takes as long to add as it has bits, and most come again at once.
        let facts = piece.facts;
        let slot = (facts.0 ^ facts.0 >> 11 ^ facts.0 >> 14) & 7;
        let Some(recent) = self.recent.get_mut(slot as usize) else {
            return;
        };
        if recent.0 == facts {
            recent.1 += bytes;
            return;
        }
        let old = core::mem::replace(recent, (facts, bytes));
        self.spread(old);
    }

    /// Adds up what is not in the sums yet.
    pub fn finish(&mut self) {
        for old in core::mem::take(&mut self.recent) {
            self.spread(old);
        }
    }

    fn spread(&mut self, (facts, bytes): (Facts, u64)) {
        let mut rest = facts.0;
        while rest != 0 {
            if let Some(sum) = self.bytes_with.get_mut(rest.trailing_zeros() as usize) {
                *sum += bytes;
            }
            rest &= rest - 1;
        }
    }
}
