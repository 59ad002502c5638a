// SPDX-License-Identifier: GPL-2.0

//! Every buffer that is open, for debugfs.

use super::buffer::Buffer;
use crate::sys::global::global;
use kernel::{
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode, //
    },
    sync::{
        atomic::{
            Atomic,
            Relaxed, //
        },
        Arc, //
    },
};

global! {
    /// Each buffer from `open` to `release` of its file, by its number.
    buffers: Option<RBTree<u64, Arc<Buffer>>> = None;
}

static NEXT: Atomic<u64> = Atomic::new(1);

/// Makes the list; to be called before there is a device.
pub(crate) fn init() {
    buffers::init();
}

/// A number that no other buffer has, or had.
pub(super) fn next_id() -> u64 {
    NEXT.fetch_add(1, Relaxed)
}

/// Adds a buffer. Errors: `ENOMEM`.
pub(super) fn add(buffer: &Arc<Buffer>) -> Result {
    let node = RBTreeNode::new(buffer.id, buffer.clone(), GFP_KERNEL_ACCOUNT)?;
    let mut buffers = buffers::lock()?;
    buffers.get_or_insert_with(RBTree::new).insert(node);
    Ok(())
}

/// Removes a buffer.
pub(super) fn remove(id: u64) {
    let gone = match buffers::lock() {
        Ok(mut buffers) => buffers.as_mut().and_then(|all| all.remove_node(&id)),
        Err(_) => None,
    };
    // It may be the last reference: not with the lock.
    drop(gone);
}

/// The first buffer whose number is not below `id`.
pub(crate) fn find(id: u64) -> Option<Arc<Buffer>> {
    let buffers = buffers::lock().ok()?;
    let cursor = buffers.as_ref()?.cursor_lower_bound(&id)?;
    let (_, buffer) = cursor.current();
    Some(buffer.clone())
}
