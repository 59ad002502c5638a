// SPDX-License-Identifier: GPL-2.0

//! A child whose memory changes, when it is told to.

use crate::{
    check::{check, Outcome},
    child::{Child, Mapping, MADV_GUARD_INSTALL, PRIVATE, READ, WRITE},
};
use std::{
    cell::RefCell,
    ffi::CString,
    fs::{self, File},
    io,
    os::fd::FromRawFd,
    thread,
    time::Duration,
};

/// Its name when it has changed.
const CHANGED: &str = "lens-changed";
/// What may be executed, but not written to.
const CODE: i32 = libc::PROT_READ | libc::PROT_EXEC;

thread_local! {
    /// The mapping that changes.
    static CHANGING: RefCell<Option<Mapping>> = const { RefCell::new(None) };
}

/// Sixteen pages, of which twelve are written; and a file in memory that is mapped twice, writable and
/// executable.
pub fn before() -> io::Result<()> {
    let name = CString::new("code").unwrap_or_default();
    // SAFETY: the name ends with a NUL; the descriptor is a new one.
    let code = unsafe {
        let fd = libc::memfd_create(name.as_ptr(), 0);
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        File::from_raw_fd(fd)
    };
    code.set_len(4 * crate::proc::page_size())?;
    let write = Mapping::new(4, WRITE, libc::MAP_SHARED, Some(&code))?;
    write.write(0..4);
    write.tell("write");
    let exec = Mapping::new(4, CODE, libc::MAP_SHARED, Some(&code))?;
    exec.read(1..3);
    exec.tell("exec");
    // Neighbours that would be one VMA with it otherwise.
    let changing = Mapping::new(18, libc::PROT_NONE, PRIVATE, None)?;
    let changing = changing.part(1, 16);
    changing.protect(WRITE);
    changing.advise(0, 16, libc::MADV_NOHUGEPAGE);
    changing.write(0..12);
    changing.tell("changing");
    CHANGING.with(|kept| *kept.borrow_mut() = Some(changing));
    Ok(())
}

/// Pages 0 and 1 become read-only, 2 and 3 are dropped, 4 and 5 become guards, 12 and 13 are written
/// for the first time, 14 and 15 are unmapped.
pub fn after() {
    CHANGING.with(|kept| {
        let Some(changing) = &*kept.borrow() else {
            return;
        };
        changing.part(0, 2).protect(READ);
        changing.advise(2, 2, libc::MADV_DONTNEED);
        changing.advise(4, 2, MADV_GUARD_INSTALL);
        changing.write(12..14);
        changing.unmap(14, 2);
    });
    let name = CString::new(CHANGED).unwrap_or_default();
    // SAFETY: the name ends with a NUL, and is copied; and it stops.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, name.as_ptr());
        libc::raise(libc::SIGSTOP);
    }
}

/// Tells a child to change, and waits until it has.
pub fn change(child: &Child) -> Outcome {
    let pid = child.pid();
    // SAFETY: a signal to a child of our own, which has not been waited for.
    unsafe { libc::kill(pid as i32, libc::SIGCONT) };
    for _ in 0..1000 {
        let comm = fs::read_to_string(format!("/proc/{pid}/comm"))?;
        if comm.trim_end() == CHANGED {
            return child.wait_until_stopped();
        }
        thread::sleep(Duration::from_millis(10));
    }
    check(false, || "the child does not change".into())
}
