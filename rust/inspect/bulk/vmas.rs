// SPDX-License-Identifier: GPL-2.0

//! VMAs, with or without their names.

use super::{
    super::vmas::write_name,
    Looked,
    Walk,
    LOOKS_PER_LOCK, //
};
use crate::{
    ffi::uapi::mmlens_vma,
    mm::vmas::VmaInfo,
    sys::seq::SeqBuffer, //
};
use kernel::{
    prelude::*,
    transmute::AsBytes, //
};

/// Longer than any path (`PATH_MAX`), escaped or not.
const NAME: usize = 4 * 4096;

const WORD: usize = size_of::<u64>();

impl Walk<'_> {
    /// The form VMAs. VMAs are told as a whole, also where only a part is in the range.
    pub(super) fn vmas(&mut self) -> Result {
        let mut found = KVec::<mmlens_vma>::with_capacity(LOOKS_PER_LOCK, GFP_KERNEL)?;
        let most = if self.names { LOOKS_PER_LOCK } else { 0 };
        let mut named = KVec::<VmaInfo>::with_capacity(most, GFP_KERNEL)?;
        let mut text = SeqBuffer::new(if self.names { NAME } else { 0 })?;
        while self.goes_on() {
            found.clear();
            // Also lets go of the files, with no lock held.
            named.clear();
            let names = self.names;
            self.visit(|tables, _, end| {
                if found.len() == LOOKS_PER_LOCK {
                    return Ok(Looked::Full);
                }
                found.push(tables.brief(), GFP_KERNEL)?;
                if names {
                    named.push(tables.info(), GFP_KERNEL)?;
                }
                Ok(Looked::UpTo(end))
            })?;
            let mut infos = named.iter();
            for vma in &found {
                text.clear();
                if let Some(info) = infos.next() {
                    write_name(&mut text.writer(), info)?;
                }
                let name = text.written();
                // After a space.
                let name = name.get(1..).unwrap_or_default();
                if !self.put_vma(vma, name)? {
                    self.at = vma.start;
                    return if self.records == 0 {
                        Err(ENOSPC)
                    } else {
                        Ok(())
                    };
                }
            }
        }
        Ok(())
    }

    /// Puts a `struct mmlens_vma`; returns whether there was room.
    fn put_vma(&mut self, vma: &mmlens_vma, name: &[u8]) -> Result<bool> {
        const WORDS: usize = size_of::<mmlens_vma>() / WORD;
        let words = WORDS + name.len().div_ceil(WORD);
        if words > self.out.room() {
            return Ok(false);
        }
        let record = mmlens_vma {
            record_size: (words * WORD) as u32,
            name_bytes: name.len() as u32,
            ..*vma
        };
        let mut buffer = [0u64; WORDS];
        for (word, bytes) in buffer.iter_mut().zip(record.as_bytes().chunks(WORD)) {
            *word = padded(bytes);
        }
        self.out.put(&buffer)?;
        for bytes in name.chunks(WORD) {
            self.out.put(&[padded(bytes)])?;
        }
        self.records += 1;
        Ok(true)
    }
}

/// The word that begins with `bytes` in memory, and is zero behind them.
fn padded(bytes: &[u8]) -> u64 {
    let mut word = [0; WORD];
    for (to, from) in word.iter_mut().zip(bytes) {
        *to = *from;
    }
    u64::from_ne_bytes(word)
}
