// SPDX-License-Identifier: GPL-2.0

//! System calls that the standard library does not have, without `unsafe` for those who use them.

use std::{
    error::Error,
    ffi::CStr,
    fmt,
    fs::File,
    io,
    os::fd::{
        AsRawFd,
        FromRawFd, //
    },
    path::Path,
    ptr,
    slice,
    sync::atomic::AtomicU64, //
};

/// What went wrong, for a person.
#[derive(Debug)]
pub struct Failure(pub String);

pub type Res<T> = Result<T, Failure>;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Error for Failure {}

/// Says what was being done when something failed.
pub trait Context<T> {
    fn context(self, what: impl fmt::Display) -> Res<T>;
}

impl<T, E: fmt::Display> Context<T> for Result<T, E> {
    fn context(self, what: impl fmt::Display) -> Res<T> {
        self.map_err(|error| Failure(format!("{what}: {error}")))
    }
}

/// Ends with a message unless `condition`.
pub fn ensure(condition: bool, message: impl FnOnce() -> String) -> Res<()> {
    match condition {
        true => Ok(()),
        false => Err(Failure(message())),
    }
}

fn checked(result: libc::c_long) -> io::Result<u64> {
    match u64::try_from(result) {
        Ok(value) => Ok(value),
        Err(_) => Err(io::Error::last_os_error()),
    }
}

pub fn page_size() -> usize {
    // SAFETY: Reads a constant.
    unsafe { libc::sysconf(libc::_SC_PAGESIZE) as usize }
}

/// The size of a huge page: what one table of entries translates.
pub fn huge_size() -> usize {
    page_size() * (page_size() / 8)
}

/// Nanoseconds; with `-icount shift=0` one for each instruction.
#[inline]
pub fn now() -> u64 {
    let mut time = libc::timespec {
        tv_sec: 0,
        tv_nsec: 0,
    };
    // SAFETY: `time` is there.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut time) };
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}

/// An ioctl whose argument is a struct.
///
/// The numbers used here all belong to structs that are as large as the number says, and what they
/// point to is memory that the caller keeps: see the callers.
pub fn ioctl<T>(file: &File, number: u64, argument: &mut T) -> io::Result<u64> {
    // SAFETY: The kernel writes to the struct, and where its addresses point to.
    checked(unsafe { libc::ioctl(file.as_raw_fd(), number as _, ptr::from_mut(argument)) }.into())
}

/// The number of an ioctl that reads and writes a `T`.
pub const fn iowr<T>(magic: u8, number: u8) -> u64 {
    (3 << 30) | ((size_of::<T>() as u64) << 16) | ((magic as u64) << 8) | number as u64
}

/// A mapping. Unmapped when dropped.
pub struct Mapping {
    address: usize,
    bytes: usize,
}

impl Mapping {
    fn new(address: usize, bytes: usize, prot: i32, flags: i32, fd: i32) -> io::Result<Self> {
        // SAFETY: Without MAP_FIXED nothing that is mapped already is touched.
        let at = unsafe { libc::mmap(address as *mut _, bytes, prot, flags, fd, 0) };
        match at == libc::MAP_FAILED {
            true => Err(io::Error::last_os_error()),
            false => Ok(Self {
                address: at as usize,
                bytes,
            }),
        }
    }

    /// Private anonymous memory; at `address`, if that is not 0.
    pub fn anonymous(address: usize, bytes: usize) -> io::Result<Self> {
        let fixed = match address {
            0 => 0,
            _ => libc::MAP_FIXED_NOREPLACE,
        };
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE | fixed;
        Self::new(
            address,
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            flags,
            -1,
        )
    }

    /// The start of a file, shared; at `address`, if that is not 0.
    pub fn shared(file: &File, address: usize, bytes: usize) -> io::Result<Self> {
        let fixed = match address {
            0 => 0,
            _ => libc::MAP_FIXED_NOREPLACE,
        };
        Self::new(
            address,
            bytes,
            libc::PROT_READ | libc::PROT_WRITE,
            libc::MAP_SHARED | fixed,
            file.as_raw_fd(),
        )
    }

    pub fn address(&self) -> usize {
        self.address
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    fn advise(&self, advice: i32) -> io::Result<()> {
        // SAFETY: The range is ours, and nobody has a reference into it.
        checked(unsafe { libc::madvise(self.address as *mut _, self.bytes, advice) }.into())?;
        Ok(())
    }

    /// Asks for huge pages, or that there be none. Real-time kernels know none, and then not the question either.
    pub fn advise_huge(&self, is_huge: bool) -> io::Result<()> {
        if is_huge {
            return self.advise(libc::MADV_HUGEPAGE);
        }
        match self.advise(libc::MADV_NOHUGEPAGE) {
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(()),
            result => result,
        }
    }

    /// Changes the rights of a part to reading only.
    pub fn protect_read(&self, offset: usize, bytes: usize) -> io::Result<()> {
        assert!(offset + bytes <= self.bytes);
        let at = (self.address + offset) as *mut _;
        // SAFETY: The range is ours, and nobody has a reference into it.
        checked(unsafe { libc::mprotect(at, bytes, libc::PROT_READ) }.into())?;
        Ok(())
    }

    /// Reads a byte each `stride` bytes.
    #[inline(never)]
    pub fn read(&self, stride: usize) -> u64 {
        let mut sum = 0;
        for offset in (0..self.bytes).step_by(stride) {
            // SAFETY: The address is in the mapping.
            sum += u64::from(unsafe { ((self.address + offset) as *const u8).read_volatile() });
        }
        sum
    }

    /// Writes a byte each `stride` bytes.
    #[inline(never)]
    pub fn write(&self, stride: usize) {
        for offset in (0..self.bytes).step_by(stride) {
            // SAFETY: The address is in the mapping, which is writable.
            unsafe { ((self.address + offset) as *mut u8).write_volatile(offset as u8 | 1) };
        }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: The range is ours.
        unsafe { libc::munmap(self.address as *mut _, self.bytes) };
    }
}

/// Numbers that this process shares with its children.
pub struct Shared {
    _mapping: Mapping,
    words: &'static [AtomicU64],
}

impl Shared {
    pub fn new(count: usize) -> Res<Self> {
        let file = memfd(0).context("memfd_create")?;
        file.set_len((count * 8) as u64).context("ftruncate")?;
        let mapping = Mapping::shared(&file, 0, count * 8).context("mmap")?;
        // SAFETY: The mapping has room for them, is all zero, and lives as long as `self` does, which
        // gives them out only as long as it is borrowed itself.
        let words = unsafe { slice::from_raw_parts(mapping.address() as *const AtomicU64, count) };
        Ok(Self {
            _mapping: mapping,
            words,
        })
    }

