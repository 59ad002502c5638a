// SPDX-License-Identifier: GPL-2.0

//! `mmlens rmap`: who else maps a page of a file.

use super::explain::print;
use crate::{
    context::Context,
    error::{Outcome, Result},
    output::json::Hex,
    target::Place,
    text,
};
use serde::Serialize;

/// Lists who maps the page of the file that is mapped at an address
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(flatten)]
    place: Place,
}

#[derive(Serialize)]
struct Data {
    pid: i32,
    comm: String,
    address: Hex,
    mappings: Vec<Mapping>,
    /// What was said beside.
    notes: Vec<String>,
}

/// A VMA that maps the page.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Mapping {
    /// `null` of a process that is about to exit.
    pid: Option<i32>,
    comm: Option<String>,
    start: Hex,
    end: Hex,
    rights: String,
    page_offset: Hex,
    /// Where it has the page.
    address: Hex,
}

impl Mapping {
    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_whitespace();
        let pid = words.next()?;
        let (start, end) = words.next()?.split_once('-')?;
        let hex = |word: &str| u64::from_str_radix(word, 16).ok().map(Hex);
        let (start, end) = (hex(start)?, hex(end)?);
        let rights = words.next()?.to_string();
        let page_offset = hex(words.next()?)?;
        let address = hex(words.next()?)?;
        let comm = words.collect::<Vec<_>>().join(" ");
        let pid = match pid {
            "-" => None,
            number => Some(number.parse().ok()?),
        };
        Some(Self {
            comm: pid.is_some().then_some(comm),
            pid,
            start,
            end,
            rights,
            page_offset,
            address,
        })
    }
}

impl Args {
    pub fn run(&self, context: &mut Context) -> Result<Outcome> {
        let target = self.place.target()?;
        let answer = text::ask(
            context,
            target.pid,
            &format!("rmap {:x}", self.place.address),
        )?;
        let mappings: Vec<Mapping> = answer.lines().filter_map(Mapping::parse).collect();
        let is_found = !mappings.is_empty();
        if context.json {
            let notes = answer.lines().filter(|line| Mapping::parse(line).is_none());
            let data = Data {
                pid: target.pid,
                comm: target.comm,
                address: Hex(self.place.address),
                notes: notes
                    .map(|line| line.trim_start_matches("# ").to_string())
                    .collect(),
                mappings,
            };
            context.print_json("rmap", &data)?;
        } else {
            print(&mut context.out, &answer)?;
        }
        Ok(if is_found {
            Outcome::Done
        } else {
            Outcome::Found
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_kernel() {
        let line = "142     0000000000400000-0000000000420000 r--p 0        0000000000401000 a b";
        let mapping = Mapping::parse(line);
        assert_eq!(
            mapping,
            Some(Mapping {
                pid: Some(142),
                comm: Some("a b".into()),
                start: Hex(0x40_0000),
                end: Hex(0x42_0000),
                rights: "r--p".into(),
                page_offset: Hex(0),
                address: Hex(0x40_1000),
            })
        );
        assert_eq!(
            Mapping::parse("# pid   start            end  perm pgoff address comm"),
            None
        );
        assert_eq!(Mapping::parse("none: no file is mapped here"), None);
    }
}
