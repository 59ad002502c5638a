// SPDX-License-Identifier: GPL-2.0

//! `mmlens filter`: the filter language itself.

use super::scan::read_filter;
use crate::{
    context::Context,
    error::{Outcome, Result},
    filter::{listing, Asked},
    output::{
        json::words,
        table::{Cell, Table},
    },
};
use mmlens_core::{
    pt::facts::Facts,
    text::vma_flags::{VmaFlags, NATIVE},
};
use serde::Serialize;

/// Lists the words of the filter language, or says what the kernel is asked for an expression
///
/// Needs neither the device nor any right.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// An expression
    #[arg(required_unless_present = "list", conflicts_with = "list")]
    expr: Option<String>,

    /// All words and what they mean
    #[arg(long, short)]
    list: bool,
}

#[derive(Serialize)]
struct Word {
    word: String,
    meaning: String,
}

#[derive(Serialize)]
struct Reading {
    filter: String,
    required: Vec<&'static str>,
    any: Vec<&'static str>,
    excluded: Vec<&'static str>,
    nothing: bool,
}

impl Args {
    pub fn run(&self, context: &mut Context) -> Result<Outcome> {
        if self.list {
            return list(context);
        }
        let expr = read_filter(self.expr.as_deref())?;
        let asked = Asked::of(&expr);
        let filter = asked.map(|asked| asked.filter);
        let set = |of: fn(&mmlens_core::pt::filter::Filter) -> Facts| {
            filter.as_ref().map_or(Facts(0), of)
        };
        let sets = [set(|f| f.required), set(|f| f.any), set(|f| f.excluded)];
        if context.json {
            let [required, any, excluded] = sets.map(words);
            let data = Reading {
                filter: expr.to_string(),
                required,
                any,
                excluded,
                nothing: asked.is_none(),
            };
            context.out.json("filter", None, &data)?;
            return Ok(match asked {
                Some(_) => Outcome::Done,
                None => Outcome::Found,
            });
        }
        context.out.line(format_args!("filter:       {expr}"))?;
        let Some(asked) = asked else {
            context
                .out
                .line("kernel:       not asked: nothing can match")?;
            return Ok(Outcome::Found);
        };
        for (name, set) in ["required:", "any of:", "excluded:"].iter().zip(sets) {
            if set.0 != 0 {
                let words = words(set).join(" ");
                context.out.line(format_args!("{name:<13} {words}"))?;
            }
        }
        let filter = asked.filter;
        if filter.raw_mask != 0 {
            let (mask, value) = (filter.raw_mask, filter.raw_value);
            context
                .out
                .line(format_args!("raw:          & {mask:#x} == {value:#x}"))?;
        }
        if filter.is_of_places() {
            let (start, end) = (filter.phys_start, filter.phys_end);
            context
                .out
                .line(format_args!("phys:         {start:#x}..{end:#x}"))?;
        }
        for (name, flags) in [
            ("vma has:", asked.vma_required),
            ("vma has not:", asked.vma_excluded),
        ] {
            if flags != 0 {
                let flags = VmaFlags(flags).named(&NATIVE);
                context.out.line(format_args!("{name:<13} {flags}"))?;
            }
        }
        Ok(Outcome::Done)
    }
}

fn list(context: &mut Context) -> Result<Outcome> {
    let words = listing();
    if context.json {
        let words: Vec<Word> = words
            .into_iter()
            .map(|(word, meaning)| Word { word, meaning })
            .collect();
        context.out.json("filter", None, &words)?;
        return Ok(Outcome::Done);
    }
    let mut table = Table::new(&["word", "meaning"]);
    for (word, meaning) in words {
        table.row([word.into(), Cell::from(meaning)]);
    }
    table.print(&mut context.out)?;
    Ok(Outcome::Done)
}
