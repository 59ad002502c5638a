// SPDX-License-Identifier: GPL-2.0

//! Structs that cross the border to user space, versioned by their size.
//!
//! The rules are those of `copy_struct_from_user()`: see
//! [`include/linux/uaccess.h`](srctree/include/linux/uaccess.h) and the head of `uapi/mmlens.h`.

use crate::ffi::uapi::{
    mmlens_attach,
    mmlens_dirty,
    mmlens_events,
    mmlens_info,
    mmlens_machine,
    mmlens_query,
    mmlens_revoke,
    mmlens_setup,
    mmlens_stats,
    mmlens_text,
    mmlens_walk, //
};
use core::mem::size_of;
use kernel::{
    prelude::*,
    transmute::{
        AsBytes,
        FromBytes, //
    },
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

/// A struct of the ioctl interface: plain data that begins with a `__u32 size`.
pub(crate) trait Versioned: AsBytes + FromBytes + Default {
    /// Its size when it was first published.
    const FIRST_SIZE: usize;
}

macro_rules! versioned {
    ($($name:ident: $first_size:literal,)+) => { $(
        impl Versioned for $name {
            const FIRST_SIZE: usize = $first_size;
        }
    )+ };
}
versioned! {
    mmlens_attach: 8,
    mmlens_dirty: 48,
    mmlens_events: 32,
    mmlens_info: 40,
    mmlens_machine: 88,
    mmlens_query: 352,
    mmlens_revoke: 8,
    mmlens_setup: 48,
    mmlens_stats: 344,
    mmlens_text: 16,
    mmlens_walk: 136,
}

/// A request as the caller sent it, and where the answer goes.
pub(crate) struct Request<T> {
    value: T,
    address: UserPtr,
    user_size: usize,
}

impl<T: Versioned> Request<T> {
    /// Copies the struct at `arg`, whose size is `user_size` by the ioctl number.
    ///
    /// Errors: `EINVAL` if that is less than the first version, or not what the struct itself says;
    /// `E2BIG` if there is something in what we do not know; `EFAULT`.
    pub(crate) fn from_user(arg: usize, user_size: usize) -> Result<Self> {
        if user_size < T::FIRST_SIZE {
            return Err(EINVAL);
        }
        let address = UserPtr::from_addr(arg);
        let mut reader = UserSlice::new(address, user_size).reader();
        let mut value = T::default();
        let known = user_size.min(size_of::<T>());
        let bytes = value.as_bytes_mut().get_mut(..known).ok_or(EINVAL)?;
        reader.read_slice(bytes)?;
        let size_member = bytes.first_chunk().copied().map(u32::from_ne_bytes);
        let mut unknown = [0; 64];
        while !reader.is_empty() {
            let len = reader.len().min(unknown.len());
            let unknown = unknown.get_mut(..len).ok_or(EINVAL)?;
            reader.read_slice(unknown)?;
            if unknown.iter().any(|&byte| byte != 0) {
                return Err(E2BIG);
            }
        }
        if size_member.map(|s| s as usize) != Some(user_size) {
            return Err(EINVAL);
        }
        Ok(Self {
            value,
            address,
            user_size,
        })
    }

    /// What the caller sent.
    pub(crate) fn value(&self) -> &T {
        &self.value
    }

    /// What the `size` member of an answer has to be.
    pub(crate) fn size(&self) -> u32 {
        self.user_size as u32
    }

    /// Copies the answer to where the request was, as far as the caller knows the struct.
    ///
    /// `answer` gets the size that its `size` member is to have.
    ///
    /// Errors: `EFAULT`.
    pub(crate) fn answer(&self, answer: impl FnOnce(u32) -> T) -> Result {
        let answer = answer(self.size());
        let known = self.user_size.min(size_of::<T>());
        let bytes = answer.as_bytes().get(..known).ok_or(EINVAL)?;
        UserSlice::new(self.address, self.user_size)
            .writer()
            .write_slice(bytes)
    }
}
