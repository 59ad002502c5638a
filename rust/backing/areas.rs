// SPDX-License-Identifier: GPL-2.0

//! Which vmalloc areas there are now: a list, so that one can look at their tables.

use kernel::{
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode, //
    },
    sync::{
        atomic::{
            Acquire,
            Atomic,
            Relaxed,
            Release, //
        },
        lock::GlobalGuard, //
    }, //
};

kernel::sync::global_lock! {
    // SAFETY: `init()` initialises it, and `Areas::lock()` does not use it before.
    unsafe(uninit) static AREAS: Mutex<Option<RBTree<u64, u64>>> = None;
}

static CLAIMED: Atomic<bool> = Atomic::new(false);
static READY: Atomic<bool> = Atomic::new(false);

/// Makes the list; to be called before anything is allocated.
pub(crate) fn init() {
    if CLAIMED.xchg(true, Relaxed) {
        return;
    }
    // SAFETY: Called once, by the check.
    unsafe { AREAS.init() };
    READY.store(true, Release);
}

/// The list, locked: no area in it is freed meanwhile. By the last address of each area, which
/// leads to its first.
///
/// The lock is taken while a mapping is torn down: inside of it nothing may wait for that.
pub(crate) struct Areas(GlobalGuard<AREAS>);

impl Areas {
    /// Errors: `EAGAIN` while the module is being loaded.
    pub(crate) fn lock() -> Result<Self> {
        if !READY.load(Acquire) {
            return Err(EAGAIN);
        }
        Ok(Self(AREAS.lock()))
    }

    /// The first area that ends above `va`: its first and its last address.
    pub(crate) fn find(&self, va: u64) -> Option<(u64, u64)> {
        let cursor = self.0.as_ref()?.cursor_lower_bound(&va)?;
        let (&last, &first) = cursor.current();
        Some((first, last))
    }
}

/// Adds an area. Errors: `ENOMEM`; `EAGAIN` while the module is being loaded.
pub(super) fn add(first: u64, last: u64) -> Result {
    let node = RBTreeNode::new(last, first, GFP_KERNEL)?;
    let mut areas = Areas::lock()?;
    areas.0.get_or_insert_with(RBTree::new).insert(node);
    Ok(())
}

/// Removes the area that ends with `last`.
pub(super) fn remove(last: u64) {
    // It was added, so there is a list.
    if let Ok(mut areas) = Areas::lock() {
        if let Some(areas) = areas.0.as_mut() {
            areas.remove(&last);
        }
    }
}
