// SPDX-License-Identifier: GPL-2.0

//! `mmlens save`: an address space in a file.

use crate::{
    context::Context,
    error::{self, Error, Outcome, Result},
    matching::Lens,
    snapshot::{self, Live},
    target::Target,
};
use mmlens_core::text::Escaped;
use serde::Serialize;
use std::{
    fs::{self, OpenOptions, Permissions},
    io::{BufWriter, Write},
    os::unix::{
        ffi::OsStrExt,
        fs::{OpenOptionsExt, PermissionsExt},
    },
    path::PathBuf,
};

/// Writes what a process has mapped into a file, for diff and picture, on this machine or another
///
/// The file tells physical addresses: only its owner can read it.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which process
    pid: String,

    /// The file, `-` for standard output
    #[arg(value_hint = clap::ValueHint::FilePath)]
    file: PathBuf,
}

#[derive(Serialize)]
struct Data {
    pid: i32,
    comm: String,
    file: String,
    vmas: u64,
    runs: u64,
    tables: u64,
}

impl Args {
    pub fn run(&self, context: &mut Context) -> Result<Outcome> {
        let target = Target::find(&self.pid)?;
        let lens = Lens::open()?;
        let mut live = Live::begin(&lens, &target)?;
        if self.file.as_os_str() == "-" {
            snapshot::write(&mut live, &mut std::io::stdout().lock())?;
            return Ok(Outcome::Done);
        }
        let file = Escaped(self.file.as_os_str().as_bytes()).to_string();
        let cannot =
            |error: std::io::Error| Error::other(format_args!("{file}: {}", error::text(&error)));
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600);
        let out = options.open(&self.file).map_err(cannot)?;
        let metadata = out.metadata().map_err(cannot)?;
        if metadata.is_file() {
            // It may have been there before, for all to read.
            let only_owner = Permissions::from_mode(0o600);
            out.set_permissions(only_owner).map_err(cannot)?;
        }
        let mut out = BufWriter::new(out);
        let written = snapshot::write(&mut live, &mut out);
        let flushed = out.flush().map_err(cannot);
        let written = written.and_then(|end| flushed.map(|()| end));
        let end = written.inspect_err(|_| {
            // It would only be found to be cut off. That it cannot be removed is not the news.
            if metadata.is_file() {
                let _ = fs::remove_file(&self.file);
            }
        })?;
        if context.json {
            let data = Data {
                pid: target.pid,
                comm: target.comm,
                file,
                vmas: end.vmas,
                runs: end.runs,
                tables: end.tables,
            };
            context.print_json("save", &data)?;
        } else {
            context.out.line(format_args!(
                "{file}: pid {} {}: {} VMAs, {} runs, {} tables",
                target.pid, target.comm, end.vmas, end.runs, end.tables
            ))?;
        }
        Ok(Outcome::Done)
    }
}
