// SPDX-License-Identifier: GPL-2.0

//! Processes whose memory is known: children that make it, tell where it is, and stop.

use crate::{
    changing,
    check::{check, Fail, Outcome},
    proc::page_size,
};
use std::{
    collections::BTreeMap,
    env,
    ffi::{c_void, CString},
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::{
        fd::AsRawFd,
        unix::{ffi::OsStrExt, process::CommandExt},
    },
    process::{Child as Process, Command, ExitCode, Stdio},
    ptr::null_mut,
    thread,
    time::Duration,
};

/// The name of children, so that nothing else has it.
pub const NAME: &str = "lens-child";
pub const MADV_GUARD_INSTALL: i32 = 102;

/// A child that is stopped, and is killed when this is dropped.
pub struct Child {
    process: Process,
    parts: BTreeMap<String, (u64, u64)>,
}

impl Child {
    /// Makes one: `memory` or `device`.
    pub fn new(kind: &str) -> Outcome<Self> {
        let mut process = Command::new(env::current_exe()?)
            .args(["child", kind])
            .stdout(Stdio::piped())
            .spawn()?;
        let out = process.stdout.take().ok_or("no pipe")?;
        let mut this = Self {
            process,
            parts: BTreeMap::new(),
        };
        for line in BufReader::new(out).lines() {
            let line = line?;
            let words: Vec<&str> = line.split(' ').collect();
            match words.as_slice() {
                ["ready"] => {
                    this.wait_until_stopped()?;
                    return Ok(this);
                }
                [name, start, length] => {
                    let number =
                        |word: &str| word.parse::<u64>().map_err(|e| Fail::Wrong(e.to_string()));
                    this.parts
                        .insert((*name).into(), (number(start)?, number(length)?));
                }
                _ => return Err(Fail::Wrong(line)),
            }
        }
        Err("the child has ended".into())
    }

    pub fn pid(&self) -> u32 {
        self.process.id()
    }

    /// Start and end of a part of its memory; 0, 0 if it could not be had.
    pub fn part(&self, name: &str) -> (u64, u64) {
        let (start, length) = self.parts.get(name).copied().unwrap_or_default();
        (start, start + length)
    }

    /// Ends it.
    pub fn kill(&mut self) {
        // It may have ended already.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }

    pub fn wait_until_stopped(&self) -> Outcome {
        for _ in 0..1000 {
            let stat = fs::read_to_string(format!("/proc/{}/stat", self.pid()))?;
            if stat
                .rsplit_once(") ")
                .is_some_and(|(_, rest)| rest.starts_with('T'))
            {
                return Ok(());
            }
            thread::sleep(Duration::from_millis(10));
        }
        check(false, || "the child does not stop".into())
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// What a child does.
pub fn main(kind: &str) -> ExitCode {
    let name = CString::new(NAME).unwrap_or_default();
    // SAFETY: the name ends with a NUL, and is copied.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    let result = match kind {
        "memory" => memory(),
        "device" => device(),
        "changing" => changing::before(),
        _ => Err(std::io::Error::other("what kind of child?")),
    };
    if let Err(error) = result {
        eprintln!("child: {error}");
        return ExitCode::FAILURE;
    }
    let mut out = std::io::stdout();
    if writeln!(out, "ready").and_then(|()| out.flush()).is_ok() {
        // SAFETY: it only stops.
        unsafe { libc::raise(libc::SIGSTOP) };
    }
    if kind == "changing" {
        changing::after();
    }
    ExitCode::SUCCESS
}

/// A mapping that is there until the end.
pub struct Mapping {
    start: *mut u8,
    pages: usize,
}

impl Mapping {
    pub fn new(
        pages: usize,
        rights: i32,
        flags: i32,
        file: Option<&File>,
    ) -> std::io::Result<Self> {
        let length = pages * page_size() as usize;
        let fd = file.map_or(-1, AsRawFd::as_raw_fd);
        // SAFETY: a new mapping, at no address that is in use.
        let start = unsafe { libc::mmap(null_mut(), length, rights, flags, fd, 0) };
        if start == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error());
        }
        Ok(Self {
            start: start.cast(),
            pages,
        })
    }

    fn length(&self) -> usize {
        self.pages * page_size() as usize
    }

    /// Some pages of it.
    pub fn part(&self, page: usize, pages: usize) -> Self {
        assert!(page + pages <= self.pages, "a part of the mapping");
        Self {
            start: self.page(page),
            pages,
        }
    }

    pub fn unmap(&self, page: usize, pages: usize) {
        let part = self.part(page, pages);
        // SAFETY: it is not used any more.
        unsafe { libc::munmap(part.start.cast(), part.length()) };
    }

    pub fn tell(&self, name: &str) {
        println!("{name} {} {}", self.start as u64, self.length());
    }

    pub fn page(&self, page: usize) -> *mut u8 {
        assert!(page < self.pages, "a page of the mapping");
        // SAFETY: in the mapping.
        unsafe { self.start.add(page * page_size() as usize) }
    }

