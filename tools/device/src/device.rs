// SPDX-License-Identifier: GPL-2.0

//! The descriptor.

use crate::{
    buffer::Buffer,
    machine::Machine,
    raw::{ioctl, owned},
    sys,
    walk::Walk,
};
use std::{
    fs::{File, OpenOptions},
    io,
    os::fd::{AsFd, BorrowedFd, OwnedFd},
};

/// The node.
pub const PATH: &str = "/dev/mmlens";

/// What [`Device::text`] opens: the files of debugfs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // Documentation/debugfs.rst has them all.
#[repr(u32)]
pub enum Text {
    Mm = sys::MMLENS_TEXT_MM,
    Vmas = sys::MMLENS_TEXT_VMAS,
    Summary = sys::MMLENS_TEXT_SUMMARY,
    Layout = sys::MMLENS_TEXT_LAYOUT,
    Pagetable = sys::MMLENS_TEXT_PAGETABLE,
    Entries = sys::MMLENS_TEXT_ENTRIES,
    UserPgd = sys::MMLENS_TEXT_USER_PGD,
    Query = sys::MMLENS_TEXT_QUERY,
    KernelLayout = sys::MMLENS_TEXT_KERNEL_LAYOUT,
    KernelRegisters = sys::MMLENS_TEXT_KERNEL_REGISTERS,
    KernelOwn = sys::MMLENS_TEXT_KERNEL_OWN,
    KernelPagetable = sys::MMLENS_TEXT_KERNEL_PAGETABLE,
    Buffers = sys::MMLENS_TEXT_BUFFERS,
}

/// An open `/dev/mmlens`.
#[derive(Debug)]
pub struct Device {
    fd: OwnedFd,
}

impl Device {
    /// Opens the device. `ENOENT` if the module is not loaded.
    pub fn open() -> io::Result<Self> {
        let file = OpenOptions::new().read(true).write(true).open(PATH)?;
        Ok(Self { fd: file.into() })
    }

    /// What one needs to know to read the records on another machine.
    pub fn machine(&self) -> io::Result<Machine> {
        let mut machine = sys::mmlens_machine::default();
        ioctl(self.fd.as_fd(), sys::IOC_MACHINE, &mut machine)?;
        Machine::try_from(&machine)
    }

    /// Begins to say which part of an address space is wanted: by default all of it. `pid` 0 is the
    /// caller.
    pub fn walk(&self, pid: i32) -> Walk<'_> {
        Walk::new(self, pid)
    }

    /// Opens a file of debugfs, whether there is a debugfs or not. `pid` is 0 for what is of no process.
    pub fn text(&self, what: Text, pid: i32) -> io::Result<File> {
        let mut text = sys::mmlens_text {
            what: what as u32,
            pid,
            ..Default::default()
        };
        let fd = ioctl(self.fd.as_fd(), sys::IOC_TEXT, &mut text)?;
        Ok(owned(fd).into())
    }

    /// Makes the folder of a process in debugfs.
    pub fn attach(&self, pid: i32) -> io::Result<()> {
        self.attach_ioctl(sys::IOC_ATTACH, pid)
    }

    /// Removes it.
    pub fn detach(&self, pid: i32) -> io::Result<()> {
        self.attach_ioctl(sys::IOC_DETACH, pid)
    }

    fn attach_ioctl(&self, number: u32, pid: i32) -> io::Result<()> {
        let mut attach = sys::mmlens_attach {
            pid,
            ..Default::default()
        };
        ioctl(self.fd.as_fd(), number, &mut attach).map(drop)
    }

    /// The buffer that this descriptor is.
    pub fn buffer(&self) -> Buffer<'_> {
        Buffer::new(self.fd.as_fd())
    }
}

impl AsFd for Device {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// A descriptor that somebody else has opened.
impl From<OwnedFd> for Device {
    fn from(fd: OwnedFd) -> Self {
        Self { fd }
    }
}
