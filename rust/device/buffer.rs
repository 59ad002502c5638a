// SPDX-License-Identifier: GPL-2.0

//! A buffer: what an open `/dev/mmlens` and its mappings share.

use super::{
    dirty::Dirty,
    events::{
        Events,
        Room,
        DEFAULT_ROOM, //
    },
    list,
    stats::Stats, //
};
use crate::{
    backing::Backing,
    compat,
    rights::may_reach_devices,
    setup::{
        Setup,
        Strategy, //
    },
    sys::{
        params,
        rwsem::RwSemaphore,
        trace::Numbers, //
    },
    vm::inode::PrivateInode, //
};
use kernel::{
    c_str,
    mm::Mm,
    page::PAGE_SIZE,
    prelude::*,
    static_lock_class,
    sync::{
        aref::ARef,
        atomic::{
            Acquire,
            Atomic,
            Release, //
        },
        new_mutex,
        poll::PollCondVar,
        Arc,
        Mutex,
        SetOnce, //
    },
};

/// What is wanted of a buffer that has no memory yet.
struct Wish {
    setup: Setup,
    /// `SETUP` was called.
    is_explicit: bool,
}

/// A buffer's memory, which it keeps once it has it.
pub(crate) struct Memory {
    /// What the buffer is.
    pub(crate) setup: Setup,
    /// The pages.
    pub(crate) backing: Backing,
    /// Which of them were written, if that is recorded.
    pub(crate) dirty: Option<Dirty>,
}

impl Memory {
    /// Whether this task may reach what is in it: device memory is not for everybody who was passed
    /// a descriptor.
    ///
    /// Errors: `EPERM`.
    pub(super) fn may_reach(&self) -> Result {
        match self.backing {
            Backing::Device(_) => may_reach_devices(),
            _ => Ok(()),
        }
    }

    /// How many pages there are.
    pub(crate) fn pages(&self) -> usize {
        self.backing.pages()
    }

    /// Whether `mmap` maps all pages.
    pub(super) fn is_eager(&self) -> bool {
        matches!(self.setup.strategy, Strategy::Eager | Strategy::Remap)
    }
}

/// The buffer behind an open file and its mappings.
///
/// Who may reach the pages, and what REVOKE waits for:
///
/// - what is inserted by a handler, and what is copied by the kernel, is done with `gate` held for
///   reading, after a look at `revoked`;
/// - a page that `fault` or `page_mkwrite` returns is locked, after which `revoked` is looked at,
///   until the core has mapped it;
/// - what `mmap()` maps is in no tree yet when it is mapped, so `mmap` notes the address space in
///   `mapping_now`.
///
/// REVOKE sets `revoked` with `gate` held for writing, takes and releases the lock of each page, and
/// waits for the address spaces. Then it unmaps everything. None of these is held meanwhile.
///
/// Lock order: `revoking`, mmap lock or that of a VMA, `gate`, page lock, `mapping_now` and the ring
/// of events.
#[pin_data]
pub(crate) struct Buffer {
    /// Its number in debugfs.
    pub(crate) id: u64,
    /// Held while the memory is made: two processes may share the file.
    #[pin]
    wish: Mutex<Wish>,
    /// Made by `SETUP` or by the first `mmap()`; gone with the last file and mapping.
    memory: SetOnce<Memory>,
    /// What all its mappings are in.
    pub(crate) inode: PrivateInode,
    /// See above.
    #[pin]
    pub(crate) gate: RwSemaphore,
    /// Held for writing by who revokes or restores, from the beginning to the end; by nobody else.
    #[pin]
    pub(super) revoking: RwSemaphore,
    /// See above.
    revoked: Atomic<bool>,
    /// See above.
    #[pin]
    pub(crate) mapping_now: Mutex<KVec<ARef<Mm>>>,
    /// What happened to it.
    pub(crate) stats: Stats,
    /// The last of that, one by one.
    #[pin]
    pub(crate) events: Events,
    /// In whose numbers tasks are named in them.
    pub(crate) numbers: Option<Numbers>,
    /// Wakes those who poll, once there are any. Its end takes a grace period of RCU, which others
    /// need not wait for.
    changed: SetOnce<Pin<KBox<PollCondVar>>>,
}

impl Buffer {
    /// A buffer without memory.
    pub(crate) fn new(inode: PrivateInode) -> Result<Arc<Self>> {
        let stats = Stats::new()?;
        let setup = params::setup()?;
        Arc::pin_init(
            try_pin_init!(Buffer {
                id: list::next_id(),
                wish <- new_mutex!(Wish { setup, is_explicit: false }, "mmlens_buffer"),
                memory: SetOnce::new(),
                inode,
                gate <- RwSemaphore::new(c_str!("mmlens_gate"), static_lock_class!()),
                revoking <- RwSemaphore::new(c_str!("mmlens_revoking"), static_lock_class!()),
                revoked: Atomic::new(false),
                mapping_now <- new_mutex!(KVec::new(), "mmlens_mapping_now"),
                stats,
                events <- Events::new(),
                numbers: Numbers::of_current(),
                changed: SetOnce::new(),
            }),
            GFP_KERNEL_ACCOUNT,
        )
    }

