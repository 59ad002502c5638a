// SPDX-License-Identifier: GPL-2.0

//! How a command ends.

use std::{
    fmt::{self, Display},
    io,
    process::ExitCode,
};

/// Numbers of the system's errors, the same on all machines that the module runs on.
pub mod errno {
    pub const EPERM: i32 = 1;
    pub const ENOENT: i32 = 2;
    pub const ESRCH: i32 = 3;
    pub const ENXIO: i32 = 6;
    pub const EACCES: i32 = 13;
    pub const ENODEV: i32 = 19;
    pub const ENOTTY: i32 = 25;
    pub const ESTALE: i32 = 116;
}

/// How a command ended that did what it was to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Done.
    Done,
    /// Done; what was looked for is not there, or what should not be there is.
    Found,
}

impl From<Outcome> for ExitCode {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Done => ExitCode::SUCCESS,
            Outcome::Found => ExitCode::from(1),
        }
    }
}

/// Why a command could not do it. The numbers are those of the program's exit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Nobody reads the output any more. Not an error.
    Pipe = 0,
    /// Asked for in a way that cannot be understood.
    Usage = 2,
    /// No right to.
    Right = 3,
    /// There is no such process, or it has no address space.
    Process = 4,
    /// There is no device.
    Device = 5,
    /// Anything else.
    Other = 6,
}

/// An error: what is wrong, and what to try.
#[derive(Debug)]
pub struct Error {
    pub kind: Kind,
    what: String,
    hint: Option<String>,
}

pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub fn new(kind: Kind, what: impl Display) -> Self {
        Self {
            kind,
            what: what.to_string(),
            hint: None,
        }
    }

    pub fn usage(what: impl Display) -> Self {
        Self::new(Kind::Usage, what)
    }

    pub fn other(what: impl Display) -> Self {
        Self::new(Kind::Other, what)
    }

    /// With what to try.
    pub fn hint(mut self, hint: impl Display) -> Self {
        self.hint = Some(hint.to_string());
        self
    }

    /// Of the output. A reader that has gone away has seen enough.
    pub fn of_output(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Self::new(Kind::Pipe, ""),
            _ => Self::other(format_args!("cannot write: {}", text(&error))),
        }
    }

    /// Of opening the device.
    pub fn of_device(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno::ENOENT | errno::ENODEV | errno::ENXIO) => {
                Self::new(Kind::Device, "no /dev/mmlens: is the module loaded?")
                    .hint("modprobe mmlens, or insmod rust/mmlens.ko")
            }
            Some(errno::EACCES | errno::EPERM) => {
                Self::new(Kind::Right, "no right to open /dev/mmlens").hint("sudo mmlens ...")
            }
            _ => Self::new(Kind::Device, format_args!("/dev/mmlens: {}", text(&error))),
        }
    }

    /// Of asking the device, about no process.
    pub fn of_ioctl(error: io::Error) -> Self {
        match error.raw_os_error() {
            Some(errno::EPERM | errno::EACCES) => Self::new(
                Kind::Right,
                "no right: that takes CAP_SYS_ADMIN, and a kernel that is not locked down to confidentiality",
            )
            .hint("sudo mmlens ..."),
            Some(errno::ENOTTY) => Self::new(Kind::Device, "the module is older than this command")
                .hint("load the module of the same version"),
            _ => Self::other(text(&error)),
        }
    }

    /// Of asking the device about a process.
    pub fn of_process(error: io::Error, pid: i32) -> Self {
        match error.raw_os_error() {
            _ if crate::target::is_kernel_thread(pid) => Self::new(
                Kind::Process,
                format_args!("{pid} is a kernel thread: it has no address space"),
            )
            .hint("mmlens kernel"),
            Some(errno::ESRCH) => Self::new(
                Kind::Process,
                format_args!("there is no process {pid}, or it is ending"),
            )
            .hint("ps -e"),
            Some(errno::ESTALE) => Self::new(
                Kind::Process,
                format_args!("{pid} has another address space since: it ran another program"),
            )
            .hint("the same again"),
            _ => Self::of_ioctl(error),
        }
    }

    /// Says it, and gives the number to exit with.
    pub fn report(self) -> ExitCode {
        if self.kind != Kind::Pipe {
            eprintln!("mmlens: {self}");
        }
        ExitCode::from(self.kind as u8)
    }
}

impl Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "; try: {hint}"),
            None => Ok(()),
        }
    }
}

/// What the system says, without its number.
pub fn text(error: &io::Error) -> String {
    let text = error.to_string();
    match text.split_once(" (os error") {
        Some((text, _)) => text.to_string(),
        None => text,
    }
}
