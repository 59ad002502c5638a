// SPDX-License-Identifier: GPL-2.0

//! To take a buffer away from everybody, and to give it back.
//!
//! See [`Buffer`] for who has to be waited for.

use super::buffer::Buffer;
use crate::vm::vma::{
    has_users,
    until_linked, //
};
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
        // Nobody notes another one: the buffer is revoked.
        while let Some(mm) = self.first_mapper() {
            until_linked(&mm)?;
            self.forget_mapper(&mm);
        }
        Ok(())
    }

    fn first_mapper(&self) -> Option<ARef<Mm>> {
        self.mapping_now.lock().first().cloned()
    }

    /// Notes the address space that a VMA is being made in, whose pages `mmap` is about to map: they
    /// cannot be unmapped before `mmap()` has returned. The gate is held.
    ///
    /// Nobody tells when an `mmap()` that fails has returned, so the note stays then. It is dropped
    /// here once nobody uses the address space any more.
    ///
    /// Errors: `ENOMEM`.
    pub(super) fn note_mapper(&self, mm: ARef<Mm>) -> Result {
        self.forget(|noted| !has_users(noted));
        let mut spaces = self.mapping_now.lock();
        if !spaces.iter().any(|noted| is_same(noted, &mm)) {
            // The last reference to the others is not dropped here.
            spaces.push(mm, GFP_KERNEL_ACCOUNT)?;
        }
        Ok(())
    }

    /// Forgets an address space, one of whose VMAs goes away: it was linked, so `mmap()` had
    /// returned. Another `mmap()` may be in progress there only if this is not done under the mmap
    /// lock for writing.
    pub(super) fn forget_mapper(&self, mm: &Mm) {
        self.forget(|noted| is_same(noted, mm));
    }

    /// Forgets those that `is_gone` says.
    fn forget(&self, is_gone: impl Fn(&Mm) -> bool) {
        loop {
            let mut spaces = self.mapping_now.lock();
            let found = spaces.iter().position(|noted| is_gone(noted));
            let gone = found.and_then(|index| spaces.remove(index).ok());
            // It may be the last reference: not with the lock.
            drop(spaces);
            if gone.is_none() {
                return;
            }
        }
    }
}

fn is_same(one: &Mm, other: &Mm) -> bool {
    core::ptr::eq(one.as_raw(), other.as_raw())
}