    /// The memory, once there is any.
    pub(crate) fn memory(&self) -> Option<&Memory> {
        self.memory.as_ref()
    }

    /// The size in bytes, 0 as long as there is no memory.
    pub(crate) fn bytes(&self) -> u64 {
        self.memory().map_or(0, |m| (m.pages() * PAGE_SIZE) as u64)
    }

    /// What it is, or is to be.
    pub(crate) fn setup(&self) -> Setup {
        match self.memory() {
            Some(memory) => memory.setup,
            None => self.wish.lock().setup,
        }
    }

    /// The largest buffer, in bytes.
    pub(crate) fn max_bytes() -> u64 {
        u64::from(params::max_buffer_mib()) << 20
    }

    /// Says what the buffer is to be; makes its memory if `pages` are not 0.
    ///
    /// Errors: `EBUSY` if it has memory, or if that was said before; those of
    /// [`memory_or_allocate`](Self::memory_or_allocate).
    pub(crate) fn set_up(&self, setup: Setup, pages: usize, events: u32) -> Result {
        let mut wish = self.wish.lock();
        if wish.is_explicit || self.memory().is_some() {
            return Err(EBUSY);
        }
        let natural = Backing::natural_pages(&setup)?;
        let room = Room::new(events)?;
        match (pages, natural) {
            (0, None) => (),
            (0, Some(pages)) | (pages, _) => self.allocate(setup, pages).map(|_| ())?,
        }
        // Nothing fails from here on.
        self.events.install(room);
        *wish = Wish {
            setup,
            is_explicit: true,
        };
        Ok(())
    }

    /// The memory; makes `pages` pages of it if there is none, or as many as device memory has.
    ///
    /// Errors: `ENOMEM` if there is not so much, or more is asked for than the module parameter
    /// allows.
    pub(crate) fn memory_or_allocate(&self, pages: usize) -> Result<&Memory> {
        if let Some(memory) = self.memory() {
            return Ok(memory);
        }
        // Another process that shares the file may be doing the same.
        let wish = self.wish.lock();
        if let Some(memory) = self.memory() {
            return Ok(memory);
        }
        let natural = Backing::natural_pages(&wish.setup)?;
        let room = Room::new(DEFAULT_ROOM)?;
        let memory = self.allocate(wish.setup, natural.unwrap_or(pages))?;
        self.events.install(room);
        Ok(memory)
    }

    /// Makes the memory. `wish` is locked.
    fn allocate(&self, setup: Setup, pages: usize) -> Result<&Memory> {
        let bytes = (pages as u64).saturating_mul(PAGE_SIZE as u64);
        match Backing::natural_pages(&setup)? {
            Some(there) if pages > there => return Err(EINVAL),
            Some(_) => (),
            None if bytes > Self::max_bytes() => return Err(ENOMEM),
            None => (),
        }
        let dirty = match setup.track {
            true => Some(Dirty::new(pages)?),
            false => None,
        };
        self.memory.populate(Memory {
            setup,
            backing: Backing::new(&setup, pages)?,
            dirty,
        });
        self.memory().ok_or(ENOMEM)
    }

    /// Whether nobody may reach the pages. To be asked with [`gate`](Self::gate) held, or with the
    /// page locked.
    pub(crate) fn is_revoked(&self) -> bool {
        self.revoked.load(Acquire)
    }

    /// Sets that. Only with the gate held for writing.
    pub(super) fn set_revoked(&self, revoked: bool) {
        self.revoked.store(revoked, Release);
    }

    /// Notes that a page was written. It is locked, or the gate is held.
    pub(super) fn mark_dirty(&self, dirty: &Dirty, index: usize) {
        if dirty.mark(index) {
            self.notify();
        }
    }

    /// What those wait for who poll. Errors: `ENOMEM`.
    pub(super) fn changed(&self) -> Result<&PollCondVar> {
        if self.changed.as_ref().is_none() {
            // Two may begin to poll at the same time.
            let _guard = self.wish.lock();
            if self.changed.as_ref().is_none() {
                let init = PollCondVar::new(c_str!("mmlens_changed"), static_lock_class!());
                self.changed
                    .populate(KBox::pin_init(init, GFP_KERNEL_ACCOUNT)?);
            }
        }
        self.changed.as_ref().map(|c| &**c).ok_or(EAGAIN)
    }

    /// Something has changed that one can poll for.
    pub(super) fn notify(&self) {
        // Either who polls sees the change, or this sees who polls: poll_wait() has the other one.
        compat::smp_mb();
        if let Some(changed) = self.changed.as_ref() {
            changed.notify_all();
        }
    }
}
