// SPDX-License-Identifier: GPL-2.0

//! What the kernel itself copies out of a buffer and into it: `read`, `write`, and `access` for
//! debuggers.
//!
//! User memory is copied with nothing held: it may be a mapping of this very buffer. So all goes
//! over a page in between, and what touches the buffer is done under its gate.

use super::{
    buffer::{
        Buffer,
        Memory, //
    },
    stats::Op,
    watch::Watch, //
};
use kernel::{
    iov::{
        IovIterDest,
        IovIterSource, //
    },
    page::PAGE_SIZE,
    prelude::*, //
};

/// Room for a page on its way. Errors: `ENOMEM`.
fn bounce() -> Result<KVec<u8>> {
    Ok(KVec::from_elem(0, PAGE_SIZE, GFP_KERNEL)?)
}

/// The part of one page that a transfer of `left` bytes from `pos` on begins with: its number,
/// where it starts in it, and how long it is.
fn piece(pos: u64, left: u64) -> (usize, usize, usize) {
    let page = PAGE_SIZE as u64;
    let offset = pos % page;
    let len = left.min(page - offset);
    ((pos / page) as usize, offset as usize, len as usize)
}

impl Buffer {
    /// The bytes from `pos` on that there are.
    fn left(&self, pos: u64) -> u64 {
        self.bytes().saturating_sub(pos)
    }

    /// Copies out of one page of the buffer. Errors: `EIO` if it is revoked, or the page broken; `EINTR`.
    fn load(&self, memory: &Memory, pos: u64, out: &mut [u8]) -> Result {
        let (index, offset, _) = piece(pos, 0);
        let _gate = self.gate.read()?;
        if self.is_revoked() {
            return Err(EIO);
        }
        memory.backing.read(index, offset, out)
    }

    /// Copies into one page of the buffer, which is dirty then.
    ///
    /// Errors: `EIO` if it is revoked, or the page broken; `ENOMEM`; `EINTR`.
    fn store(&self, memory: &Memory, pos: u64, data: &[u8]) -> Result {
        let (index, offset, _) = piece(pos, 0);
        let _gate = self.gate.read()?;
        if self.is_revoked() {
            return Err(EIO);
        }
        // A harvest comes before both or after both: see `dirty`.
        let _page = match &memory.dirty {
            Some(_) if memory.setup.is_normal() => {
                let page = memory.backing.page_or_allocate(index)?;
                Some(page.lock().ok_or(EINTR)?)
            }
            _ => None,
        };
        memory.backing.write(index, offset, data)?;
        if let Some(dirty) = &memory.dirty {
            self.mark_dirty(dirty, index);
        }
        Ok(())
    }

    /// Errors: `EPERM` without the rights for device memory; `EIO` if it is revoked, or the first page
    /// broken; `EFAULT` if nothing could be copied; `EINTR`, `ENOMEM`.
    pub(super) fn read_to(&self, pos: u64, to: &mut IovIterDest<'_>) -> Result<usize> {
        let Some(memory) = self.memory() else {
            return Ok(0);
        };
        memory.may_reach()?;
        let mut bounce = bounce()?;
        let mut done = 0;
        while !to.is_empty() {
            let at = pos + done as u64;
            let (_, _, len) = piece(at, self.left(at).min(to.len() as u64));
            let page = bounce.get_mut(..len).ok_or(EINVAL)?;
            if page.is_empty() {
                break;
            }
            if let Err(error) = self.load(memory, at, page) {
                return so_far(done, error);
            }
            let copied = to.copy_to_iter(page);
            done += copied;
            if copied < len {
                return so_far(done, EFAULT);
            }
        }
        Ok(done)
    }

    /// Errors: `ENOSPC` at the end; `EPERM` without the rights for device memory; `EIO` if it is
    /// revoked, or the first page broken; `EFAULT` if nothing could be copied; `EINTR`, `ENOMEM`.
    pub(super) fn write_from(&self, pos: u64, from: &mut IovIterSource<'_>) -> Result<usize> {
        let memory = self.memory().ok_or(ENOSPC)?;
        memory.may_reach()?;
        let mut bounce = bounce()?;
        let mut done = 0;
        while !from.is_empty() {
            let at = pos + done as u64;
            let (_, _, len) = piece(at, self.left(at).min(from.len() as u64));
            let page = bounce.get_mut(..len).ok_or(EINVAL)?;
            if page.is_empty() {
                return so_far(done, ENOSPC);
            }
            let copied = from.copy_from_iter(page);
            if copied == 0 {
                return so_far(done, EFAULT);
            }
            if let Err(error) = self.store(memory, at, page.get(..copied).ok_or(EINVAL)?) {
                return so_far(done, error);
            }
            done += copied;
            if copied < len {
                return so_far(done, EFAULT);
            }
        }
        Ok(done)
    }

    /// For a debugger: fills `out` from `pos` on.
    pub(super) fn peek(&self, pos: u64, out: &mut [u8]) -> Result<usize> {
        let memory = self.memory().ok_or(EFAULT)?;
        let mut done = 0;
        while done < out.len() {
            let at = pos + done as u64;
            let (_, _, len) = piece(at, self.left(at).min((out.len() - done) as u64));
            let part = out.get_mut(done..done + len).ok_or(EINVAL)?;
            if part.is_empty() {
                break;
            }
            if let Err(error) = self.load(memory, at, part) {
                return so_far(done, error);
            }
            done += len;
        }
        Ok(done)
    }

    /// For a debugger: stores `data` from `pos` on.
    pub(super) fn poke(&self, pos: u64, data: &[u8]) -> Result<usize> {
        let memory = self.memory().ok_or(EFAULT)?;
        let mut done = 0;
        while done < data.len() {
            let at = pos + done as u64;
            let (_, _, len) = piece(at, self.left(at).min((data.len() - done) as u64));
            let part = data.get(done..done + len).ok_or(EINVAL)?;
            if part.is_empty() {
                break;
            }
            if let Err(error) = self.store(memory, at, part) {
                return so_far(done, error);
            }
            done += len;
        }
        Ok(done)
    }

    /// `read`, counted.
    pub(super) fn read_counted(&self, pos: u64, to: &mut IovIterDest<'_>) -> Result<usize> {
        let watch = Watch::start(self, Op::Read);
        watch.end_with(self.read_to(pos, to), 0)
    }

    /// `write`, counted.
    pub(super) fn write_counted(&self, pos: u64, from: &mut IovIterSource<'_>) -> Result<usize> {
        let watch = Watch::start(self, Op::Write);
        watch.end_with(self.write_from(pos, from), 0)
    }
}

/// What was done before an error counts, and the error only if that is nothing.
fn so_far(done: usize, error: Error) -> Result<usize> {
    match done {
        0 => Err(error),
        done => Ok(done),
    }
}
