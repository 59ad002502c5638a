// SPDX-License-Identifier: GPL-2.0

//! The output: a line for each measurement.

use std::io::{
    self,
    Write, //
};

/// The names of the columns: what [`Sample::print`] writes.
pub const HEADER: &str =
    "contest,case,bytes,units,unit,contestant,round,reps,ns,calls,records,out_bytes,checked";

/// One measurement.
#[derive(Clone, Copy)]
pub struct Sample<'a> {
    pub contest: &'a str,
    /// What was measured, of those that are compared with each other.
    pub case: &'a str,
    /// How much memory it is of.
    pub bytes: u64,
    /// How many of `unit` were done each time.
    pub units: u64,
    pub unit: &'a str,
    pub contestant: &'a str,
    pub round: usize,
    /// How often it was done.
    pub reps: u64,
    /// How long that took.
    pub ns: u64,
    pub calls: u64,
    pub records: u64,
    pub out_bytes: u64,
    /// What the result says, where that must be the same in all contestants.
    pub checked: &'a str,
}

impl Sample<'_> {
    pub fn print(&self) {
        let Self {
            contest,
            case,
            bytes,
            units,
            unit,
            contestant,
            round,
            reps,
            ns,
            calls,
            records,
            out_bytes,
            checked,
        } = self;
        line(format_args!(
            "{contest},{case},{bytes},{units},{unit},{contestant},{round},{reps},{ns},{calls},{records},{out_bytes},{checked}"
        ));
    }
}

/// A remark, which the report may use: `# key: value`.
pub fn remark(key: &str, value: &str) {
    line(format_args!("# {key}: {value}"));
}

/// Nobody is there to be told that this failed.
pub fn line(text: std::fmt::Arguments<'_>) {
    let mut out = io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}
