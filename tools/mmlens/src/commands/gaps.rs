// SPDX-License-Identifier: GPL-2.0

//! `mmlens gaps`: room for a mapping.

use crate::{
    context::Context,
    error::{Error, Outcome, Result},
    output::json::Hex,
    parse,
    target::Target,
};
use mmlens_core::text::About;
use serde::Serialize;

/// Shows where a mapping of a length would fit: lowest, highest, and where mmap() would put it
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Which process
    pid: String,
    /// How many bytes
    #[arg(value_name = "LEN", value_parser = parse::length)]
    length: u64,
}

#[derive(Serialize)]
struct Data {
    pid: i32,
    comm: String,
    length: Hex,
    lowest: Option<Room>,
    highest: Option<Room>,
    /// Where mmap() would put it, if that can be told.
    mmap: Option<Hex>,
}

#[derive(Serialize)]
struct Room {
    start: Hex,
    end: Hex,
}

impl Args {
    pub fn run(&self, context: &mut Context) -> Result<Outcome> {
        let target = Target::find(&self.pid)?;
        let mut query = context.device()?.query(target.pid);
        let gap = query
            .gap(self.length)
            .map_err(|error| Error::of_process(error, target.pid))?;
        let outcome = match gap.lowest {
            Some(_) => Outcome::Done,
            None => Outcome::Found,
        };
        if context.json {
            let room = |(start, end)| Room {
                start: Hex(start),
                end: Hex(end),
            };
            let data = Data {
                pid: target.pid,
                comm: target.comm,
                length: Hex(self.length),
                lowest: gap.lowest.map(room),
                highest: gap.highest.map(room),
                mmap: gap.chosen.map(Hex),
            };
            context.print_json("gaps", &data)?;
            return Ok(outcome);
        }
        for (name, room) in [("lowest", gap.lowest), ("highest", gap.highest)] {
            match room {
                Some((start, end)) => context.out.line(format_args!(
                    "{name:<8} {start:016x}-{end:016x} {}",
                    About(end - start)
                ))?,
                None => context.out.line(format_args!("{name:<8} none"))?,
            }
        }
        match gap.chosen {
            Some(address) => context.out.line(format_args!("mmap     {address:016x}"))?,
            None => context.out.line("mmap     unknown")?,
        }
        Ok(outcome)
    }
}
