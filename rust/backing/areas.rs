// SPDX-License-Identifier: GPL-2.0

//! Which areas of kernel addresses the buffers have now: a list, so that one can look at their
//! tables.

use crate::sys::global::global;
use kernel::{
    prelude::*,
    rbtree::{
        RBTree,
        RBTreeNode, //
    },
};

global! {
    /// By the last address of each area.
    list: Option<RBTree<u64, OwnArea>> = None;
}

/// Makes the list; to be called before anything is allocated.
pub(crate) fn init() {
    list::init();
}

/// A range of kernel addresses that this module maps.
#[derive(Clone, Copy)]
pub(crate) struct OwnArea {
    /// First address.
    pub(crate) first: u64,
    /// Last address.
    pub(crate) last: u64,
    /// How it is made: `vmalloc`, `vmap` or `ioremap`.
    pub(crate) kind: &'static str,
}

/// The list, locked: no area in it is freed meanwhile.
///
/// The lock is taken while a mapping is torn down: inside of it nothing may wait for that.
pub(crate) struct Areas(list::Guard);

impl Areas {
    /// Errors: `EAGAIN` while the module is being loaded.
    pub(crate) fn lock() -> Result<Self> {
        Ok(Self(list::lock()?))
    }

    /// The first area that ends above `va`.
    pub(crate) fn find(&self, va: u64) -> Option<OwnArea> {
        let cursor = self.0.as_ref()?.cursor_lower_bound(&va)?;
        let (_, &area) = cursor.current();
        Some(area)
    }
}

/// An area that is in the list as long as this is there.
pub(super) struct Listed {
    last: u64,
}

impl Listed {
    /// Adds an area. Errors: `ENOMEM`; `EAGAIN` while the module is being loaded.
    pub(super) fn new(first: u64, last: u64, kind: &'static str) -> Result<Self> {
        let node = RBTreeNode::new(last, OwnArea { first, last, kind }, GFP_KERNEL)?;
        let mut areas = Areas::lock()?;
        areas.0.get_or_insert_with(RBTree::new).insert(node);
        Ok(Self { last })
    }
}

impl Drop for Listed {
    fn drop(&mut self) {
        // It was added, so there is a list.
        if let Ok(mut areas) = Areas::lock() {
            if let Some(areas) = areas.0.as_mut() {
                areas.remove(&self.last);
            }
        }
    }
}
