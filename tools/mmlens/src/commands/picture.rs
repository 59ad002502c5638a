// SPDX-License-Identifier: GPL-2.0

//! `mmlens picture`: an address space as a picture.

use crate::{
    context::Context,
    error::{self, Error, Outcome, Result},
    picture::{self, WIDTH, WIDTHS},
    snapshot,
};
use mmlens_core::text::Escaped;
use serde::Serialize;
use std::{ffi::OsStr, fs, os::unix::ffi::OsStrExt, path::PathBuf};

/// Draws an address space and its page tables, as SVG or PNG
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which process; or a file that save wrote
    #[arg(value_hint = clap::ValueHint::FilePath)]
    pid: String,

    /// The file to write: its name ends in .svg or .png
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: PathBuf,

    /// Pixels from left to right
    #[arg(long, default_value_t = WIDTH, value_parser = clap::value_parser!(u32).range(*WIDTHS.start() as i64..=*WIDTHS.end() as i64))]
    width: u32,
}

#[derive(Serialize)]
struct Data {
    file: String,
    width: f64,
    height: f64,
}

impl Args {
    pub fn run(&self, context: &mut Context) -> Result<Outcome> {
        let file = Escaped(self.output.as_os_str().as_bytes()).to_string();
        let is_png = match self.output.extension().and_then(OsStr::to_str) {
            Some("svg") => false,
            Some("png") => true,
            _ => {
                return Err(Error::usage(format_args!("what is {file:?} to be?"))
                    .hint("a name that ends in .svg or .png"))
            }
        };
        let mut lens = None;
        let mut source = snapshot::open(&mut lens, &self.pid)?;
        let layout = picture::layout(&mut *source, self.width)?;
        let svg = picture::svg(&layout);
        let bytes = if is_png { png(&svg)? } else { svg.into_bytes() };
        fs::write(&self.output, bytes)
            .map_err(|error| Error::other(format_args!("{file}: {}", error::text(&error))))?;
        if context.json {
            let data = Data {
                file,
                width: layout.width,
                height: layout.height,
            };
            context.out.json("picture", None, &data)?;
        }
        Ok(Outcome::Done)
    }
}

#[cfg(feature = "png")]
fn png(svg: &str) -> Result<Vec<u8>> {
    picture::png::png(svg)
}

#[cfg(not(feature = "png"))]
fn png(_svg: &str) -> Result<Vec<u8>> {
    Err(Error::usage("this mmlens was built without PNG").hint("a name that ends in .svg"))
}