    pub fn write(&self, pages: std::ops::Range<usize>) {
        for page in pages {
            // SAFETY: in the mapping, which may be written to.
            unsafe { self.page(page).write_volatile(1) };
        }
    }

    pub fn read(&self, pages: std::ops::Range<usize>) {
        for page in pages {
            // SAFETY: in the mapping, which may be read.
            unsafe { self.page(page).read_volatile() };
        }
    }

    pub fn protect(&self, rights: i32) {
        // SAFETY: the mapping is not used by Rust's own data.
        unsafe { libc::mprotect(self.start.cast::<c_void>(), self.length(), rights) };
    }

    /// Whether the kernel knows the advice.
    pub fn advise(&self, page: usize, pages: usize, advice: i32) -> bool {
        let length = pages * page_size() as usize;
        // SAFETY: as above.
        unsafe { libc::madvise(self.page(page).cast(), length, advice) == 0 }
    }
}

pub const READ: i32 = libc::PROT_READ;
pub const WRITE: i32 = libc::PROT_READ | libc::PROT_WRITE;
const ALL: i32 = WRITE | libc::PROT_EXEC;
pub const PRIVATE: i32 = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS;
pub const SHARED: i32 = libc::MAP_SHARED | libc::MAP_ANONYMOUS;

/// Memory of each kind.
fn memory() -> std::io::Result<()> {
    // Eight pages written, two read, six untouched.
    let anon = Mapping::new(16, WRITE, PRIVATE, None)?;
    anon.advise(0, 16, libc::MADV_NOHUGEPAGE);
    anon.write(0..8);
    anon.read(8..10);
    anon.tell("anon");
    let none = Mapping::new(4, WRITE, PRIVATE, None)?;
    none.write(0..4);
    none.protect(libc::PROT_NONE);
    none.tell("none");
    let guard = Mapping::new(8, WRITE, PRIVATE, None)?;
    guard.advise(0, 8, libc::MADV_NOHUGEPAGE);
    guard.write(0..8);
    if guard.advise(2, 2, MADV_GUARD_INSTALL) {
        guard.tell("guard");
    }
    let shared = Mapping::new(4, WRITE, SHARED, None)?;
    shared.write(0..4);
    shared.tell("shared");
    let file = File::open("/proc/self/exe")?;
    let file = Mapping::new(4, READ, libc::MAP_PRIVATE, Some(&file))?;
    file.read(0..4);
    file.tell("file");
    let both = Mapping::new(1, ALL, PRIVATE, None)?;
    both.write(0..1);
    both.tell("wx");
    huge()
}

/// A huge page, if there are any.
fn huge() -> std::io::Result<()> {
    let size = fs::read_to_string("/sys/kernel/mm/transparent_hugepage/hpage_pmd_size");
    let Some(size) = size.ok().and_then(|text| text.trim().parse::<usize>().ok()) else {
        return Ok(());
    };
    let pages = size / page_size() as usize;
    let area = Mapping::new(2 * pages, WRITE, PRIVATE, None)?;
    if area.advise(0, 2 * pages, libc::MADV_HUGEPAGE) {
        let passed = area.start as usize % size / page_size() as usize;
        let first = (pages - passed) % pages;
        area.write(first..first + 1);
        println!("huge {} {size}", area.page(first) as u64);
    }
    Ok(())
}

/// A buffer of the device: mapped, a page read and a page written.
fn device() -> std::io::Result<()> {
    let file = File::options().read(true).write(true).open("/dev/mmlens")?;
    let buffer = Mapping::new(4, WRITE, libc::MAP_SHARED, Some(&file))?;
    buffer.read(0..1);
    buffer.write(1..2);
    buffer.tell("buffer");
    println!("fd {} 0", file.as_raw_fd());
    // Open until the end.
    std::mem::forget(file);
    Ok(())
}

/// Becomes another program, in a mount namespace without debugfs.
pub fn without_debugfs(words: Vec<String>) -> ExitCode {
    let [program, rest @ ..] = words.as_slice() else {
        return ExitCode::FAILURE;
    };
    let path = |text: &str| CString::new(std::ffi::OsStr::new(text).as_bytes()).unwrap_or_default();
    let (root, debugfs) = (path("/"), path("/sys/kernel/debug"));
    let private = libc::MS_REC | libc::MS_PRIVATE;
    // SAFETY: strings that end with a NUL, and pointers that may be null.
    let is_done = unsafe {
        libc::unshare(libc::CLONE_NEWNS) == 0
            && libc::mount(null_mut(), root.as_ptr(), null_mut(), private, null_mut()) == 0
            && libc::umount2(debugfs.as_ptr(), libc::MNT_DETACH) == 0
    };
    if !is_done {
        eprintln!("without debugfs: {}", std::io::Error::last_os_error());
        return ExitCode::FAILURE;
    }
    let error = Command::new(program).args(rest).exec();
    eprintln!("{program}: {error}");
    ExitCode::FAILURE
}
