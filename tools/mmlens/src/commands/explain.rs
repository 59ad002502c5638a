// SPDX-License-Identifier: GPL-2.0

//! `mmlens explain`: everything about an address.

use crate::{
    context::Context,
    error::{Outcome, Result},
    output::{
        color::{Painted, CARE, TITLE},
        json::Hex,
        Output,
    },
    target::Place,
    text,
};
use serde::Serialize;
use serde_json::{Map, Value};

/// Says everything about an address, and why it is so
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
    /// Whether a VMA contains it.
    mapped: bool,
    /// What is said by name, `reason` and `huge` without what is for people only.
    fields: Map<String, Value>,
    reason: Option<String>,
    /// All that was said.
    text: Vec<String>,
}

impl Args {
    pub fn run(&self, context: &mut Context) -> Result<Outcome> {
        let target = self.place.target()?;
        let answer = text::ask(
            context,
            target.pid,
            &format!("explain {:x}", self.place.address),
        )?;
        let is_mapped = !answer.starts_with("none:");
        if context.json {
            let fields =
                text::fields(&answer).map(|(name, value)| (name.to_string(), value.into()));
            let reason = text::field(&answer, "reason").and_then(|reason| reason.split(':').next());
            let data = Data {
                pid: target.pid,
                comm: target.comm,
                address: Hex(self.place.address),
                mapped: is_mapped,
                fields: fields.filter(|(name, _)| name != "none").collect(),
                reason: reason.map(String::from),
                text: answer.lines().map(String::from).collect(),
            };
            context.print_json("explain", &data)?;
        } else {
            print(&mut context.out, &answer)?;
        }
        Ok(if is_mapped {
            Outcome::Done
        } else {
            Outcome::Found
        })
    }
}

/// Prints an answer: names stand out, and the reason more so.
pub fn print(out: &mut Output, answer: &str) -> Result<()> {
    for line in answer.lines() {
        match text::fields(line).next().and(line.split_once(':')) {
            Some((name @ "reason", value)) => out.line(format_args!(
                "{}:{}",
                Painted(TITLE, name),
                Painted(CARE, value)
            ))?,
            Some((name, value)) => out.line(format_args!("{}:{value}", Painted(TITLE, name)))?,
            None => out.line(line)?,
        }
    }
    Ok(())
}
