// SPDX-License-Identifier: GPL-2.0

//! Where everything is printed.

pub mod color;
pub mod json;
pub mod progress;
pub mod table;

use crate::error::{Error, Result};
use color::When;
use mmlens_device::Machine;
use serde::Serialize;
use std::{
    fmt::Display,
    io::{self, BufWriter, IsTerminal, Write},
};

type Stream = BufWriter<anstream::AutoStream<io::Stdout>>;

/// Standard output: colors are left out and lines cut if it is not, or is, a terminal.
pub struct Output {
    stream: Stream,
    width: Option<usize>,
}

impl Output {
    pub fn new(color: When, json: bool) -> Self {
        let choice = if json { When::Never } else { color };
        let stdout = io::stdout();
        let width = (stdout.is_terminal() && !json)
            .then(terminal_size::terminal_size)
            .flatten()
            .map(|(width, _)| usize::from(width.0));
        Self {
            stream: BufWriter::new(anstream::AutoStream::new(stdout, choice.into())),
            width,
        }
    }

    /// The columns of the terminal, if it is one.
    pub fn width(&self) -> Option<usize> {
        self.width
    }

    /// Prints a line, cut if it is longer than the terminal is wide.
    pub fn line(&mut self, line: impl Display) -> Result<()> {
        let line = line.to_string();
        let line = self
            .width
            .map_or(line.as_str().into(), |width| table::cut(&line, width));
        writeln!(self.stream, "{line}").map_err(Error::of_output)
    }

    /// Prints lines that come as one text.
    pub fn text(&mut self, text: &str) -> Result<()> {
        text.lines().try_for_each(|line| self.line(line))
    }

    /// Prints the one document of a command.
    pub fn json(
        &mut self,
        command: &str,
        machine: Option<&Machine>,
        data: &impl Serialize,
    ) -> Result<()> {
        let document = json::Document {
            schema: json::SCHEMA,
            command,
            machine,
            data,
        };
        serde_json::to_writer(&mut self.stream, &document)
            .map_err(|e| Error::of_output(e.into()))?;
        writeln!(self.stream).map_err(Error::of_output)
    }

    /// Bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).map_err(Error::of_output)
    }

    /// Everything so far, to be seen now.
    pub fn flush(&mut self) -> Result<()> {
        self.stream.flush().map_err(Error::of_output)
    }
}
