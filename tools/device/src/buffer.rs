// SPDX-License-Identifier: GPL-2.0

//! The buffer that an open descriptor is.

use crate::{raw::ioctl, sys};
use std::{io, os::fd::BorrowedFd};

pub use sys::{mmlens_event as Event, mmlens_setup as Setup};

/// Asks about a buffer, and sets it up.
#[derive(Clone, Copy, Debug)]
pub struct Buffer<'a> {
    fd: BorrowedFd<'a>,
}

impl<'a> Buffer<'a> {
    /// The buffer of any descriptor of the device.
    pub fn new(fd: BorrowedFd<'a>) -> Self {
        Self { fd }
    }

    /// What it is.
    pub fn info(&self) -> io::Result<sys::mmlens_info> {
        let mut info = sys::mmlens_info::default();
        ioctl(self.fd, sys::IOC_INFO, &mut info)?;
        Ok(info)
    }

    /// Says what it is to be; `size` need not be set.
    pub fn setup(&self, setup: &Setup) -> io::Result<()> {
        let mut setup = *setup;
        ioctl(self.fd, sys::IOC_SETUP, &mut setup).map(drop)
    }

    /// How often one operation ran, `MMLENS_OP_*`.
    pub fn stats(&self, op: u32) -> io::Result<sys::mmlens_stats> {
        let mut stats = sys::mmlens_stats {
            op,
            ..Default::default()
        };
        ioctl(self.fd, sys::IOC_STATS, &mut stats)?;
        Ok(stats)
    }

    /// Takes the oldest events, `room` of them at most, and says how many were lost before them. They
    /// are given once.
    pub fn events(&self, room: usize) -> io::Result<(Vec<Event>, u64)> {
        let mut records = vec![Event::default(); room];
        let mut events = sys::mmlens_events {
            count: u32::try_from(room).unwrap_or(u32::MAX),
            records: records.as_mut_ptr() as u64,
            record_size: size_of::<Event>() as u32,
            ..Default::default()
        };
        ioctl(self.fd, sys::IOC_EVENTS, &mut events)?;
        records.truncate(usize::try_from(events.count).unwrap_or(usize::MAX));
        Ok((records, events.dropped))
    }
}