    pub fn words(&self) -> &[AtomicU64] {
        self.words
    }
}

/// A file in memory.
pub fn memfd(flags: u32) -> io::Result<File> {
    // SAFETY: The name is a string.
    let fd = unsafe { libc::memfd_create(c"mmlens-bench".as_ptr(), libc::MFD_CLOEXEC | flags) };
    checked(fd.into())?;
    // SAFETY: It was just opened, and is nobody else's.
    Ok(unsafe { File::from_raw_fd(fd) })
}

/// A descriptor for the faults of this process.
pub fn userfaultfd() -> io::Result<File> {
    // SAFETY: Only flags are given.
    let fd = checked(unsafe { libc::syscall(libc::SYS_userfaultfd, libc::O_CLOEXEC) })?;
    // SAFETY: It was just opened, and is nobody else's.
    Ok(unsafe { File::from_raw_fd(fd as i32) })
}

/// A kernel module. Unloaded when dropped.
pub struct Module(&'static CStr);

impl Module {
    pub fn load(path: &Path, name: &'static CStr) -> io::Result<Self> {
        let file = File::open(path)?;
        let (fd, parameters) = (file.as_raw_fd(), c"".as_ptr());
        // SAFETY: The descriptor is open, and the parameters are a string.
        checked(unsafe { libc::syscall(libc::SYS_finit_module, fd, parameters, 0) })?;
        Ok(Self(name))
    }
}

impl Drop for Module {
    fn drop(&mut self) {
        // SAFETY: The name is a string.
        unsafe { libc::syscall(libc::SYS_delete_module, self.0.as_ptr(), libc::O_NONBLOCK) };
    }
}

/// How many faults this process has had that needed no disk.
pub fn faults() -> u64 {
    // SAFETY: The struct may be all zero, and is there.
    let usage = unsafe {
        let mut usage: libc::rusage = std::mem::zeroed();
        libc::getrusage(libc::RUSAGE_SELF, &mut usage);
        usage
    };
    usage.ru_minflt as u64
}

/// Runs on one processor from now on. Says whether there is such.
pub fn pin_to(cpu: usize) -> bool {
    // SAFETY: A set of processors may be all zero.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: The set is there.
    unsafe {
        libc::CPU_SET(cpu, &mut set);
        libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) == 0
    }
}

pub fn cpus() -> usize {
    // SAFETY: Reads a number.
    unsafe { libc::sysconf(libc::_SC_NPROCESSORS_ONLN) as usize }
}

/// A process of ours. Killed when dropped.
pub struct Process(libc::pid_t);

impl Process {
    /// Runs `work` in a child.
    pub fn fork(work: impl FnOnce() -> Res<()>) -> io::Result<Self> {
        // SAFETY: There is one thread, so the child may do what the parent may.
        match checked(unsafe { libc::fork() }.into())? {
            0 => {
                // SAFETY: Constants.
                unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) };
                let code = match work() {
                    Ok(()) => 0,
                    Err(failure) => {
                        eprintln!("bench: {failure}");
                        1
                    }
                };
                // SAFETY: Ends the child without what the parent would have done at its end.
                unsafe { libc::_exit(code) }
            }
            pid => Ok(Self(pid as libc::pid_t)),
        }
    }

    pub fn pid(&self) -> i32 {
        self.0
    }

    /// Waits until it has stopped itself.
    pub fn until_stopped(&self) -> Res<()> {
        let mut status = 0;
        // SAFETY: The status is there.
        let found = unsafe { libc::waitpid(self.0, &mut status, libc::WUNTRACED) };
        let is_stopped = found == self.0 && libc::WIFSTOPPED(status);
        ensure(is_stopped, || "the target could not be made".to_string())
    }

    /// Lets it go on that has stopped itself.
    pub fn go_on(&self) {
        // SAFETY: It is ours, and was not waited for.
        unsafe { libc::kill(self.0, libc::SIGCONT) };
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // SAFETY: It is ours, and was not waited for.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, ptr::null_mut(), 0);
        }
    }
}

/// Stops this process, for ever or until somebody lets it go on.
pub fn stop() {
    // SAFETY: A signal that is always there.
    unsafe { libc::raise(libc::SIGSTOP) };
}
