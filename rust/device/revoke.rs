// SPDX-License-Identifier: GPL-2.0

//! To take a buffer away from everybody, and to give it back.
//!
//! See [`Buffer`] for who has to be waited for.

use super::buffer::Buffer;
use crate::vm::vma::until_linked;
use kernel::{
    mm::Mm,
    prelude::*,
    sync::aref::ARef, //
};

impl Buffer {
    /// When it returns, nobody reaches the pages by a mapping or a system call; `cows`: nor the
    /// copies in private mappings.
    ///
    /// Sleeps; no lock may be held. Errors: `EINTR` if this task is being killed; then nothing was
    /// taken for good.
    pub(super) fn revoke(&self, cows: bool) -> Result {
        // One at a time: another one would find nobody to wait for, and return too early.
        let _turn = self.revoking.write()?;
        let was_revoked = {
            let _gate = self.gate.write()?;
            let was_revoked = self.is_revoked();
            self.set_revoked(true);
            was_revoked
        };
        if let Err(error) = self.wait_for_mappers() {
            if !was_revoked {
                // The task is being killed; not so the others.
                let _gate = self.gate.write_unkillable();
                self.set_revoked(false);
            }
            return Err(error);
        }
        self.inode.unmap(cows);
        self.notify();
        Ok(())
    }

    /// The pages can be mapped and read again.
    pub(super) fn restore(&self) -> Result {
        let _turn = self.revoking.write()?;
        {
            let _gate = self.gate.write()?;
            self.set_revoked(false);
        }
        self.notify();
        Ok(())
    }

    /// Waits for those who have seen that the buffer was not revoked, and may not yet have mapped
    /// what they were about to map.
    fn wait_for_mappers(&self) -> Result {
        let Some(memory) = self.memory() else {
            return Ok(());
        };
        if memory.setup.is_normal() {
            for index in 0..memory.pages() {
                // What comes later finds the page locked or the buffer revoked.
                if let Some(page) = memory.backing.page(index) {
                    drop(page.lock().ok_or(EINTR)?);
                }
            }
        }
        let spaces = core::mem::take(&mut *self.mapping_now.lock());
        for (done, mm) in spaces.iter().enumerate() {
            if let Err(error) = until_linked(mm) {
                self.note_again(spaces.iter().skip(done));
                return Err(error);
            }
        }
        Ok(())
    }

    /// Notes the address space that a VMA is being made in, whose pages `mmap` is about to map: they
    /// cannot be unmapped before `mmap()` has returned.
    ///
    /// Errors: `ENOMEM`.
    pub(super) fn note_mapper(&self, mm: ARef<Mm>) -> Result {
        let mut spaces = self.mapping_now.lock();
        if !spaces.iter().any(|noted| is_same(noted, &mm)) {
            // The last reference to the others is not dropped here.
            spaces.push(mm, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(())
    }

    /// For another REVOKE to wait for.
    fn note_again<'a>(&self, spaces: impl Iterator<Item = &'a ARef<Mm>>) {
        let mut noted = self.mapping_now.lock();
        for mm in spaces {
            // If there is no memory, this task is being killed and the rest is lost: so much is
            // allocated in any case.
            let _ = noted.push(mm.clone(), GFP_KERNEL_ACCOUNT);
        }
    }

    /// Forgets an address space, one of whose VMAs goes away: it was linked, so `mmap()` had
    /// returned. Another `mmap()` may be in progress there only if this is not done under the mmap
    /// lock for writing.
    pub(super) fn forget_mapper(&self, mm: &Mm) {
        let mut spaces = self.mapping_now.lock();
        let found = spaces.iter().position(|noted| is_same(noted, mm));
        let gone = found.and_then(|index| spaces.remove(index).ok());
        drop(spaces);
        drop(gone);
    }
}

fn is_same(one: &Mm, other: &Mm) -> bool {
    core::ptr::eq(one.as_raw(), other.as_raw())
}
