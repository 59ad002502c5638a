// SPDX-License-Identifier: GPL-2.0

//! The levels above a VMA that lies within one entry of each of them, as one look shows them.

use super::{
    Section,
    Walker, //
};
use crate::{
    pt::{
        entry::Entry,
        format::Format,
        level::Level,
        page::PageKind,
        walk::{
            Found,
            Snapshot, //
        }, //
    }, //
};
use kernel::{
    mm::MmWithUser,
    prelude::*, //
};

/// Looks at a huge page of anonymous memory that becomes a table each time.
const LOOKS: usize = 8;

impl Walker {
    /// The entry of `level` that translates all of the section, which begins at `va`, if there is one such.
    ///
    /// One look serves all levels of which that is so and the one below them: what is shown of them
    /// was so at one instant, unless a read ends in between. Of a huge page of anything but anonymous
    /// memory that is `None`: what it is takes a look of its own at the page.
    ///
    /// Errors: `EINTR` if this task is being killed.
    pub(super) fn above(
        &mut self,
        mm: &MmWithUser,
        va: u64,
        level: Level,
    ) -> Result<Option<Found>> {
        let Section {
            start, end, lowest, ..
        } = self.section;
        if level <= lowest || va != start {
            return Ok(None);
        }
        for _ in 0..LOOKS {
            if self.way.is_none() && !self.look_alike(mm, start, lowest)? {
                self.step(mm, start, lowest, true)?;
            }
            let look =
                |way: Snapshot| way.above(&self.format, &self.geometry, level, &(start..end));
            let found = self.way.and_then(look);
            let Some(Entry::Leaf { .. }) = found.map(|found| found.entry) else {
                return Ok(found);
            };
            if self.alike.has_seen(start) {
                return Ok(found.map(|found| Found {
                    page: PageKind::of_anonymous(self.format.is_special(found.raw)),
                    ..found
                }));
            }
            // Nothing older may be told of what is below.
            self.forget();
            if !self.is_plain(lowest) {
                break;
            }
        }
        Ok(None)
    }
}
